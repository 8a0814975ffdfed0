"""Running a bundle where libraries are missing that wheels may expect of a system."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.processes.run import Completed
from bundle.base.text import last_lines
from bundle.make.verify.trials.isolation import Isolation, Start, Tried
from bundle.make.verify.trials.tracebacks import messages

_TIMEOUT = 120.0

_SHOWN = 3

_NUMBERS = re.compile(r"0x[0-9A-Fa-f]+|\d+")

_OF_SCRIPT = "import runpy; sys.argv[:] = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
_OF_MODULE = "import runpy; sys.argv.pop(0); runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """The libraries that a place lacks, and what cannot be loaded there for it."""

    libraries: tuple[str, ...]
    files: Mapping[str, str]
    """Library by path of each file of the bundle that needs it, itself or through others."""
    modules: Mapping[str, str]
    """Library by dotted name of each native module among the files."""


@dataclass(frozen=True, kw_only=True)
class Incomplete(Isolation):
    """A bundle where libraries are missing.

    A program that fails is run again with stand-ins for the modules that cannot be loaded for the lack of a library. If
    it fails in the same way, the lack is not the reason.
    """

    lacking: Lacking
    verdicts: dict[tuple[object, ...], bool] = field(default_factory=dict, compare=False)
    """By failure, whether it has another reason: many modules of a package fail with the same error."""
    unusable: dict[str, bool] = field(default_factory=dict, compare=False)
    """By package, whether importing it fails at all."""

    def inconclusive(self, tried: Tried, *, started: bool = False) -> str | None:
        """Return the emulator's message about a failure of its own, or the library that is missing there."""
        return super().inconclusive(tried) or self._for_lack(tried, started)

    def _for_lack(self, tried: Tried, started: bool) -> str | None:
        if tried.code <= 0 or tried.timed_out:
            return None  # A crash needs no library.
        first, *rest = tried.start.arguments
        if library := self.lacking.files.get(self._inside(first)):
            return self._words(library)
        if started:
            return None
        named = [str(part) for part in rest if _is_module(part)]
        tops = {name.partition(".")[0] for name in named}
        key = (tried.code, _complaint(tried), *sorted(tops & {name.partition(".")[0] for name in self.lacking.modules}))
        if key not in self.verdicts:
            start = self._with_stand_ins(tried.start, tops)
            self.verdicts[key] = start is None or _same(tried, self._again(start))
        if self.verdicts[key]:
            return None
        own = [self.lacking.modules[name] for name in named if name in self.lacking.modules]
        return self._words(*(own or self.lacking.libraries))

    def _words(self, *libraries: str) -> str:
        more = f" and {len(libraries) - _SHOWN} more" if len(libraries) > _SHOWN else ""
        return f"{self.runner.place} lacks {', '.join(libraries[:_SHOWN])}{more}"

    def _inside(self, program: str | Path) -> str:
        path = Path(program)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else ""

    def _again(self, start: Start) -> Completed:
        completed = self._run(start)
        return replace(completed, errors=self.relative(completed.errors))

    def _with_stand_ins(self, start: Start, tops: set[str]) -> Start | None:
        """Return the start of the same program with stand-ins, None if it is none of Python.

        Args:
            tops: the packages at the top level that it tries itself; only their native modules get stand-ins.
        """
        first, *rest = start.arguments
        if first == self.executable and rest and isinstance(rest[0], Path):
            first, *rest = rest
        if first == self.executable and "-c" in rest:
            at = rest.index("-c") + 2
            return replace(start, arguments=(first, *rest[: at - 1], self._begin(tops) + str(rest[at - 1]), *rest[at:]))
        if first == self.executable and "-m" in rest:
            at = rest.index("-m")
            return replace(start, arguments=(first, *rest[:at], "-c", self._begin(tops) + _OF_MODULE, *rest[at + 1 :]))
        if first == "/bin/sh":
            first, rest = self.root / self.platform.scripts / str(rest[-1]), ["--help"]
        if not isinstance(first, Path) or not _is_python(first):
            return None
        begin: tuple[str | Path, ...] = (self.executable, *self.options, "-c", self._begin(tops) + _OF_SCRIPT)
        return replace(start, arguments=(*begin, first, *rest))

    def _begin(self, tops: set[str]) -> str:
        packages = {name.partition(".")[0] for name in self.lacking.modules} - tops
        stand_ins = {
            "packages": sorted(name for name in packages if self._is_unusable(name)),
            "modules": sorted(self.lacking.modules),
            "libraries": sorted({*self._file_names(), *(name.lower() for name in self.lacking.libraries)}),
        }
        return f"STAND_INS = {json.dumps(stand_ins)!r}\n{_source()}\n"

    def _file_names(self) -> Iterator[str]:
        yield from (path.rpartition("/")[2].lower() for path in self.lacking.files)

    def _is_unusable(self, package: str) -> bool:
        if package not in self.unusable:
            try:
                code = self.run_python(["-c", f"import {package}"], timeout=_TIMEOUT).code
            except WorkError:
                code = 1
            self.unusable[package] = code != 0
        return self.unusable[package]


def _same(tried: Completed, second: Completed) -> bool:
    return second.code == tried.code and not second.timed_out and _complaint(second) == _complaint(tried)


def _complaint(completed: Completed) -> tuple[str, ...]:
    """Return what a failed program says, without numbers that differ from run to run."""
    shown = tuple(line for message in messages(completed.errors) for line in message)
    return tuple(_NUMBERS.sub("0", line) for line in shown or last_lines(completed.errors, 1))


def _is_module(part: str | Path) -> bool:
    return isinstance(part, str) and all(piece.isidentifier() for piece in part.split("."))


def _is_python(path: Path) -> bool:
    """Return whether the interpreter can run a file: a launcher that ends in a zip file, or a script of Python."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(4096)
    return head[:2] == b"MZ" or b"\n''':'\n" in head or (head[:2] == b"#!" and b"python" in head.partition(b"\n")[0])


@cache
def _source() -> str:
    return Path(__file__).with_name("stand_ins.py").read_text(encoding="utf-8")
