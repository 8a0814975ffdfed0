"""The file `import-allowlist.json`, refused with the entries of `verify.accept` that replace it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle.base.errors import ConfigError
from bundle.base.files import read_regular

FILE = "import-allowlist.json"


def refusal(root: Path, folder: str, config: str) -> ConfigError | None:
    """Return the error about an import allow-list, None if there is none.

    Args:
        root: the project's folder.
        folder: the folder to look in, relative to the project.
        config: the configuration file there, relative to the project.
    """
    file = Path(folder, FILE)
    path = root / file
    if not path.exists():
        return None
    try:
        entries = [json.dumps(entry, ensure_ascii=False) for entry in _entries(json.loads(read_regular(path)))]
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        entries = []
    return ConfigError(
        f"{file.as_posix()} is not read: accepted errors belong into verify.accept of {config}.",
        remedy=f"Move its entries{', as printed above,' if entries else ''} to verify.accept, and remove {FILE}. "
        "docs/verification.md describes them.",
        details=[f"{entry}{',' if place < len(entries) else ''}" for place, entry in enumerate(entries, 1)],
    )


def _entries(content: Any) -> Iterator[dict[str, str]]:
    for package, modules in content.items():
        for name, entry in modules.items() if package != "$schema" else ():
            script = "/" in name
            yield {
                "rule": "script-fails" if script else "import-fails",
                "files": name if script else f"*/{name.replace('.', '/')}.*",
                "error": entry["error"],
                "reason": entry["reason"],
            }
