from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.on_machine import find, fits, look
from bundle.artifacts.interpreters.portable.host_discovery import Answer, Candidate
from bundle.base.errors import ConfigError

OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"


def answer(python: str, level: str = "final") -> Answer:
    facts = {"level": level, "implementation": "cpython"}
    place = Path("/opt/python")
    candidate = Candidate(executable=place / "bin" / "python3", origin="PATH")
    return Answer(candidate=candidate, python=python, prefix=place, stdlib=place, include=place, facts=facts)


@pytest.mark.parametrize(
    ("version", "python", "level", "expected"),
    [
        ("3.12", "3.12.10", "final", True),
        ("3", "3.12.10", "final", True),
        ("3.12.1", "3.12.10", "final", False),
        ("3.1", "3.12.10", "final", False),
        ("3.15", "3.15.0", "candidate", False),
    ],
)
def test_a_version_fits_by_its_parts(version: str, python: str, level: str, expected: bool) -> None:
    assert fits(answer(python, level), version) is expected


@pytest.mark.parametrize("version", ["", "2.7", "3.x", "3.12.1.1", ">=3.12", "3.12\n", "python3.12", "3." + "1" * 99])
def test_no_version_is_refused(version: str) -> None:
    with pytest.raises(ConfigError, match="is not a version of Python"):
        find(version, {})


@pytest.mark.real
def test_the_running_python_is_found_and_others_are_listed() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PATH"}
    found = find(OWN, environ)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert find(found.python, environ).prefix == found.prefix
    with pytest.raises(ConfigError, match=r"There is no Python 3\.39") as caught:
        find("3.39", environ)
    assert f"{found.python} in " in str(caught.value.remedy)


@pytest.mark.real
def test_a_path_is_looked_at(tmp_path: Path) -> None:
    assert look(Path(sys.executable), dict(os.environ)).python == ".".join(map(str, sys.version_info[:3]))
    with pytest.raises(ConfigError, match="There is no interpreter"):
        look(tmp_path / "python", {})
    (tmp_path / "python").write_text("#!/bin/sh\necho 3.12\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(ConfigError, match="is no Python that runs here"):
        look(tmp_path / "python", dict(os.environ))
