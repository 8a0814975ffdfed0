"""Packages that a requirement names by an address: a file, or a commit of a git repository."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import Version

from bundle.artifacts.context import Context
from bundle.artifacts.folder_source import pack_folder
from bundle.artifacts.registries.git import GitAddress, parse_git, subfolder
from bundle.artifacts.registries.metadata_file import metadata_in
from bundle.base.errors import ConfigError
from bundle.base.http.client import redact
from bundle.make.resolve.policy import Decision, Policy
from bundle.make.resolve.requirements import STUB, RequestedRequirement, parsed_version
from bundle.make.resolve.solver_index import Sources
from bundle.make.resolve.source_metadata import SourceMetadata
from bundle.make.sources.sdist import SourceTree, static_metadata, unpack_source
from bundle.model.config.config import SOURCE_ARCHIVES
from bundle.model.locks.lock import LockedFile, LockedPackage, Vcs
from bundle.model.wheeltags import parse_wheel_name


@dataclass(frozen=True, kw_only=True)
class Found:
    """The package at an address."""

    version: Version
    metadata: bytes
    decision: Decision
    file: LockedFile | None = None
    vcs: Vcs | None = None
    folder: str = ""
    """See `LockedPackage.folder`."""
    tree: SourceTree | None = None
    """For a source that may be built."""


class DirectPackages(Sources):
    """The packages by address of one resolution; the configuration lists the addresses.

    Args:
        policy: whether a source may be built; a requirement of the configuration on it is permission enough.
        previous: the last lock's packages by name, whose commits are kept.
        locks: the folder that the lock is to be written to.
    """

    def __init__(
        self,
        context: Context,
        policy: Policy,
        sources: SourceMetadata,
        *,
        previous: Mapping[str, LockedPackage],
        work: Path,
        locks: Path,
    ) -> None:
        self._context = context
        self._policy = policy
        self._sources = sources
        self._previous = previous
        self._work = work
        self._locks = locks
        self._requested: dict[str, RequestedRequirement] = {}
        self._found: dict[str, Found] = {}

    def built_metadata(self, tree: SourceTree) -> bytes:
        """Return the METADATA of a source, built if there is no other way."""
        return self._sources.metadata(tree)

    def add(self, requested: RequestedRequirement) -> None:
        """Take a requirement of the configuration with an address, or one in metadata that names the same.

        Raises:
            ConfigError: the configuration names no address for the package, or another one.
        """
        address = redact(requested.requirement.url or "")
        if requested.asker and requested.name not in self._requested:
            raise ConfigError(
                f"{requested.who} requires {requested.name} from {address}, which the configuration does not list.",
                cause="Only the configuration may name a URL or a git repository: with one in its metadata, any "
                "package could replace another one in silence.",
                remedy=f'If you trust it, add "{requested.name} @ {address}" to packages.dependencies; or decide with '
                "packages.overrides or packages.skip.",
            )
        first = self._requested.setdefault(requested.name, requested)
        if first.requirement.url != requested.requirement.url:
            raise ConfigError(
                f"{requested.name} is required from two URLs.",
                details=[f"{redact(one.requirement.url or '')}, by {one.who}" for one in (first, requested)],
                remedy="Keep one of them, or set the version in packages.overrides.",
            )

    def __contains__(self, name: object) -> bool:
        """Return whether a name is given by an address."""
        return name in self._requested

    def version(self, name: str) -> Version:
        """Return the version at the address."""
        return self.found(name).version

    def metadata(self, name: str) -> bytes:
        """Return the METADATA of the package at the address."""
        return self.found(name).metadata

    def found(self, name: str) -> Found:
        """Return the package at the address, fetched and, if need be, built on first use."""
        if name not in self._found:
            self._found[name] = self._look(name)
        return self._found[name]

    def _look(self, name: str) -> Found:
        requested = self._requested[name]
        url = requested.requirement.url or ""
        if folder := self._policy.packages.folders.get(name):
            found = self._folder(name, folder, requested)
        elif address := parse_git(url):
            found = self._commit(name, address, requested)
        else:
            found = self._archive(name, url, requested)
        told = parse_email(found.metadata)[0].get("name", name)
        if canonicalize_name(told) != name:
            raise ConfigError(f"{redact(url)} is {told}, not {name}.", remedy="Correct the name before the @.")
        return found

    def _commit(self, name: str, address: GitAddress, requested: RequestedRequirement) -> Found:
        commit = self._kept_commit(name, address) or self._context.repositories.commit_of(address)
        vcs = Vcs(url=address.public, requested=address.revision, commit=commit, subdirectory=address.subdirectory)

        def unpacked(into: Path) -> Path:
            self._context.repositories.checkout(address, commit, into)
            return subfolder(into, address, commit)

        tree = SourceTree(name=name, version="", identity=_identity(commit, address.subdirectory), unpacked=unpacked)
        place = self._work / "direct" / tree.identity[:32]
        return self._source(name, requested, tree, lambda: static_metadata(unpacked(place)), vcs=vcs)

    def _folder(self, name: str, folder: Path, requested: RequestedRequirement) -> Found:
        store = self._context.store
        file = pack_folder(name, folder, store)

        def unpacked(into: Path) -> Path:
            return unpack_source(store.files.path_for(file.sha256, file.name), into)

        tree = SourceTree(name=name, version="", identity=file.sha256, unpacked=unpacked)
        found = self._source(name, requested, tree, lambda: static_metadata(folder))
        decision = found.decision
        if decision.kind == "source" and self._policy.must_be_built(name) is None:
            decision = Decision("source", None, f"the requirement on {name} names its folder")
        return replace(found, decision=decision, folder=Path(os.path.relpath(folder, self._locks)).as_posix())

    def _archive(self, name: str, url: str, requested: RequestedRequirement) -> Found:
        parts = urlsplit(url)
        filename = unquote(parts.path.rpartition("/")[2])
        if not filename.endswith((".whl", *SOURCE_ARCHIVES)):
            raise ConfigError(
                f"{redact(url)} is neither a wheel nor a source archive.",
                remedy=f"The URL must end in one of .whl, {', '.join(SOURCE_ARCHIVES)}; git URLs begin with git+.",
            )
        target = self._work / "direct" / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        wanted = parse_qs(parts.fragment).get("sha256", [""])[0] or None
        plain = parts._replace(fragment="").geturl()
        digest = self._context.downloader.fetch(plain, target, sha256=wanted, label=filename)
        path = self._context.store.files.add(target, filename=filename, sha256=digest)
        target.unlink()
        file = LockedFile(name=filename, sha256=digest, size=path.stat().st_size)
        if filename.endswith(".whl"):
            return self._wheel(name, path, file)
        tree = SourceTree(name=name, version="", identity=digest, unpacked=lambda into: unpack_source(path, into))
        return self._source(name, requested, tree, lambda: static_metadata(path), file=file)

    def _wheel(self, name: str, path: Path, file: LockedFile) -> Found:
        try:
            _, version, _, _ = parse_wheel_name(file.name)
        except InvalidWheelFilename as error:
            raise ConfigError(f"{file.name} is not the name of a wheel: {error}") from error
        with path.open("rb") as wheel:
            metadata = metadata_in(wheel, file.name)
        if self._policy.target.rank(file.name) is None:
            reason = f"its requirement names a wheel that does not fit {self._policy.target.platform.key}: {file.name}"
            decision = Decision("missing", None, reason)
        else:
            decision = Decision("wheel", None, f"the requirement on {name} names this wheel")
        return Found(version=version, metadata=metadata, decision=decision, file=file)

    def _source(
        self,
        name: str,
        requested: RequestedRequirement,
        tree: SourceTree,
        static: Callable[[], bytes | None],
        *,
        file: LockedFile | None = None,
        vcs: Vcs | None = None,
    ) -> Found:
        decision = self._decide(name, requested)
        if decision.kind == "missing":
            told = static() or b""
            return Found(version=_version_in(told) or STUB, metadata=told, decision=decision, file=file, vcs=vcs)
        metadata = self._sources.metadata(tree)
        version = _version_in(metadata)
        if version is None:
            raise ConfigError(f"The source of {name} does not state its version.")
        known = replace(tree, version=str(version))
        return Found(version=version, metadata=metadata, decision=decision, file=file, vcs=vcs, tree=known)

    def _decide(self, name: str, requested: RequestedRequirement) -> Decision:
        allowed = self._policy.must_be_built(name) or self._policy.may_be_built(name)
        if allowed is None and name not in self._policy.packages.resolution.only_binary:
            allowed = f"the requirement on {name} names its source"
        if allowed is None:
            return Decision("missing", None, f"{requested.who} asks for its source, which nothing allows to build")
        return Decision("source", None, allowed)

    def _kept_commit(self, name: str, address: GitAddress) -> str | None:
        last = self._previous.get(name)
        if last is None or last.vcs is None:
            return None
        same = (last.vcs.url, last.vcs.requested) == (address.public, address.revision)
        return last.vcs.commit if same else None


def _identity(commit: str, subdirectory: str | None) -> str:
    return sha256(f"{commit} {subdirectory}".encode()).hexdigest() if subdirectory else commit


def _version_in(metadata: bytes) -> Version | None:
    return parsed_version(parse_email(metadata)[0].get("version", ""))
