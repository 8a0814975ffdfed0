from pathlib import Path

import pytest

from tests.foreign import debian

LINES = "# deb https://old.example/debian bookworm main\ndeb [arch=amd64] https://mirror.example/debian bookworm main\n"
STANZAS = "Types: deb\nURIs: https://packages.example/apt\nSuites: stable\n\nURIs: https://other.example/debian/\n"


def test_the_mirror_is_the_one_that_apt_is_configured_to_use(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(LINES)
    assert debian.mirror(tmp_path) == "https://mirror.example/debian"
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(STANZAS)
    assert debian.mirror(tmp_path) == "https://other.example/debian"


def test_a_machine_without_a_mirror_says_so(tmp_path: Path) -> None:
    with pytest.raises(debian.NoMirrorError):
        debian.mirror(tmp_path)
