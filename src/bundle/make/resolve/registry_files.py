"""The registries' files as a resolution needs them: their pages, their metadata, and their names in the lock."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from bundle.artifacts.context import Context
from bundle.artifacts.registries.metadata import WheelMetadata
from bundle.artifacts.registries.registries import Page
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.make.resolve.policy import Release
from bundle.make.sources.sdist import SourceTree, static_metadata, unpack_source
from bundle.model.config.config import Config
from bundle.model.locks.lock import LockedFile

if TYPE_CHECKING:
    from bundle.make.resolve.local_pages import LocalPages


class RegistryFiles:
    """The registries' files, after the local wheels; safe to ask from several threads."""

    def __init__(self, context: Context, config: Config, *, local: LocalPages, work: Path) -> None:
        self._sources = context.file_sources(config)
        self._registries = self._sources.registries
        self._downloader = context.downloader
        self._files = context.store.files
        self._reporter = context.reporter
        self._local = local
        self._work = work
        self._wheels = WheelMetadata(
            get=lambda url: self._downloader.get(url).content,
            open_remote=self._downloader.open,
            local=self._files.get,
            noticed=self._registries.remember,
            folder=context.store.root,
        )
        self._hashed: dict[str, RemoteFile] = {}
        self._lock = Lock()

    def page(self, name: str) -> Page | None:
        """Return the registry's page of a name, with the local wheels added; None if there are no files."""
        return self._local.page(name, self._registries.page(name), self._files)

    def precedence(self, name: str) -> str:
        """Return which registry serves a name in place of others that were not asked; empty if no other may be."""
        return self._registries.precedence(name)

    def is_tied(self, name: str) -> bool:
        """Return whether the configuration ties a name to registries."""
        return self._registries.is_tied(name)

    def wheel_metadata(self, file: RemoteFile) -> bytes:
        """Return the METADATA of a remote wheel."""
        return self._wheels.of(file)

    def static_metadata(self, file: RemoteFile) -> bytes | None:
        """Return the METADATA of an sdist if it can be read without a build, else None."""
        return static_metadata(self.path(file))

    def tree(self, release: Release, file: RemoteFile) -> SourceTree:
        """Return an sdist as a source tree."""
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
        """Return a file with its sha256; the file is fetched if the registry has no sha256."""
        if file.sha256 is not None:
            return file
        with self._lock:
            if file.url not in self._hashed:
                self._reporter.warning(
                    f"The registry has no sha256 for {file.filename}; the lock records that of the file it sends."
                )
                self._work.mkdir(parents=True, exist_ok=True)
                target = self._work / file.filename
                digest = self._downloader.fetch(file.url, target, sha256=None, size=file.size, label=file.filename)
                size = target.stat().st_size
                self._files.add(target, filename=file.filename, sha256=digest)
                target.unlink()
                self._hashed[file.url] = file._replace(sha256=digest, size=size)
            return self._hashed[file.url]

    def locked(self, file: RemoteFile) -> LockedFile:
        """Return a file as the lock has it; the server is asked for a size that the registry's page lacks."""
        if (local := self._local.locked(file)) is not None:
            return local
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
        return self._sources.fetch(name, file)
