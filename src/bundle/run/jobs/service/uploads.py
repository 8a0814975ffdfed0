"""Uploads become jobs: names that stay in the job's folder, sizes that are bounded, secure values encrypted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bundle.base.errors import ConfigError
from bundle.base.filenames import folded, portable_obstacle
from bundle.run.jobs.command import ENV_FILE
from bundle.run.jobs.config import parse_job_config
from bundle.run.jobs.keys import Keys, is_token
from bundle.run.jobs.service.store import JobStore, Row

MOST_FILES = 200

MOST_CONFIG = 2**19
"""Bytes of a configuration; less than a form keeps on the disk, where its secure values would stand in clear."""

_PART = 2**16


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What a client sends."""

    script: tuple[str, IO[bytes]]
    """Its name and content."""
    config: str = field(default="", repr=False)
    """JSON; empty for none."""
    env: IO[bytes] | None = None
    """The content of `.env`."""
    files: Sequence[tuple[str, IO[bytes]]] = ()
    env_file_as_macros: bool = False


def accept(upload: Upload, store: JobStore, keys: Keys) -> Row:
    """Make a job of an upload; it waits.

    Raises:
        ConfigError: a name or the configuration is wrong; nothing of it is kept.
    """
    script = upload.script[0]
    if not script.endswith(".py") or "/" in script:
        raise ConfigError(f"{script!r:.80} is no script.", remedy="Upload one .py file as the script.")
    if b"\0" in upload.script[1].read(_PART):
        raise ConfigError(f"{script!r:.80} holds zero bytes: it is no script.", remedy="Upload the Python source.")
    upload.script[1].seek(0)
    if len(upload.files) > MOST_FILES:
        raise ConfigError(f"There are more than {MOST_FILES} files.", remedy="Put them into an archive.")
    with store.new_folder() as id:  # noqa: A001 - the name that the interface has for it
        text = upload.config
        if not text.strip():
            text = json.dumps({"engineType": "python", "packageName": script})
        config = parse_job_config(text, job_id=id)
        if config.package != script:
            raise ConfigError(
                f"packageName is {config.package!r:.80}, and the script {script!r:.80}.", remedy="Let both be the same."
            )
        taken: set[str] = set()
        for name, content in (upload.script, *upload.files):
            _write(store.files(id), name, content, taken)
        if upload.env is not None:
            _write(store.files(id), ENV_FILE, upload.env, taken)
        return store.add(id, config.job_id, script, encrypted(text, keys), env_file=upload.env_file_as_macros)


def encrypted(config: str, keys: Keys) -> str:
    """Return a valid configuration whose secure values are encrypted, those under an older key anew."""
    document = json.loads(config)
    macros = (document.get("runtimeConfig") or {}).get("macros") or []
    for macro in macros:
        if isinstance(macro, dict) and macro.get("secure") is True and macro.get("value") is not None:
            value: Any = macro["value"]
            text = value if isinstance(value, str) else json.dumps(value)
            macro["value"] = keys.renewed(text) if is_token(text) else keys.encrypt(text)
    return json.dumps(document)


def _write(folder: Path, name: str, content: IO[bytes], taken: set[str]) -> None:
    if obstacle := portable_obstacle(name):
        raise ConfigError(f"{name!r:.80} is no name for a file: it {obstacle}.", remedy="Rename it.")
    if folded(name) in taken:
        raise ConfigError(
            f"{name!r:.80} is uploaded twice.", remedy="Give each file its own name; case does not count."
        )
    taken.add(folded(name))
    place = folder / name
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as target:
            while part := content.read(_PART):
                target.write(part)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"{name!r:.80} is a file and a folder.", remedy="Rename one of them.") from error
