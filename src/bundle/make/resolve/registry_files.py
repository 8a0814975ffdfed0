"""Where a resolution takes files and metadata from: registries, and sources that are asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from bundle.artifacts.registries.fetch import fetch_file
from bundle.artifacts.registries.metadata import WheelMetadata
from bundle.artifacts.registries.registries import Page, Registries
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.errors import NetworkError
from bundle.make.resolve.policy import Release
from bundle.make.resolve.solver_index import NotYetError
from bundle.make.resolve.source_metadata import SourceTree
from bundle.make.sources.sdist import static_metadata, unpack_source
from bundle.model.locks.lock import LockedFile

if TYPE_CHECKING:
    from bundle.artifacts.store.file_cache import FileCache
    from bundle.base.http.client import Downloader
    from bundle.base.report import Reporter
    from bundle.make.resolve.local_pages import LocalPages


class RegistryFiles:
    """The registries' files; safe to ask from several threads.

    Args:
        registries: who has what.
        downloader: fetches and verifies.
        files: the cache that whole files go into.
        folder: the cache folder of metadata.
        reporter: told of files without a hash.
        work: scratch folder.
        handover: wheels that come before those of any registry.
    """

    def __init__(
        self,
        registries: Registries,
        *,
        downloader: Downloader,
        files: FileCache,
        folder: Path,
        reporter: Reporter,
        work: Path,
        handover: LocalPages | None = None,
    ) -> None:
        self._registries = registries
        self._handover = handover
        self._downloader = downloader
        self._files = files
        self._reporter = reporter
        self._work = work
        self._wheels = WheelMetadata(
            get=lambda url: downloader.get(url).content,
            open_remote=downloader.open,
            local=files.get,
            noticed=registries.remember,
            folder=folder,
        )
        self._hashed: dict[str, RemoteFile] = {}
        self._built: dict[str, bytes] = {}
        self._lock = Lock()
        self.ask_source: Callable[[SourceTree], bytes] | None = None
        """Returns a source's METADATA, by running its build if need be; None where no source may be asked."""

    def page(self, name: str) -> Page | None:
        """Return what the registry that serves a name has, and what is handed over; None if there is nothing."""
        page = self._registries.page(name)
        return page if self._handover is None else self._handover.page(name, page, self._files)

    def wheel_metadata(self, file: RemoteFile) -> bytes:
        """Return the METADATA of a remote wheel."""
        return self._wheels.of(file)

    def static_metadata(self, file: RemoteFile) -> bytes | None:
        """Return what an sdist says of itself without being run, None if only its build can tell."""
        return static_metadata(self.path(file))

    def built_metadata(self, release: Release, file: RemoteFile) -> bytes:
        """Return what an sdist's build says; raise `NotYetError` if it was not run yet."""
        if file.url not in self._built:
            raise NotYetError(partial(self._ask, release, file))
        return self._built[file.url]

    def tree(self, release: Release, file: RemoteFile) -> SourceTree:
        """Return an sdist as a source."""
        return SourceTree(
            name=release.name,
            version=str(release.version),
            identity=self.hashed(file).sha256 or "",
            unpacked=lambda into: unpack_source(self.path(file), into),
        )

    def path(self, file: RemoteFile) -> Path:
        """Return the whole file, fetched if need be."""
        hashed = self.hashed(file)
        digest = hashed.sha256 or ""
        cached = self._files.get(digest)
        if cached is None:
            cached = self._files.path_for(digest, file.filename)
            self._downloader.fetch(file.url, cached, sha256=digest, size=hashed.size, label=file.filename)
        self._registries.remember(hashed)
        return cached

    def hashed(self, file: RemoteFile) -> RemoteFile:
        """Return a file with its sha256, for which it is fetched where the registry gives none."""
        if file.sha256 is not None:
            return file
        with self._lock:
            if file.url not in self._hashed:
                self._reporter.warning(
                    f"The registry gives no sha256 for {file.filename}; the lock trusts what it sends now."
                )
                self._work.mkdir(parents=True, exist_ok=True)
                target = self._work / file.filename
                digest = self._downloader.fetch(file.url, target, sha256=None, label=file.filename)
                size = target.stat().st_size
                self._files.add(target, filename=file.filename, sha256=digest)
                target.unlink()
                self._hashed[file.url] = file._replace(sha256=digest, size=size)
            return self._hashed[file.url]

    def locked(self, file: RemoteFile) -> LockedFile:
        """Return a file as the lock names it: its size is asked for where the registry's page does not tell it."""
        if self._handover is not None and (handed := self._handover.locked(file)) is not None:
            return handed
        hashed = self.hashed(file)
        digest = hashed.sha256 or ""
        size = hashed.size or self._registries.remembered_size(digest)
        if size is None:
            cached = self._files.get(digest)
            size = cached.stat().st_size if cached else self._downloader.size(file.url)
        if size is None:
            size = self.path(hashed).stat().st_size
        self._registries.remember(hashed._replace(size=size))
        return LockedFile(name=file.filename, sha256=digest, size=size)

    def fetched(self, name: str, file: LockedFile) -> Path:
        """Return a locked file, fetched if need be."""
        return fetch_file(name, file, self._registries, self._files, self._downloader)

    def _ask(self, release: Release, file: RemoteFile) -> None:
        if self.ask_source is None:
            raise NetworkError(f"{release.name} {release.version} cannot tell what it needs.")
        self._built[file.url] = self.ask_source(self.tree(release, file))
