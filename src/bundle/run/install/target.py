"""The folder of an install, replaced by one rename, and the hidden folder beside it that tells what is in it.

`DIR` has `.DIR.bundle/` beside it, on the same file system:

    installed.json   the mark: the bundle in DIR
    next/            the tree that is being made
    next.json        the journal of a change: written before the first rename, removed after the last
    aside/           the former tree, where the system cannot exchange two names in one step
    previous/        the former tree, kept; previous.json is its mark
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from bundle.base.errors import ConfigError, WorkError
from bundle.base.files import locked, pretty_json, read_regular, sha256_of
from bundle.base.folders import remove_tree
from bundle.base.staging import exchange, keep_apart, remove_whole, sweep_staging, write_atomically
from bundle.model.manifest import MANIFEST
from bundle.model.records import from_json, to_json

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_FORMAT = 1

_LARGEST = 2**20
"""Bytes of a mark."""

_KEPT = frozenset({"installed.json", "previous", "previous.json"})
"""What is in the hidden folder while nothing changes."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What was installed."""

    format: int = _FORMAT
    version: str
    platform: str
    digest: str
    """Of the bundle."""
    manifest: str
    """SHA-256 of its `bundle.json`."""
    source: str
    """The URL, without credentials, or the archive, that it came from."""


@dataclass(frozen=True, kw_only=True)
class _Journal:
    """A change from one tree to another."""

    mark: Mark
    """Of the new tree."""
    replaces: tuple[Mark, ...]
    """Of the tree that goes, if there is one."""
    inode: int
    """Of the new tree's folder, which no rename changes."""
    place: Literal["next", "previous"]
    """Where the new tree is before the change."""
    keep: bool
    """Whether the tree that goes is kept."""


