from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.model.config.project import Project

ENTRY = {"error": "needs a display", "reason": "Only the viewer uses it."}


def project(folder: Path) -> Project:
    (folder / "versions" / "3.12.10").mkdir(parents=True)
    for path in (folder / "shared-config.json", folder / "versions" / "3.12.10" / "config.json"):
        path.write_text("{}")
    return Project(folder)


def test_the_entries_to_write_instead_are_printed(tmp_path: Path) -> None:
    loaded = project(tmp_path)
    content = {"$schema": "x", "sci*": {"scipy.view._gl": ENTRY, "bin/view": ENTRY}}
    (tmp_path / "versions" / "3.12.10" / "import-allowlist.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        loaded.load("3.12.10", {})
    error = caught.value
    assert "versions/3.12.10/import-allowlist.json is not read" in error.what
    assert "verify.accept of versions/3.12.10/config.json" in error.what
    assert json.loads(f"[{''.join(error.details)}]") == [
        {"rule": "import-fails", "files": "*/scipy/view/_gl.*", **ENTRY},
        {"rule": "script-fails", "files": "bin/view", **ENTRY},
    ]


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"b": {}}}'])
def test_a_damaged_list_is_refused_as_well(tmp_path: Path, content: str) -> None:
    loaded = project(tmp_path)
    (tmp_path / "import-allowlist.json").write_text(content)
    with pytest.raises(ConfigError, match=r"import-allowlist\.json is not read.*shared-config\.json"):
        loaded.load("3.12.10", {})


def test_the_printed_entries_are_valid(tmp_path: Path) -> None:
    loaded = project(tmp_path)
    (tmp_path / "import-allowlist.json").write_text(json.dumps({"scipy": {"scipy.a": ENTRY}}))
    with pytest.raises(ConfigError) as caught:
        loaded.load("3.12.10", {})
    (tmp_path / "import-allowlist.json").unlink()
    accept = json.loads(f"[{''.join(caught.value.details)}]")
    (tmp_path / "shared-config.json").write_text(json.dumps({"verify": {"accept": accept}}))
    (entry,) = loaded.load("3.12.10", {}).config.verify.accept
    assert entry.rule == "import-fails"
    assert entry.fits(["lib/python3.12/site-packages/scipy/a.abi3.so"])
