"""A bundle under inspection: what every check is given, and how its interpreter is started apart from the machine."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.files import remove_tree, staged_folder, sweep_staging
from bundle.base.processes.run import Completed, run
from bundle.base.report import Reporter
from bundle.make.verify.checks.byte_scan import Seen, scan
from bundle.make.verify.checks.contents import Contents
from bundle.make.verify.checks.needles import Needle, needles_for
from bundle.make.verify.emulators.protocol import NATIVE, Runner
from bundle.model.config.allowlist import AllowList
from bundle.model.platforms import Floors, Platform

_WINDOWS_NEEDS = ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT")


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """How a bundle's programs are started: no setting of the user reaches them, and nothing they write the bundle."""

    root: Path
    """The bundle's folder."""
    python: str
    """The interpreter's version, such as `3.12.10`."""
    platform: Platform
    scratch: Path
    """A folder for all that the programs write; they start in it."""
    runner: Runner = NATIVE
    """What the programs run in."""

    @property
    def executable(self) -> Path:
        """The interpreter."""
        return self.root / self.platform.executable(self.python)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the complete environment of a program, with further variables."""
        scratch = self.runner.translate(self.scratch)
        return {
            **_system_environment(self.platform, self.runner),
            "HOME": str(self.scratch),
            **dict.fromkeys(("USERPROFILE", "TEMP", "TMP") if self.platform.is_windows else ("TMPDIR",), scratch),
            "LANG": "C.UTF-8",
            # Scripts start the interpreter themselves; the bundle is not where compiled modules go.
            "PYTHONPYCACHEPREFIX": self.runner.translate(self.caches),
            # Threads that start at import cost more than they bring, and do not survive a fork.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            # pip is asked what is installed, and is not to read the machine's settings or the network.
            "PIP_CONFIG_FILE": "nul" if self.platform.is_windows else "/dev/null",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            **self.runner.environment,
            **more,
        }

    @property
    def caches(self) -> Path:
        """Where compiled modules go."""
        return self.scratch / "pycache"

    @property
    def flags(self) -> tuple[str, ...]:
        """The interpreter's options: isolated, and writing no compiled module into the bundle."""
        if (self.root / self.platform.stdlib(self.python) / "__pycache__").is_dir():
            # The bundle's own compiled modules are part of what is checked.
            return ("-I", "-B")
        return ("-I", "-X", f"pycache_prefix={self.runner.translate(self.caches)}")

    def run_python(self, arguments: Sequence[str | Path], *, timeout: float, stdin: bytes | None = None) -> Completed:
        """Run the bundle's interpreter, isolated.

        Args:
            arguments: what follows the interpreter and its options.
            timeout: seconds it may take.
            stdin: what it reads; nothing if None.

        Raises:
            WorkError: the interpreter cannot be started at all.
        """
        return self.run([self.executable, *self.flags, *arguments], timeout=timeout, stdin=stdin)

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        timeout: float,
        stdin: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run any program in the bundle's environment.

        Args:
            arguments: the program, by its whole path of this machine, and its arguments; paths among them are written
                as the program will understand them.
            timeout: seconds it may take on a machine of its platform; an emulator gets more.
            stdin: what it reads; nothing if None.
            variables: added to the environment.

        Raises:
            WorkError: the program cannot be started at all.
        """
        program, *rest = arguments
        command = self.runner.command(
            Path(program),
            [self.runner.translate(part) if isinstance(part, Path) else part for part in rest],
        )
        completed = run(
            command,
            env=self.environment(**(variables or {})),
            cwd=self.scratch,
            timeout=timeout * self.runner.patience,
            stdin=stdin,
        )
        if words := self.runner.unstarted(completed):
            raise WorkError(f"The program {program} cannot be started: {words}")
        return replace(completed, errors=self.relative(completed.errors))

    def relative(self, text: str) -> str:
        """Return a text with the bundle's files named as they stand in the bundle, wherever that stands now."""
        for root in dict.fromkeys((str(self.root), self.runner.translate(self.root))):
            for separator in ("/", "\\\\", "\\"):
                text = text.replace(root.replace("\\", separator) + separator, "")
        return text


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What every check is given."""

    isolation: Isolation
    contents: Contents
    allowlist: AllowList
    forbidden: tuple[Path, ...]
    """Folders of the building machine that no file may name."""
    suspicious: tuple[Path, ...]
    """Folders of the building machine that a file had better not name, though others have them, too."""
    skipped: Mapping[str, str]
    """Normalised names of packages that were left out on purpose, each with the reason."""
    relaxed: frozenset[str]
    """Normalised names of packages whose version, or whose lack of dependencies, was decided against their metadata."""
    jobs: int
    """How many processes run at once."""
    reporter: Reporter
    floors: Floors = field(default_factory=Floors)
    """The oldest systems that the bundle is to run on."""
    copied: frozenset[str] = frozenset()
    """Paths of the version's own files (copyFiles), which are in no RECORD."""
    contested: frozenset[str] = frozenset()
    """Paths that two layers hold with different bytes, which the manifest records."""
    source: str = ""
    """The interpreter source that the interpreter came from."""

    @cached_property
    def searched(self) -> tuple[tuple[Needle, ...], tuple[Path, ...]]:
        """What no file may hold, and the folders whose names say too little to be searched for."""
        return needles_for(self.forbidden, self.suspicious, self.platform)

    @cached_property
    def scanned(self) -> Mapping[str, Seen]:
        """Every regular file, read once for all checks, by its path."""
        sizes = {path: status.st_size for path, status in self.contents.files.items() if stat.S_ISREG(status.st_mode)}
        with self.reporter.task("reading every file", total=len(sizes), unit="files") as task:
            return scan(self.root, sizes, self.searched[0], jobs=self.jobs, done=task.advance)

    @property
    def root(self) -> Path:
        """The bundle's folder."""
        return self.isolation.root

    @property
    def platform(self) -> Platform:
        """What the bundle is for."""
        return self.isolation.platform


@contextmanager
def scratch_folder(work: Path, name: str) -> Iterator[Path]:
    """Give an empty folder that is gone behind the block, and after a kill with the next one that is asked for.

    Args:
        work: where it is made.
        name: what it is for.
    """
    sweep_staging(work)
    done = work / f"{name}-{secrets.token_hex(4)}"
    with staged_folder(done) as folder:
        yield folder.resolve()
    remove_tree(done)


def last_lines(text: str, count: int = 6) -> tuple[str, ...]:
    """Return the last lines of an output that hold anything."""
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())[-count:]


def _system_environment(platform: Platform, runner: Runner) -> dict[str, str]:
    if not platform.is_windows or runner is not NATIVE:
        return {"PATH": os.defpath}
    needed = {name: os.environ[name] for name in _WINDOWS_NEEDS if name in os.environ}
    return {"PATH": str(Path(needed.get("SYSTEMROOT", r"C:\Windows"), "System32")), **needed}