class Target:
    """A folder that holds an install, or is to hold one.

    Methods that change something are called in the block of `changing`.

    Args:
        path: need not exist.
    """

    def __init__(self, path: Path) -> None:
        # The folder above may be reached by links; the folder itself must be none.
        self.path = path.parent.resolve() / path.name
        self._own = self.path.with_name(f".{self.path.name}.bundle")

    @property
    def mark(self) -> Mark | None:
        """The mark of what is in the folder; None if that is no install."""
        journal = self._journal()
        marks = (self._read("installed.json", Mark), journal.mark if journal else None)
        return next((mark for mark in marks if mark and _manifest(self.path) == mark.manifest), None)

    @property
    def previous(self) -> Mark | None:
        """The mark of the tree that was kept, None if there is none."""
        mark = self._read("previous.json", Mark)
        return mark if mark and _manifest(self._own / "previous") == mark.manifest else None

    @contextmanager
    def changing(self, reporter: Reporter) -> Iterator[None]:
        """Keep other processes out, after what a killed one began is finished or undone.

        Nothing of this is left in the end if the folder holds no install then.

        Raises:
            ConfigError: the folder holds something else than an install.
        """
        lock = self.path.with_name(f".{self.path.name}.bundle.lock")
        try:
            with locked(lock, reporter=reporter, what=f"the install in {self.path}"):
                try:
                    self._recover()
                    self._require_own()
                    yield
                    if self.mark is None and self.previous is None:
                        self._forget()
                finally:
                    if not self._own.exists():
                        with suppress(OSError):  # Windows removes no open file.
                            lock.unlink()
        except NotADirectoryError as error:
            raise ConfigError(
                f"{self.path} cannot be made: a file is where a folder is needed.", remedy="Name another folder."
            ) from error

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give an empty folder on the target's file system for the new tree; it goes if the block fails."""
        if not self._own.exists():
            self._own.mkdir()
            keep_apart(self._own)
        place = self._own / "next"
        place.mkdir()
        try:
            yield place
        except BaseException:
            remove_tree(place)
            if self.mark is None and self.previous is None:
                self._forget()
            raise

    def put(self, mark: Mark, *, keep: bool) -> None:
        """Put the finished tree of `staging` in the folder's place.

        Args:
            keep: whether the tree that is there is kept, in place of the one that was kept before.
        """
        self._change(mark, place="next", keep=keep)

    def rollback(self) -> Mark:
        """Exchange the tree in the folder and the one that was kept; return the mark of the latter.

        Raises:
            WorkError: none was kept.
        """
        mark = self.previous
        if mark is None:
            raise WorkError(
                f"No earlier bundle is kept for {self.path}.",
                cause="It was installed without --keep-previous.",
                remedy="Install the version that you want; an upgrade with --keep-previous can be rolled back.",
            )
        self._change(mark, place="previous", keep=True)
        return mark

    def remove(self) -> None:
        """Remove the folder with the install, and what was kept of an earlier one."""
        remove_whole(self.path)
        self._forget()

    def _forget(self) -> None:
        with suppress(FileNotFoundError):
            remove_tree(self._own)

    def _change(self, mark: Mark, *, place: Literal["next", "previous"], keep: bool) -> None:
        new = self._own / place
        journal = _Journal(
            mark=mark, replaces=(self.mark,) if self.mark else (), inode=new.stat().st_ino, place=place, keep=keep
        )
        write_atomically(self._own / "next.json", pretty_json(to_json(journal)))
        self._swap(journal)
        self._finish(journal)

    def _swap(self, journal: _Journal) -> None:
        new = self._own / journal.place
        with suppress(OSError):
            self.path.rmdir()  # An empty folder is in the way on Windows.
        if not os.path.lexists(self.path):
            new.rename(self.path)
        elif not exchange(new, self.path):
            self.path.rename(self._own / "aside")
            new.rename(self.path)

    def _finish(self, journal: _Journal) -> None:
        kept = self._own / "previous"
        for former in (self._own / "aside", self._own / "next"):
            if former.exists():
                if journal.keep and journal.replaces:
                    if kept.exists():
                        remove_whole(kept)
                    former.rename(kept)
                else:
                    remove_whole(former)
        if journal.keep and journal.replaces:
            write_atomically(self._own / "previous.json", pretty_json(to_json(journal.replaces[0])))
        write_atomically(self._own / "installed.json", pretty_json(to_json(journal.mark)))
        (self._own / "next.json").unlink()

    def _recover(self) -> None:
        sweep_staging(self.path.parent)
        sweep_staging(self._own)
        journal = self._journal()
        if journal is not None:
            if self._is_done(journal):
                self._finish(journal)
                return
            if (self._own / "aside").exists() and not os.path.lexists(self.path):
                self._swap(journal)
                self._finish(journal)
                return
        if self._own.is_dir():
            for left in self._own.iterdir():
                if left.name not in _KEPT:
                    remove_tree(left)

    def _is_done(self, journal: _Journal) -> bool:
        """Return whether the new tree is in the folder's place."""
        if _manifest(self.path) != journal.mark.manifest:
            return False
        another = all(mark.manifest != journal.mark.manifest for mark in journal.replaces)
        return another or self.path.stat().st_ino == journal.inode

    def _require_own(self) -> None:
        if not os.path.lexists(self.path) or self.mark is not None:
            return
        if not self.path.is_symlink() and self.path.is_dir() and not any(self.path.iterdir()):
            return
        raise ConfigError(
            f"{self.path} is there and is no install of bundle, so it is not replaced.",
            cause="A person or another program made it, or it was changed since it was installed.",
            remedy="Name another folder with --into, or move this one away.",
        )

    def _journal(self) -> _Journal | None:
        return self._read("next.json", _Journal)

    def _read(self, name: str, kind: type[_Value]) -> _Value | None:
        return read_record(self._own / name, kind)


def read_record(path: Path, kind: type[_Value]) -> _Value | None:
    """Read a small JSON file of our own, None if it is missing or was damaged: it may hold anything."""
    try:
        return from_json(kind, json.loads(read_regular(path, most=_LARGEST)))
    except (OSError, ValueError, RecursionError):
        return None


def _manifest(tree: Path) -> str | None:
    """Return the SHA-256 of a tree's `bundle.json`, None if it has none."""
    if tree.is_symlink():
        return None
    try:
        return sha256_of(tree / MANIFEST)
    except OSError:
        return None
