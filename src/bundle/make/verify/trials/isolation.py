"""Running the programs of a bundle under verification, isolated from the user's settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from bundle.artifacts.runtime import Runner, Runtime
from bundle.base.errors import WorkError
from bundle.base.processes.bubblewrap import as_without
from bundle.base.processes.run import Completed, run
from bundle.make.verify.trials.failure import Failure


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a program was started; see `Isolation.run`."""

    arguments: tuple[str | Path, ...]
    timeout: float
    stdin: bytes | None
    variables: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Tried(Completed):
    """A program of the bundle that has ended."""

    start: Start


@dataclass(frozen=True, kw_only=True)
class Isolation(Runtime):
    """A bundle whose programs can write to one scratch folder only."""

    scratch: Path
    """The folder for everything that the programs write; they start in it."""
    failed: dict[tuple[Path, str], Failure] = field(default_factory=dict, compare=False)
    """The modules that cannot be imported, by root and dotted name: later checks do not try them again."""
    imported: set[tuple[Path, str]] = field(default_factory=set, compare=False)
    """The modules that were imported, by origin and dotted name, here or in a copy elsewhere."""
    copied: Path | None = None
    """The root of which `root` is a copy elsewhere, or which is shown there."""
    mount: tuple[str, ...] = ()
    """The beginning of the command line of all programs, which shows `copied` at `root`; empty where that is a copy."""
    base: Path | None = None
    """The bundle, if `root` is a virtual environment of it."""

    @property
    def origin(self) -> Path:
        """The root, or the one that it is a copy of."""
        return self.copied or self.root

    @property
    def bundle(self) -> Path:
        """The bundle's folder."""
        return self.base or self.root

    @property
    def files(self) -> Path:
        """The folder in which this process finds the files of `root`."""
        return self.origin if self.mount else self.root

    @property
    def executable(self) -> Path:
        """The interpreter."""
        if self.base is None:
            return super().executable
        return self.root / self.platform.scripts / ("python.exe" if self.platform.is_windows else "python")

    @property
    def caches(self) -> Path:
        """The folder for compiled modules."""
        return self.scratch / "pycache"

    @property
    def options(self) -> tuple[str, ...]:
        """The interpreter's options."""
        return self.flags(self.caches)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the programs."""
        return {
            **self.environment(self.scratch),
            # Scripts start the interpreter themselves, without its options.
            "PYTHONPYCACHEPREFIX": self.runner.translate(self.caches),
            # Threads started at import cost time, and do not survive a fork.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            # pip must not read the machine's settings or ask the network.
            "PIP_CONFIG_FILE": "nul" if self.platform.is_windows else "/dev/null",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
        }

    def run_python(self, arguments: Sequence[str | Path], *, timeout: float, stdin: bytes | None = None) -> Tried:
        """Run the bundle's interpreter; see `run`."""
        return self.run([self.executable, *self.options, *arguments], timeout=timeout, stdin=stdin)

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        timeout: float,
        stdin: bytes | None = None,
        variables: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Tried:
        """Run a program.

        Args:
            arguments: see `Runtime.command`.
            timeout: seconds on the machine itself; an emulator gets more.
            variables: further environment variables.
            folder: the current folder, inside the scratch folder; that itself if None.

        Raises:
            WorkError: the program cannot be started.
        """
        start = Start(
            arguments=tuple(arguments),
            timeout=timeout,
            stdin=stdin,
            variables=variables or {},
            folder=folder or self.scratch,
        )
        completed = self._run(start)
        if words := self.runner.unstarted(completed):
            raise WorkError(f"The program {arguments[0]} cannot be started: {words}")
        return Tried(**vars(replace(completed, errors=self.relative(completed.errors))), start=start)

    def inconclusive(self, tried: Tried, *, started: bool = False) -> str | None:  # noqa: ARG002 - see Incomplete
        """Return the emulator's error message if a failure is its own, not the bundle's; None otherwise.

        Where the output alone does not tell, the program is started again.

        Args:
            started: whether it has started, to all appearance; then it is not asked what else it lacks.
        """

        def again(runner: Runner, *, through: str = "") -> Completed:
            start = tried.start
            if through:
                begin: tuple[str | Path, ...] = (self.executable, *self.options, "-c", through)
                start = replace(start, arguments=(*begin, *start.arguments))
            return replace(self, runner=runner)._run(start)

        return self.runner.inconclusive(tried, again)

    def _run(self, start: Start) -> Completed:
        completed = run(
            [*self.mount, *self.command(start.arguments)],
            env={**self.variables, **start.variables},
            cwd=start.folder,
            timeout=start.timeout * self.runner.patience,
            stdin=start.stdin,
        )
        return as_without(completed) if self.mount else completed

    def relative(self, text: str) -> str:
        """Return a text in which the bundle's files are named by their paths inside the bundle."""
        roots = [root for root in (self.root, self.base) if root is not None]
        for root in dict.fromkeys(name for one in roots for name in (str(one), self.runner.translate(one))):
            text = _printed(root).sub("", text)
        return text


@cache
def _printed(root: str) -> re.Pattern[str]:
    """Return the pattern of a folder as programs print it, with the separator behind it.

    Programs on Windows write in an encoding of their own, in which other characters than those of ASCII arrive as
    anything: as one or several others, as a question mark, or escaped.
    """
    separator = r"(?:/|\\\\|\\)"
    other = r"(?:[^\x00-\x7f]{1,4}|\?{1,4}|\\x[0-9a-f]{2}|\\u[0-9a-f]{4})"
    spelt = (separator if part == "\\" else re.escape(part) if part.isascii() else other for part in root)
    return re.compile("".join(spelt) + separator)
