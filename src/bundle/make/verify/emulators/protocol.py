"""Emulators: how each is prepared for one bundle."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from bundle.artifacts.runtime import Runner
from bundle.base.processes.run import Completed
from bundle.base.report import Reporter

Which = Callable[[str], str | None]
"""Finds a program by its name, as `shutil.which` does."""


@dataclass(frozen=True, kw_only=True)
class EmulatorWorkspace:
    """The folders that an emulator may use during one verification."""

    bundle: Path
    """The bundle's folder; nothing is written there."""
    scratch: Path
    """An empty folder, removed after the verification."""
    work: Path
    """A folder for files that the next verification can use again."""
    reporter: Reporter


class Emulator(Protocol):
    """A program of this machine that can run the programs of a platform."""

    @property
    def name(self) -> str:
        """Its name in reports."""

    def ready(self, workspace: EmulatorWorkspace) -> AbstractContextManager[Runner]:
        """Prepare it for one bundle; everything that was started ends with the block.

        Raises:
            WorkError: it cannot be prepared.
        """


class EmulatedRunner:
    """The part that the runners of all emulators share."""

    refusal: ClassVar[re.Pattern[str]]
    """The message about a file that is missing, or no program of the platform."""

    def translate(self, path: Path) -> str:
        """Return the path, unchanged."""
        return str(path)

    def unstarted(self, completed: Completed) -> str | None:
        """Return the emulator's message about a file that it cannot start."""
        match = self.refusal.match(completed.errors)
        return match[0] if match and completed.code else None


@dataclass(frozen=True, kw_only=True)
class Missing:
    """The answer that this machine cannot run the programs of a platform."""

    what: str
    """One sentence."""
    remedy: str
    """Programs to install, or another machine to use."""
