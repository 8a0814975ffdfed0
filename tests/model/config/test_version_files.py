from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.model.config.config import BuildWheel
from bundle.model.config.version_files import version_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "3.12.10-x"
    for path in ("config.json", "pylock.linux-x64.toml", "compat/a.h", "compat/sub/b.h", "one.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ABI", []),
        ("{versionRoot}/one.txt", ["one.txt"]),
        ("-I{versionRoot}/compat -DX", ["compat/a.h", "compat/sub/b.h"]),
        ("{versionRoot}/compat/sub;{versionRoot}\\one.txt", ["compat/sub/b.h", "one.txt"]),
        ("{versionRoot}", ["compat/a.h", "compat/sub/b.h", "one.txt"]),
    ],
)
def test_what_settings_and_variables_name_is_found(folder: Path, text: str, found: list[str]) -> None:
    rule = BuildWheel(reason="r", environment={"A": text})
    assert list(version_files(folder, rule)) == found
    assert version_files(folder, BuildWheel(reason="r", config_settings={"a": ("x", text)})) == version_files(
        folder, rule
    )


@pytest.mark.parametrize(
    ("text", "what"), [("{versionRoot}/none", "does not exist"), ("{versionRoot}/../other", "leaves the version")]
)
def test_what_is_not_there_is_refused(folder: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        version_files(folder, BuildWheel(reason="r", environment={"A": text}))


def test_a_link_never_leads_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").touch()
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "compat" / "link").symlink_to(tmp_path / "outside" / "secret")
    with pytest.raises(ConfigError, match="leaves"):
        version_files(folder, BuildWheel(reason="r", environment={"A": "{versionRoot}/link"}))
    found = version_files(folder, BuildWheel(reason="r", environment={"A": "{versionRoot}/compat"}))
    assert "compat/link" not in found
