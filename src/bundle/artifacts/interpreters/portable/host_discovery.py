"""Discovery of the CPythons of this machine, and of their properties."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.base.errors import WorkError
from bundle.base.processes.run import check, run
from bundle.model.platforms import Platform, platform_of, short_version

_QUESTION = """
import json, os, platform, sys, sysconfig
variables = sysconfig.get_config_vars()
bundled = os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")
names = os.listdir(bundled) if os.path.isdir(bundled) else []
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, ValueError, OSError):
    libc = ""
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": "%d.%d.%d" % sys.version_info[:3],
    "level": sys.version_info[3],
    "prefix": sys.prefix,
    "base_prefix": sys.base_prefix,
    "base_exec_prefix": sys.base_exec_prefix,
    "platlibdir": getattr(sys, "platlibdir", "lib"),
    "stdlib": sysconfig.get_path("stdlib"),
    "include": sysconfig.get_path("include"),
    "abiflags": getattr(sys, "abiflags", ""),
    "debug": hasattr(sys, "gettotalrefcount"),
    "free_threaded": bool(variables.get("Py_GIL_DISABLED")),
    "framework": bool(variables.get("PYTHONFRAMEWORK")),
    "schemes": list(sysconfig.get_scheme_names()),
    "pip_wheel": any(name.startswith("pip-") for name in names),
    "system": platform.system(),
    "machine": platform.machine(),
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "glibc": libc,
}))
"""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A place where a CPython may be."""

    executable: Path
    origin: str
    """How it was found, for messages: `the running Python`, `PATH`, `pyenv`, `uv`."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The properties of an interpreter, by its own answer."""

    candidate: Candidate
    python: str
    prefix: Path
    """Its base prefix, as it spells it."""
    stdlib: Path
    include: Path
    facts: Mapping[str, Any]

    def obstacles(self, machine: Platform) -> list[str]:
        """Return the reasons why it cannot be made portable, none if it can."""
        facts = self.facts
        short = short_version(self.python)
        named = f"{facts['system']} {facts['machine']} ({facts['bits']} bits)"
        checks = (
            (facts["implementation"] != "cpython", f"it is {facts['implementation']}, not CPython"),
            (platform_of(facts["system"], facts["machine"]) != machine or facts["bits"] != 64, f"it is for {named}"),
            (facts["level"] != "final", "it is a pre-release"),
            (facts["debug"], "it is a debug build"),
            (facts["free_threaded"], "it is a free-threaded build, for which other wheels are needed"),
            (not facts["glibc"], "its C library is not glibc, which manylinux wheels need"),
            (
                bool({"deb_system", "posix_local"} & set(facts["schemes"])),
                "the distribution patched it to install into dist-packages and /usr/local",
            ),
            (
                facts["platlibdir"] != "lib" or self.stdlib != self.prefix / "lib" / f"python{short}",
                f"its standard library is not in lib/python{short} but in {self.stdlib}",
            ),
            (facts["base_exec_prefix"] != facts["base_prefix"], "its exec-prefix differs from its prefix"),
            (not facts["pip_wheel"], "its ensurepip has no pip wheel (Debian and Ubuntu package it separately)"),
            (not (self.include / "Python.h").is_file(), "its C headers are not installed"),
        )
        return [reason for applies, reason in checks if applies]


def candidates(python: str, environ: Mapping[str, str]) -> Iterator[Candidate]:
    """Yield the places where a CPython X.Y may be, each file once, best first.

    Args:
        python: the version wanted, of which X.Y counts.
        environ: the environment variables.
    """
    seen: set[Path] = set()
    for candidate in _places(f"python{short_version(python)}", environ):
        try:
            real = candidate.executable.resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        if real in seen or not real.is_file() or not os.access(real, os.X_OK) or _is_script(real):
            continue
        seen.add(real)
        yield candidate


def _places(name: str, environ: Mapping[str, str]) -> Iterator[Candidate]:
    if name == f"python{sys.version_info[0]}.{sys.version_info[1]}":
        yield Candidate(executable=Path(sys.base_prefix, "bin", name), origin="the running Python")
    for folder in environ.get("PATH", "").split(os.pathsep):
        if folder:
            yield Candidate(executable=Path(folder, name), origin="PATH")
    home = Path(environ.get("HOME") or Path.home())
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    managed = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    for root, tool in ((pyenv / "versions", "pyenv"), (managed, "uv")):
        # A virtual environment of pyenv-virtualenv also lies there, as a link into the envs folder of its Python.
        for version in sorted(root.glob("*")) if root.is_dir() else ():
            if not version.is_symlink():
                yield Candidate(executable=version / "bin" / name, origin=tool)


def _is_script(path: Path) -> bool:
    """Return whether it is a script, such as a pyenv shim, which starts another Python in each folder."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def ask(candidate: Candidate, environ: Mapping[str, str]) -> Answer:
    """Ask an interpreter for its properties; no files of the user are loaded into it.

    Raises:
        WorkError: it does not run, or says nothing that can be read.
    """
    env = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    completed = run([candidate.executable, "-I", "-S", "-B", "-c", _QUESTION], env=env, timeout=20)
    check(completed, f"Asking {candidate.executable} about itself")
    try:
        return answer_of(candidate, json.loads(completed.output))
    except (ValueError, TypeError, LookupError) as error:
        raise WorkError(
            f"{candidate.executable} does not answer as a Python would: {completed.output[:80]!r}"
        ) from error


def answer_of(candidate: Candidate, facts: Mapping[str, Any]) -> Answer:
    """Return the answer that an interpreter gave.

    Raises:
        TypeError, LookupError: none of them gives these facts.
    """
    return Answer(
        candidate=candidate,
        python=facts["version"],
        prefix=Path(facts["base_prefix"]),
        stdlib=Path(facts["stdlib"]),
        include=Path(facts["include"]),
        facts=facts,
    )
