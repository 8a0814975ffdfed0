from pathlib import Path

from bundle.artifacts.interpreters.debian_mirror import debian_mirror

LINES = "# deb https://old.example/debian bookworm main\ndeb [arch=amd64] https://mirror.example/debian bookworm main\n"
STANZAS = "Types: deb\nURIs: https://packages.example/apt\nSuites: stable\n\nURIs: https://other.example/debian/\n"


def test_the_mirror_is_the_one_that_apt_is_configured_to_use(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(LINES)
    assert debian_mirror({}, apt=tmp_path) == "https://mirror.example/debian"
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(STANZAS)
    assert debian_mirror({}, apt=tmp_path) == "https://other.example/debian"


def test_the_users_own_mirror_comes_first(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(LINES)
    assert debian_mirror({"BUNDLE_DEBIAN_MIRROR": "https://own.example/d/"}, apt=tmp_path) == "https://own.example/d"


def test_a_machine_without_a_mirror_has_none(tmp_path: Path) -> None:
    assert debian_mirror({}, apt=tmp_path) == ""
