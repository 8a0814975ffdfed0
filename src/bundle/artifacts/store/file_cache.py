"""Downloaded and built files by their hash."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.paths import checked
from bundle.artifacts.store.scratch import touch
from bundle.base.errors import IntegrityError
from bundle.base.files import copy_hashed, sha256_of
from bundle.base.folders import remove_tree
from bundle.base.staging import staged_file

if TYPE_CHECKING:
    from bundle.base.report import Reporter


class FileCache:
    """Files under `<root>/ab/<sha256>/<filename>`; processes may share it.

    Args:
        root: the cache's folder; made when the first file comes.
    """

    def __init__(self, root: Path, *, reporter: Reporter) -> None:
        self.root = root
        self._reporter = reporter

    def path_for(self, sha256: str, filename: str) -> Path:
        """Return the path of a file, for a downloader that verifies the bytes it puts there.

        Raises:
            IntegrityError: the name or the hash would lead to another folder.
        """
        if not filename or filename.startswith(".") or "/" in filename or "\\" in filename or "\0" in filename:
            raise IntegrityError(f"{filename!r} is not a safe file name.")
        return self._folder(sha256) / filename

    def get(self, sha256: str, *, filename: str | None = None) -> Path | None:
        """Return the file with a hash, read and verified now, or None.

        A file whose bytes changed is removed with a warning.

        Args:
            filename: its name; any if None.
        """
        for path in [self.path_for(sha256, filename)] if filename else complete_files(self._folder(sha256)):
            try:
                found = sha256_of(path)
            except FileNotFoundError:
                continue  # Another process removed it.
            except OSError:
                found = ""
            if found == sha256:
                touch(path)
                return path
            self._reporter.warning(f"{path} was damaged in the cache and is removed; it is fetched or made again.")
            remove_tree(path)
        return None

    def add(self, source: Path, *, filename: str | None = None, sha256: str | None = None) -> Path:
        """Copy a file into the cache.

        Args:
            filename: its name in the cache; the source's if None.
            sha256: of its bytes, if known.

        Returns:
            The cache's copy; the folder that holds it is named by its hash.

        Raises:
            IntegrityError: the bytes have another hash than `sha256`.
        """
        expected = sha256 or sha256_of(source)
        path = self.path_for(expected, filename or source.name)
        with staged_file(path) as staging:
            with source.open("rb") as reading, staging.open("wb") as writing:
                found, _ = copy_hashed(reading, writing)
            if found != expected:
                raise IntegrityError(f"{source} should have the SHA-256 {expected}, but has {found}.")
        return path

    def _folder(self, sha256: str) -> Path:
        return self.root / checked(sha256)[:2] / sha256


def complete_files(folder: Path) -> list[Path]:
    """List the whole files of one folder of the cache: not those that a download is still writing."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix != ".part" and path.name[0] != ".")
    except FileNotFoundError:
        return []
