"""The interpreter that compiles a bundle's modules: its own, or for another platform one of this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from bundle.artifacts.interpreters.portable import host_discovery
from bundle.base.errors import WorkError
from bundle.model.platforms import Platform, short_version


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """An interpreter that writes .pyc files."""

    python: Path
    """Its executable, which runs on this machine."""
    version: str
    """Its full version: patch releases may compile the same source to other code."""


@dataclass(frozen=True, kw_only=True)
class Bytecode:
    """Whether a bundle gets .pyc files, and from which interpreter."""

    by: str | None = None
    """The version that compiles; None: no bytecode is compiled."""
    host: Path | None = None
    """This machine's interpreter that does it; None: the bundle's own."""
    why_not: str | None = None
    """The reason why there are none, if the configuration asks for some."""

    def as_json(self) -> bool | str:
        """Return the JSON value that the manifest holds."""
        if self.by is not None:
            return f"compiled by {self.by}"
        return False if self.why_not is None else f"left out: {self.why_not}"

    def compiler(self, own: Callable[[], Path]) -> Compiler | None:
        """Return the compiling interpreter, None if no bytecode is compiled.

        Args:
            own: returns the executable of the bundle's own interpreter; asked only if that is the one.
        """
        return None if self.by is None else Compiler(python=self.host or own(), version=self.by)


def bytecode_of(
    python: str, platform: Platform, *, wanted: bool, machine: Platform | None, environ: Mapping[str, str]
) -> Bytecode:
    """Decide which interpreter compiles a bundle's modules; all releases of one X.Y share their bytecode format.

    Args:
        python: the version of the bundle's interpreter.
        wanted: `build.bytecode`.
        machine: the platform of this machine.
    """
    if not wanted:
        return Bytecode()
    if platform == machine:
        return Bytecode(by=python)
    found = compiler_for(python, environ=environ)
    if found is None:
        return Bytecode(why_not=f"no CPython {short_version(python)} on this machine")
    return Bytecode(by=found.version, host=found.python)


def compiler_for(python: str, *, environ: Mapping[str, str]) -> Compiler | None:
    """Return this machine's compiler for the modules of a Python; see `best`."""
    return best(_candidates(python, environ), python)


def best(compilers: Iterable[Compiler], python: str) -> Compiler | None:
    """Return the compiler of exactly a version, else the newest, None if there are none; all are of its X.Y."""
    return max(compilers, key=lambda one: (one.version == python, Version(one.version)), default=None)


def check_magic(compiler: Compiler, tree: Path, stdlib: str, magic: str) -> None:
    """Make sure that an interpreter reads the bytecode of a compiler.

    Args:
        tree: the interpreter that is to read.
        stdlib: its standard library, relative to it.
        magic: the hexadecimal magic number of the bytecode.

    Raises:
        WorkError: it would silently ignore all of it.
    """
    expected = _magic_in(tree / stdlib / "importlib" / "_bootstrap_external.py")
    if expected is not None and expected != magic:
        raise WorkError(
            f"CPython {compiler.version} of this machine writes other bytecode than the bundle's interpreter reads.",
            details=[f"its magic number is {magic}, the interpreter's is {expected}", str(compiler.python)],
            remedy="Set build.bytecode to false, or install a final release of the same X.Y on this machine.",
        )


def _magic_in(module: Path) -> str | None:
    """Return the magic number in the source of the import system, None if it is defined in C (from 3.14 on)."""
    found = re.search(r"^MAGIC_NUMBER = \((\d+)\)\.to_bytes\(2, 'little'\)", module.read_text("utf-8"), re.MULTILINE)
    return None if found is None else (int(found[1]).to_bytes(2, "little") + b"\r\n").hex()


def _candidates(python: str, environ: Mapping[str, str]) -> Iterator[Compiler]:
    for candidate in host_discovery.candidates(python, environ):
        try:
            answer = host_discovery.ask(candidate, environ)
        except WorkError:
            continue  # It does not run: no candidate.
        facts = answer.facts
        plain = facts["level"] == "final" and not facts["free_threaded"] and not facts["debug"]
        same = short_version(answer.python) == short_version(python)
        if facts["implementation"] == "cpython" and plain and same:
            yield Compiler(python=candidate.executable, version=answer.python)
