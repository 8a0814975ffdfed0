from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.installation import Validator
from bundle.run.jobs.properties import parse_properties

POSIX = pytest.mark.skipif(os.name == "nt", reason="programs here are scripts")


def program(path: Path, *, works: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n' if works else "#!/bin/sh\necho broken >&2\nexit 3\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "python.installPath=",
        "python.installPath=   ",
        "python.installPath=/nowhere",
        "python.installPath=a\\u0000b",
        "python.installPath=bundle:3.12",
        "python.enabled=false\npython.installPath=/usr",
        "python.enabled=maybe\npython.installPath=/usr",
        "python.enabled=\npython.installPath=/usr",
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_starts(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Validator().validate(parse_properties(text))
    assert "python." in caught.value.remedy


def test_a_folder_without_a_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("not executable")
    (tmp_path / "bin" / "python").mkdir(parents=True)
    with pytest.raises(ConfigError, match="no executable python3 or python"):
        Validator().installed(str(tmp_path))


@POSIX
@pytest.mark.real
@pytest.mark.parametrize(
    ("places", "found"),
    [
        (("bin/python3", "bin/python", "python3"), "bin/python3"),
        (("bin/python", "python3"), "bin/python"),
        (("python3", "python"), "python3"),
        (("python", "python.exe"), "python"),
        (("python.exe",), "python.exe"),
    ],
)
def test_a_python_is_found_in_its_folder(tmp_path: Path, places: tuple[str, ...], found: str) -> None:
    for place in places:
        program(tmp_path / place)
    validator = Validator()
    installation = validator.validate(parse_properties(f"python.installPath={tmp_path}  "))
    assert installation.executable == tmp_path / found
    assert installation.version == "{}.{}.{}".format(*sys.version_info[:3])
    assert validator.installed(str(tmp_path / found)) == installation


@POSIX
@pytest.mark.real
def test_a_python_that_does_not_work_is_refused(tmp_path: Path) -> None:
    program(tmp_path / "python3", works=False)
    with pytest.raises(ConfigError, match="exit code 3") as caught:
        Validator().installed(str(tmp_path))
    assert caught.value.details == ("broken",)


@POSIX
@pytest.mark.real
def test_python3_on_the_path_goes_before_python(tmp_path: Path) -> None:
    program(tmp_path / "python")
    assert Validator().on_path({"PATH": str(tmp_path)}).executable.name == "python"
    program(tmp_path / "python3")
    assert Validator().on_path({"PATH": str(tmp_path)}).executable.name == "python3"
    with pytest.raises(ConfigError):
        Validator().on_path({"PATH": str(tmp_path / "none")})
