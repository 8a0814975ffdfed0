"""Environments for commands: cached ones, which are made once, and ephemeral ones, which are made for one run."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.errors import IntegrityError, WorkError
from bundle.base.files import locks_required, read_regular, sha256_of
from bundle.base.folders import remove_tree
from bundle.base.processes import lock as locks
from bundle.run.environments import start
from bundle.run.environments.identity import Identity, identify, read_sources, watched
from bundle.run.environments.installer import Installer, find_installer, python_in
from bundle.run.environments.making import (
    CONTENT,
    FOLDER,
    IDENTITY,
    OPTIONS,
    TIME,
    Place,
    copy_small,
    installer_variables,
    place_name,
)

if TYPE_CHECKING:
    from bundle.base.processes.lock import Lock
    from bundle.base.report import Reporter
    from bundle.run.environments.application import PythonCommand
    from bundle.run.environments.interpreter import BaseInterpreter, Interpreters

EPHEMERAL = "ephemeral"
_STARTS = "starts"

_RACY = 2.0
"""Seconds within which a change of a file may leave its times as they are."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A command with what its environment is made from."""

    command: PythonCommand
    interpreter: BaseInterpreter
    pylock: bytes
    """The content of the lock."""
    identity: Identity


@dataclass(frozen=True, kw_only=True)
class Environments:
    """The environments of a user.

    Args:
        root: the folder that holds them.
    """

    root: Path
    interpreters: Interpreters
    environ: Mapping[str, str]
    reporter: Reporter
    offline: bool = False
    timeout: float | None = None
    """Seconds to wait for another process that makes the same environment; None for no limit."""

    def wanted(self, command: PythonCommand) -> Wanted:
        """Return a command with what its environment is made from; nothing is changed.

        Raises:
            ConfigError: a file or the interpreter is missing.
        """
        pylock = read_sources(command)
        interpreter = self.interpreters.find(command.python, command.application.parent)
        identity = identify(command, interpreter, pylock, start.host())
        return Wanted(command=command, interpreter=interpreter, pylock=pylock, identity=identity)

    def place(self, wanted: Wanted) -> Path:
        """Return the folder of a cached environment, whether it is there or not."""
        return self.root / wanted.identity.name

    def ready(self, wanted: Wanted) -> Path:
        """Return the folder of a cached environment, made if it is not there; a half-made one is made anew.

        Raises:
            ConfigError: the file system has no locks.
            WorkError: another process was making it for too long; or see `Installer`.
        """
        folder = self.place(wanted)
        if is_ready(folder):
            return folder
        self.sweep()
        folder.parent.mkdir(parents=True, exist_ok=True)
        what = f"the environment of {wanted.command.name!r}"
        held = self._take(folder, what)
        try:
            if not is_ready(folder):
                if os.path.lexists(folder):
                    remove_tree(folder)
                with self.reporter.step(f"making {what} ({folder.name})"):
                    self._provision(folder, wanted, held)
        finally:
            held.release()
        return folder

    @contextmanager
    def ephemeral(self, wanted: Wanted) -> Iterator[tuple[Path, int]]:
        """Make an environment for the block; it is removed at the block's end.

        Yields:
            Its folder, and the descriptor of the lock that keeps it from being swept.
        """
        self.sweep()
        folder = self.root / EPHEMERAL / f"env_{secrets.token_hex(8)}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        held = self._take(folder, "a new environment")
        try:
            with self.reporter.step(f"making an environment for one run of {wanted.command.name!r}"):
                self._provision(folder, wanted, held)
            yield folder, held.descriptor
        finally:
            try:
                if os.path.lexists(folder):
                    remove_tree(folder)
            finally:
                held.remove()

    def sweep(self) -> None:
        """Remove ephemeral environments whose processes have all ended."""
        for path in (self.root / EPHEMERAL).glob("env_*.lock"):
            with suppress(OSError):
                if held := locks.attempt(str(path)):
                    folder = path.with_suffix("")
                    if os.path.lexists(folder):
                        remove_tree(folder)
                    held.remove()

    def variables(self, folder: Path, wanted: Wanted) -> dict[str, str]:
        """Return the variables of a command in an environment."""
        command, interpreter = wanted.command, wanted.interpreter
        return start.variables_of(
            str(folder),
            self.environ,
            prepended=command.prepended,
            below=interpreter.below,
            above={**interpreter.above, **command.variables},
        )

    def remember(self, wanted: Wanted) -> None:
        """Write what the next start of a command needs to find its environment without any of this."""
        command, interpreter = wanted.command, wanted.interpreter
        watching = [*interpreter.files, *watched(command.extras)]
        uv = find_installer()
        stamps = [(path, start.stamp(path)) for path in dict.fromkeys([*map(str, watching), uv])]
        newest = max(path.stat().st_ctime for path in watching)
        if newest > time.time() - _RACY:
            return  # A change in this moment could not be told from the state of before.
        pairs = (stamps, interpreter.below.items(), {**interpreter.above, **command.variables}.items())
        flat = [[text for pair in one for text in pair] for one in pairs]
        subject = [str(command.application), command.name, wanted.identity.name]
        pattern = replace(wanted.identity, content=CONTENT, mtime=TIME).text.decode(errors="surrogateescape")
        record = start.Record(
            read_regular(command.application),
            [
                subject,
                start.circumstances(self.environ),
                [wanted.identity.pylock, str(wanted.identity.mtime)],
                flat[0],
                command.words,
                command.prepended,
                *flat[1:],
                [] if command.extras or os.name != "posix" else [uv, self.making_place(wanted, uv).name, pattern],
            ],
        )
        with suppress(OSError):  # A cache that is only readable stays as it is.
            path = start.record_path(str(self.root), subject[0], subject[1], self.environ)
            start.write_whole(path, record.dump())

    def _take(self, folder: Path, what: str) -> Lock:
        path = f"{folder}.lock"
        try:
            with locks_required(folder.parent):
                return locks.take(
                    path,
                    timeout=self.timeout,
                    waiting=lambda who: self.reporter.info(f"waiting for {who}, which makes {what} ({folder.name})"),
                )
        except TimeoutError as error:
            raise WorkError(
                f"After {self.timeout:g} s, {error} still makes {what}.",
                cause="It installs large packages, or it hangs.",
                remedy="Wait longer (--timeout), or look at that process and end it.",
            ) from error

    def making_place(self, wanted: Wanted, uv: str) -> Path:
        """Return the folder where environments of an interpreter are made."""
        variables = installer_variables(self.variables(self.root, wanted))
        return self.root / FOLDER / place_name(str(wanted.interpreter.executable), uv, variables)

    def _provision(self, folder: Path, wanted: Wanted, held: Lock) -> None:
        uv = find_installer()
        place = Place(str(self.making_place(wanted, uv)))
        lock = place.take()
        if lock is None:
            self._install(folder, wanted, uv, (held.descriptor,), None)
            (folder / start.MARKER).touch()
            return
        new, empty = Path(place.new), Path(place.empty)
        try:
            if os.path.lexists(new):
                remove_tree(new)
            self._install(new, wanted, uv, (held.descriptor, lock.descriptor), place)
            new.rename(folder)
            (folder / start.MARKER).touch()
        except BaseException:
            for path in (new, empty):  # One that lacks something would fail again.
                with suppress(OSError):
                    remove_tree(path)
            raise
        finally:
            lock.release()

    def _install(self, folder: Path, wanted: Wanted, uv: str, inherited: tuple[int, ...], place: Place | None) -> None:
        """Make an environment in a folder, all but its marker.

        Args:
            place: the folder's, if it is one of those where environments are made.
        """
        command = wanted.command
        installer = Installer(
            program=uv,
            environ=installer_variables(self.variables(folder, wanted)),
            folder=command.application.parent,
            inherited=inherited,
            reporter=self.reporter,
        )
        if place is None:
            installer.make(folder, wanted.interpreter.executable)
        else:
            if not place.is_prepared():
                if os.path.lexists(place.empty):
                    remove_tree(Path(place.empty))
                installer.make(folder, wanted.interpreter.executable)
                folder.rename(place.empty)
            copy_small(place.empty, str(folder))
        (folder / IDENTITY).write_bytes(wanted.identity.text)
        lock = [*OPTIONS, str(command.pylock)]
        installer.install(folder, lock, offline=self.offline, subject=str(command.pylock))
        if command.extras:
            extras = ["--no-deps", *map(str, command.extras)]
            installer.install(folder, extras, offline=self.offline, subject="the local dependencies")
        _check_unchanged(wanted)
        (folder / start.LOCK_COPY).write_bytes(wanted.pylock)
        if not python_in(folder).exists():
            raise WorkError(f"{folder} has no interpreter after all.", remedy="Run the same command again.")


def is_ready(folder: Path) -> bool:
    """Return whether an environment was made to its end and its interpreter is there."""
    return (folder / start.MARKER).is_file() and python_in(folder).exists()


def _check_unchanged(wanted: Wanted) -> None:
    """Refuse an environment whose sources changed while they were installed.

    A source folder may change: backends write files with versions into it.
    """
    now = {str(wanted.command.pylock): wanted.identity.content}
    now |= {one.path: one.content for one in wanted.identity.extras if not Path(one.path).is_dir()}
    for path, content in now.items():
        if sha256_of(Path(path)) != content:
            raise IntegrityError(
                f"{path} changed while it was installed.",
                cause="Another program wrote it at the same moment.",
                remedy="Run the same command again.",
            )
