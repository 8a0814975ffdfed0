"""The folder that a source is built in; what a build backend leaves there is not trusted."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.errors import BundleError, IntegrityError
from bundle.base.files import open_regular
from bundle.base.folders import remove_tree

if TYPE_CHECKING:
    from bundle.make.sources.environment import SourceBuildTools

_CHANGED = "another file than a moment ago"

_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISBLK(mode) or stat.S_ISCHR(mode), "a device"),
)


class Bench:
    """The bench of one build: emptied before and after, read only where it is what it seems."""

    def __init__(self, tools: SourceBuildTools) -> None:
        self.folder = tools.bench
        self._work = tools.work.absolute()
        self._log = tools.log
        self._work.mkdir(parents=True, exist_ok=True)
        self._own = _identity(self._work)
        self.clear()
        self.folder.mkdir()
        self._bench = _identity(self.folder)

    def clear(self) -> None:
        """Remove it, unless the folder around it was replaced: nothing is removed in a folder that is not ours."""
        if _identity(self._work) == self._own:
            remove_tree(self.folder)

    @contextmanager
    def cleared(self, kept: Path | None) -> Iterator[None]:
        """Empty it at the end of the block.

        Args:
            kept: where it is moved if the block fails, with a copy of the log and in place of that of an earlier
                failure; the error names it. None: it goes.
        """
        try:
            yield
        except BundleError as error:
            if kept is not None and (_identity(self._work), _identity(self.folder)) == (self._own, self._bench):
                remove_tree(kept)
                kept.mkdir(parents=True)
                self.folder.rename(kept / "build")
                shutil.copyfile(self._log, kept / "log")
                error.details += (f"(what the build left: {kept})",)
            raise
        finally:
            self.clear()

    def require_in_place(self) -> None:
        """Refuse a build that has replaced its own folders or its log; call it when its processes have ended.

        Raises:
            IntegrityError: it has.
        """
        if (_identity(self._work), _identity(self.folder)) != (self._own, self._bench):
            raise IntegrityError(
                f"The build has replaced its own folder {self.folder}.",
                cause="A link there would lead the rest of the build, or its clean-up, to other files.",
                remedy="Do not use this source. What the folder leads to was left alone.",
            )
        if os.path.lexists(self._log) and not stat.S_ISREG(self._log.lstat().st_mode):
            raise IntegrityError(f"The build has replaced its log {self._log} by {_kind(self._log.lstat().st_mode)}.")

    def fresh(self, name: str) -> Path:
        """Return an empty folder in the bench."""
        folder = self.folder / name
        remove_tree(folder)
        folder.mkdir()
        return folder

    def read(self, *names: str, most: int) -> bytes:
        """Return the content of a file in the bench.

        Args:
            names: the folders on the way to it, and its own name.
            most: bytes that it may have.

        Raises:
            FileNotFoundError: there is nothing of that name.
            IntegrityError: it is no regular file, is behind a link, or is too large.
        """
        with self._opened(names, most) as file:
            return file.read(most)

    def move(self, *names: str, into: Path, most: int) -> Path:
        """Move a file out of the bench, where no build can change it any more; arguments and errors as of `read`.

        Args:
            into: an empty folder outside.
        """
        target = into / names[-1]
        with self._opened(names, most) as file:
            self.folder.joinpath(*names).replace(target)
            if not os.path.samestat(target.lstat(), os.fstat(file.fileno())):
                raise _not_regular(names, _CHANGED)
        return target

    @contextmanager
    def _opened(self, names: tuple[str, ...], most: int) -> Iterator[BufferedReader]:
        place = self.folder
        for name in names[:-1]:
            place /= name
            if not stat.S_ISDIR(place.lstat().st_mode):
                raise _not_regular(names, f"behind {_kind(place.lstat().st_mode)}")
        place /= names[-1]
        status = place.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise _not_regular(names, _kind(status.st_mode))
        if status.st_size > most:
            raise _not_regular(names, f"larger than {most:,} bytes")
        with open_regular(place) as file:
            if not os.path.samestat(status, os.fstat(file.fileno())):
                raise _not_regular(names, _CHANGED)
            yield file


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from every other; None if there is none, or a link to one."""
    try:
        status = folder.lstat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _kind(mode: int) -> str:
    return next((name for fits, name in _KINDS if fits(mode)), "a file")


def _not_regular(names: tuple[str, ...], what: str) -> IntegrityError:
    return IntegrityError(
        f"The build backend's result {'/'.join(names)} is {what}.",
        cause="It must be a regular file in the folder that the backend was given.",
        remedy="Choose another version of the package, or report it to its authors.",
    )
