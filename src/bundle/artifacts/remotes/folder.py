"""A folder as a remote: on this machine, on a network drive, on a USB stick."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from bundle.artifacts.remotes.files import Found
from bundle.artifacts.remotes.remote import CatalogueChangedError, MissingBlobError, Token, TooLargeError
from bundle.base.errors import IntegrityError
from bundle.base.files import CHUNK, locked, open_regular, read_regular
from bundle.base.report import Reporter
from bundle.base.staging import staged_file, sweep_staging, write_atomically


class Folder:
    """Files in a folder; it is made when something is written."""

    def __init__(self, root: Path, *, reporter: Reporter) -> None:
        self._root = root
        self._reporter = reporter

    @property
    def url(self) -> str:
        """The path."""
        return str(self._root)

    def get(self, path: str, most: int) -> tuple[bytes, str] | None:
        """Return a small file and its SHA-256; see `Files`."""
        try:
            content = read_regular(self._root / path, most=most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise TooLargeError(str(self._root / path), most) from error
            if error.errno not in (errno.EINVAL, errno.EISDIR):
                raise
            raise IntegrityError(f"{self._root / path} cannot be used: {error.strerror}.") from error
        return content, sha256(content).hexdigest()

    def parts(self, path: str, first: int, length: int) -> Iterator[bytes]:
        """Yield a part of a file; see `Files`."""
        try:
            file = open_regular(self._root / path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingBlobError(f"{self._root / path} is missing.") from error
        with file:
            file.seek(first)
            while length and (chunk := file.read(min(CHUNK, length))):
                length -= len(chunk)
                yield chunk

    def find(self, path: str) -> Found | None:
        """Return the size and the age of a file; see `Files`."""
        try:
            status = (self._root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Found(path=path, size=status.st_size, age=time.time() - status.st_mtime)

    def touch(self, path: str) -> None:
        """Set the age of a file to zero; see `Files`."""
        with suppress(FileNotFoundError):
            os.utime(self._root / path)

    def put(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002 - other remotes need it
        """Write a file; see `Files`."""
        target = self._root / path
        if target.parent.is_dir():
            sweep_staging(target.parent)
        with staged_file(target) as staging, staging.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            staging.chmod(0o644)
            os.fsync(file.fileno())

    def replace(self, path: str, content: bytes, token: Token) -> None:
        """Write a file if its content is still the token's; see `Files`."""
        with locked(self._root / ".catalogue.json.lock", reporter=self._reporter, what=f"{self._root}"):
            sweep_staging((self._root / path).parent)
            found = self.get(path, 2**62)
            if token != (found[1] if found else None):
                raise CatalogueChangedError(f"Another process changed {self._root / path}.")
            write_atomically(self._root / path, content)

    def below(self, folder: str) -> Iterator[Found]:
        """List the files below a folder, and remove what killed publishers left there; see `Files`."""
        for place, _, names in os.walk(self._root / folder):
            sweep_staging(Path(place))
            for name in names:
                path = Path(place, name).relative_to(self._root).as_posix()
                if found := self.find(path):
                    yield found

    def remove(self, path: str) -> None:
        """Remove a file, and the folders that are empty then; see `Files`."""
        target = self._root / path
        target.unlink(missing_ok=True)
        with suppress(OSError):
            for folder in target.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()
