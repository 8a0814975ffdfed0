"""The isolation of source builds: what this machine has, and what a build sees inside."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bundle.base.errors import WorkError
from bundle.base.processes.bubblewrap import View, enclosed, unusable
from bundle.model.config.config import IsolationMode
from bundle.model.platforms import Platform


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """How the programs of source builds are kept apart from this machine."""

    name: Literal["bubblewrap", "none"] = "none"
    lacking: str | None = None
    """Why there is none."""
    hidden: tuple[Path, ...] = ()
    """Folders that no build sees: the user's home, the project, the store."""
    path: str = os.defpath
    """The folders in which programs are found."""

    def command(
        self, command: Sequence[str | Path], *, writable: Path, shown: Sequence[Path], network: bool
    ) -> list[str | Path]:
        """Return the command line that runs a program under this isolation.

        Args:
            writable: the one folder that the program may change.
            shown: what it reads besides the system's own files and the folders of PATH.
        """
        if self.name == "none":
            return list(command)
        view = View(shown=(*shown, *self._programs()), writable=writable, hidden=self.hidden, network=network)
        return enclosed(command, view, self.path)

    def _programs(self) -> Iterator[Path]:
        """Yield the folders of PATH, without those that are, or contain, what is hidden."""
        around = {place for hidden in self.hidden for place in (hidden, *hidden.parents)}
        folders = map(Path, self.path.split(os.pathsep))
        return (folder for folder in folders if folder.is_absolute() and not {folder, folder.resolve()} & around)


def isolation_of(
    mode: IsolationMode, machine: Platform, environ: Mapping[str, str], hidden: Sequence[Path]
) -> Isolation:
    """Return the isolation that the configuration asks for and this machine has.

    Args:
        hidden: folders that no build sees, besides the user's home.

    Raises:
        WorkError: it asks for isolation, and this machine has none.
    """
    if mode == "none":
        return Isolation(lacking="build.isolation is none")
    path = environ.get("PATH", os.defpath)
    lacking = unusable(path) if machine.system == "linux" else f"there is none for {machine.key}"
    if lacking is None:
        home = Path(environ.get("HOME") or Path.home())
        return Isolation(name="bubblewrap", hidden=(home, *hidden), path=path)
    if mode == "strict":
        raise WorkError(
            f"Sources cannot be built in isolation here: {lacking}.",
            cause="build.isolation is strict. Isolation needs bubblewrap, on Linux, and a system that lets it make "
            "namespaces, which many containers do not.",
            remedy="Install bubblewrap (Debian: apt-get install bubblewrap); in a container, permit user namespaces; "
            "or set build.isolation to auto.",
        )
    return Isolation(lacking=lacking)


def own_programs() -> tuple[Path, ...]:
    """Return the folders that a program of this tool's own environment reads."""
    return tuple(dict.fromkeys(map(Path, (sys.prefix, sys.base_prefix, sysconfig.get_path("purelib")))))
