"""How the programs of a bundle are started: command line, interpreter options, environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bundle.artifacts.python_variables import MISLEADING
from bundle.base.processes.run import Completed
from bundle.model.certificates import CERTIFI, SYSTEM_FILES
from bundle.model.platforms import Platform
from bundle.model.variables import BUNDLE

_WINDOWS_VARIABLES = ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT")
"""Without these, no program on Windows starts."""


class Again(Protocol):
    """Starts a program a second time, for what the first run did not tell."""

    def __call__(self, runner: Runner, *, through: str = "") -> Completed:
        """Run it to its end.

        Args:
            runner: takes the place of the first.
            through: code of Python that starts the command in `sys.argv[1:]`; the bundle's interpreter runs it.
        """


class Runner(Protocol):
    """Starts the programs of a bundle, and tells its own failures from theirs."""

    @property
    def name(self) -> str:
        """Its name in reports."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that it needs; they override those of the bundle's programs."""

    @property
    def children(self) -> bool:
        """Whether a program of the bundle can start another one of the bundle."""

    @property
    def shell(self) -> bool:
        """Whether a script that begins with `#!/bin/sh` can be started by its own name."""

    @property
    def patience(self) -> float:
        """Factor by which programs may take longer than on the machine itself."""

    @property
    def place(self) -> str:
        """Where programs run, for messages; empty on the machine itself."""

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command line that starts a program of the bundle.

        Args:
            program: an absolute path of this machine.
            arguments: as the program is to see them.
        """

    def translate(self, path: Path) -> str:
        """Return a path of this machine as the bundle's programs write it."""

    def unstarted(self, completed: Completed) -> str | None:
        """Return the runner's error message if it could not start the program at all; None otherwise."""

    def inconclusive(self, completed: Completed, again: Again) -> str | None:
        """Return the runner's error message if the failure is its own, not the bundle's; None otherwise.

        The program may have printed anything. What counts is written where only the runner writes.

        Args:
            again: starts the program again.
        """


@dataclass(frozen=True, kw_only=True)
class Native:
    """The machine itself."""

    name: str = "this machine"
    environment: Mapping[str, str] = field(default_factory=dict)
    children: bool = True
    shell: bool = True
    patience: float = 1.0
    place: str = ""

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the program and its arguments."""
        return [str(program), *arguments]

    def translate(self, path: Path) -> str:
        """Return the path."""
        return str(path)

    def unstarted(self, completed: Completed) -> str | None:  # noqa: ARG002 - here the system itself refuses
        """Return None."""
        return None

    def inconclusive(self, completed: Completed, again: Again) -> str | None:  # noqa: ARG002 - every failure counts
        """Return None."""
        return None


NATIVE = Native()


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A bundle on disk, ready to run: no setting of the user reaches its programs, and they write nothing into it."""

    root: Path
    """The bundle's folder."""
    python: str
    """The interpreter's version, such as `3.12.10`."""
    platform: Platform
    runner: Runner = NATIVE
    certificates: str = ""
    """The folder that its OpenSSL looks for certificates in; empty if unknown."""
    own_variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that the bundle sets for its programs; `{bundle}` stands for its folder."""

    @property
    def bundle(self) -> Path:
        """The bundle's folder, also where `root` is an environment of it."""
        return self.root

    @property
    def files(self) -> Path:
        """The folder in which this process finds the files of `root`."""
        return self.root

    @property
    def executable(self) -> Path:
        """The interpreter."""
        return self.root / self.platform.executable(self.python)

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment variables of the bundle's programs.

        Args:
            home: the home folder of the programs, which also holds their temporary files.
        """
        temporary = ("USERPROFILE", "TEMP", "TMP") if self.platform.is_windows else ("TMPDIR",)
        return {
            **self._system_environment(),
            "HOME": str(home),
            **dict.fromkeys(temporary, self.runner.translate(home)),
            "LANG": "C.UTF-8",
            **self.default_variables(),
            **self.bundle_variables(),
            **self.runner.environment,
        }

    def environment_of_user(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables of a program that a person starts in the bundle.

        Args:
            environ: the person's own; what would lead the interpreter to another Python is left out, and the bundle's
                programs come first on the path.
        """
        own = {name: value for name, value in environ.items() if name not in MISLEADING}
        folders = dict.fromkeys((self.executable.parent, self.root / self.platform.scripts))
        path = os.pathsep.join([*map(str, folders), *filter(None, [own.get("PATH", os.defpath)])])
        return {**self.default_variables(), "PYTHONNOUSERSITE": "1", **own, "PATH": path, **self.bundle_variables()}

    def default_variables(self) -> dict[str, str]:
        """Return the variables that its programs get unless the person who starts them has set others."""
        return self._certificate_environment()

    def bundle_variables(self) -> dict[str, str]:
        """Return the variables that the bundle sets for its programs."""
        return {name: self._filled(value) for name, value in self.own_variables.items()}

    def _filled(self, value: str) -> str:
        return value.replace(BUNDLE, self.runner.translate(self.bundle))

    def flags(self, caches: Path) -> tuple[str, ...]:
        """Return the interpreter's options: isolated, and compiled modules never written into the bundle.

        Args:
            caches: the folder for compiled modules, used unless the bundle brings its own.
        """
        if (self.files / self.platform.stdlib(self.python) / "__pycache__").is_dir():
            return ("-I", "-B")
        return ("-I", "-X", f"pycache_prefix={self.runner.translate(caches)}")

    def command(self, arguments: Sequence[str | Path]) -> list[str]:
        """Return the command line of a program.

        Args:
            arguments: the program, by its absolute path on this machine, then its arguments; each `Path` among them
                is written as the program sees it.
        """
        program, *rest = arguments
        return self.runner.command(
            Path(program), [self.runner.translate(part) if isinstance(part, Path) else part for part in rest]
        )

    def _certificate_environment(self) -> dict[str, str]:
        """Name certificates where OpenSSL would look in a place that this machine does not have, as scripts do."""
        if not self.certificates or self.platform.is_windows or self.runner is not NATIVE:
            return {}
        own = Path(self.certificates)
        if (own / "cert.pem").exists() or any((own / "certs").glob("*.0")):
            return {}
        packaged = Path(self.platform.site_packages(self.python), CERTIFI)
        found = next((file for file in map(Path, SYSTEM_FILES) if file.is_file()), None)
        if found is None and (self.files / packaged).is_file():
            found = self.root / packaged
        return {} if found is None else {"SSL_CERT_FILE": str(found)}

    def _system_environment(self) -> dict[str, str]:
        if not self.platform.is_windows or self.runner is not NATIVE:
            return {"PATH": os.defpath}
        found = {name: os.environ[name] for name in _WINDOWS_VARIABLES if name in os.environ}
        return {"PATH": str(Path(found.get("SYSTEMROOT", r"C:\Windows"), "System32")), **found}
