from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.interpreters.portable.host_discovery import Answer, Candidate
from bundle.base.errors import ConfigError
from bundle.run.vendored.target import RECORD, Installed, is_environment, record_text, target_of
from tests.run.vendored.environments import target

FACTS = {
    "implementation": "cpython",
    "free_threaded": False,
    "system": "Linux",
    "machine": "aarch64",
    "bits": 64,
    "glibc": "glibc 2.31",
}


def answer(**changes: object) -> Answer:
    place = Path("/opt/python")
    return Answer(
        candidate=Candidate(executable=place / "bin/python3", origin="its path"),
        python="3.12.7",
        prefix=place,
        stdlib=place,
        include=place,
        facts={**FACTS, **changes},
    )


def test_an_interpreter_tells_platform_and_system() -> None:
    found = target_of(Path("/env"), answer(), exists=False)
    assert (found.platform.key, found.floors.glibc, found.python) == ("linux-aarch64", "2.31", "3.12.7")
    assert found.site_packages == Path("/env/lib/python3.12/site-packages")
    assert (
        target_of(Path("/env"), answer(system="Darwin", machine="arm64", glibc=""), exists=False).floors.glibc == "2.99"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"implementation": "pypy"}, "it is pypy, not CPython"),
        ({"free_threaded": True}, "it is a free-threaded build"),
        ({"bits": 32}, r"it is for Linux aarch64 \(32 bits\)"),
        ({"machine": "riscv64"}, "it is for Linux riscv64"),
    ],
)
def test_other_interpreters_are_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        target_of(Path("/env"), answer(**change), exists=False)


def test_a_folder_is_an_environment_empty_or_refused(tmp_path: Path) -> None:
    assert not is_environment(tmp_path / "none")
    assert not is_environment(tmp_path)
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(ConfigError, match="is not a virtual environment"):
            is_environment(place)
    (tmp_path / "pyvenv.cfg").write_text("")
    assert is_environment(tmp_path)


def test_the_record_comes_back_and_a_broken_one_says_nothing(tmp_path: Path) -> None:
    wheels = {"low": Installed(sha256="a" * 64, stamp=(1, 2))}
    (tmp_path / RECORD).write_text(record_text(wheels))
    assert target(tmp_path).record == wheels
    for text in ("", "[]", '{"format": 1, "wheels": {"low": {"sha256": "a", "stamp": [1]}}}', '{"format": 2}'):
        (tmp_path / RECORD).write_text(text)
        assert target(tmp_path).record == {}


def test_what_is_installed_is_read_from_the_names_of_folders(tmp_path: Path) -> None:
    found = target(tmp_path / "env", "My_Name-1.0", "other-2.0rc1")
    (found.site_packages / "broken-x.y.z-!.dist-info").mkdir()
    (found.site_packages / "empty-1.0.dist-info").mkdir()
    assert {name: str(one.version) for name, one in found.installed.items()} == {"my-name": "1.0", "other": "2.0rc1"}
