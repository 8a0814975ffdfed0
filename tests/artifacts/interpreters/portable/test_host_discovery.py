from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.interpreters.portable.host_discovery import Answer, Candidate, candidates
from bundle.model.platforms import PLATFORMS

LINUX = PLATFORMS["linux-x64"]


@pytest.fixture
def good(tmp_path: Path) -> Answer:
    """Return the answer of an interpreter that can be made portable."""
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "Python.h").touch()
    facts = {
        "implementation": "cpython",
        "system": "Linux",
        "machine": "x86_64",
        "bits": 64,
        "level": "final",
        "debug": False,
        "free_threaded": False,
        "glibc": "glibc 2.36",
        "schemes": ["posix_prefix", "posix_user"],
        "platlibdir": "lib",
        "base_prefix": str(tmp_path),
        "base_exec_prefix": str(tmp_path),
        "pip_wheel": True,
    }
    return Answer(
        candidate=Candidate(executable=tmp_path / "bin" / "python3.12", origin="PATH"),
        python="3.12.10",
        prefix=tmp_path,
        stdlib=tmp_path / "lib" / "python3.12",
        include=tmp_path / "include",
        facts=facts,
    )


def test_a_usual_cpython_has_no_obstacles(good: Answer) -> None:
    assert good.obstacles(LINUX) == []


@pytest.mark.parametrize(
    ("fact", "value", "reason"),
    [
        ("implementation", "pypy", "it is pypy, not CPython"),
        ("machine", "aarch64", "it is for Linux aarch64"),
        ("bits", 32, "32 bits"),
        ("level", "candidate", "pre-release"),
        ("debug", True, "debug build"),
        ("free_threaded", True, "free-threaded"),
        ("glibc", "", "its C library is not glibc"),
        ("schemes", ["posix_local"], "dist-packages"),
        ("platlibdir", "lib64", "standard library is not in"),
        ("base_exec_prefix", "/elsewhere", "exec-prefix"),
        ("pip_wheel", False, "no pip wheel"),
    ],
)
def test_an_obstacle_is_told(good: Answer, fact: str, value: Any, reason: str) -> None:
    (told,) = replace(good, facts={**good.facts, fact: value}).obstacles(LINUX)
    assert reason in told


def test_missing_headers_are_an_obstacle(good: Answer) -> None:
    (good.include / "Python.h").unlink()
    assert good.obstacles(LINUX) == ["its C headers are not installed"]


def test_each_python_is_found_once_and_shims_are_not_taken(tmp_path: Path) -> None:
    def python(folder: str, content: str = "\x7fELF") -> Path:
        path = tmp_path / folder / "python3.9"
        path.parent.mkdir(parents=True)
        path.write_text(content)
        path.chmod(0o755)
        return path

    real = python("usr/bin")
    python("shims", "#!/bin/sh\n")
    link = tmp_path / "local" / "python3.9"
    link.parent.mkdir()
    link.symlink_to(real)
    pyenv = python("pyenv/versions/3.9.1/bin")
    (tmp_path / "pyenv" / "versions" / "environment").symlink_to("3.9.1")
    managed = python("uv/cpython-3.9.2/bin")
    environ = {
        "PATH": ":".join(str(tmp_path / name) for name in ("shims", "local", "usr/bin", "absent")),
        "HOME": str(tmp_path),
        "PYENV_ROOT": str(tmp_path / "pyenv"),
        "UV_PYTHON_INSTALL_DIR": str(tmp_path / "uv"),
    }
    found = [(one.executable, one.origin) for one in candidates("3.9.7", environ)]
    assert found == [(link, "PATH"), (pyenv, "pyenv"), (managed, "uv")]
