"""The record of what is installed where: one small file for each folder, in the user's data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bundle.base.errors import ConfigError
from bundle.base.files import pretty_json
from bundle.base.staging import write_atomically
from bundle.base.text import did_you_mean
from bundle.model.manifest import MANIFEST
from bundle.model.records import to_json
from bundle.run.install.target import Mark, Target, read_record

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class _Record:
    format: int = _FORMAT
    path: str
    """The folder of an install."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """One install."""

    target: Target
    mark: Mark


@dataclass(frozen=True)
class Records:
    """All installs of a user; what is in a folder is told by its mark alone.

    Args:
        root: the user's data folder.
    """

    root: Path

    def default_target(self, version: str) -> Target:
        """Return the place of a version that is installed without a folder."""
        return Target(self.root / "installed" / version)

    def add(self, target: Target) -> None:
        """Remember a folder."""
        write_atomically(self._place(target), pretty_json(to_json(_Record(path=str(target.path)))))

    def remove(self, target: Target) -> None:
        """Forget a folder."""
        self._place(target).unlink(missing_ok=True)

    def all(self) -> Iterator[Installed]:
        """Yield all installs that are where they were recorded, ordered by their folders."""
        found = (read_record(path, _Record) for path in (self.root / "installs").glob("*.json"))
        for path in sorted({record.path for record in found if record and os.path.isabs(record.path)}):  # noqa: PTH117
            target = Target(Path(path))
            if mark := target.mark:
                yield Installed(target=target, mark=mark)

    def find(self, version: str, *, former: bool = False) -> Installed:
        """Return the install of a version, or the one in a folder.

        Args:
            version: or the path of the folder.
            former: whether an install counts that replaced this version and kept it.

        Raises:
            ConfigError: there is none, or several, of which none is in the default place.
        """
        if _is_path(version):
            target = Target(Path(version).absolute())
            if mark := target.mark:
                return Installed(target=target, mark=mark)
            raise ConfigError(f"{version} is no install.", remedy="`bundle list` shows what is installed, and where.")
        every = list(self.all())
        found = [one for one in every if one.mark.version == version]
        kept = [one for one in every if (was := one.target.previous) and was.version == version]
        if former:
            found += [one for one in kept if one not in found]
        usual = [one for one in found if one.target.path == self.default_target(version).path]
        if len(found) == 1 or usual:
            return (usual or found)[0]
        if found:
            raise ConfigError(
                f"{version} is installed in several places.",
                remedy="Name the folder in place of the version.",
                details=[str(one.target.path) for one in found],
            )
        raise ConfigError(
            f"{version} is not installed here.{did_you_mean(version, [one.mark.version for one in every])}",
            cause=f"{kept[0].target.path} had it, and has {kept[0].mark.version} in its place." if kept else None,
            remedy=f"`bundle rollback {kept[0].target.path}` brings it back."
            if kept
            else f"`bundle install {version} --from URL` installs it; `bundle list` shows what is there.",
        )

    def _place(self, target: Target) -> Path:
        return self.root / "installs" / f"{sha256(os.fsencode(target.path)).hexdigest()[:32]}.json"


def _is_path(version: str) -> bool:
    return "/" in version or os.sep in version or version in (".", "..") or (Path(version) / MANIFEST).is_file()
