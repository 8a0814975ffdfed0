"""From a lock to files: each by its name and hash, from the cache or from the registry that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundle.artifacts.registries.git import GitAddress, Repositories, parse_git
from bundle.base.errors import IntegrityError, NetworkError, Problems
from bundle.base.files import sha256_of
from bundle.base.reflink import place_file
from bundle.base.staging import staged_file, sweep_staging
from bundle.base.threads import in_parallel
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage

if TYPE_CHECKING:
    from bundle.artifacts.registries.registries import Registries
    from bundle.artifacts.store.file_cache import FileCache
    from bundle.base.http.client import Downloader
    from bundle.base.report import Reporter


@dataclass(frozen=True, kw_only=True)
class FileSources:
    """The places that the files of locks come from: the cache first."""

    files: FileCache
    registries: Registries
    downloader: Downloader
    repositories: Repositories
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """See `addresses_in`; needed where a lock has files that no registry has."""
    local: Mapping[str, Path] = field(default_factory=dict)
    """Places of local wheels by file name."""

    def fetch(self, name: str, file: LockedFile) -> Path:
        """Return the path of a project's file in the cache, fetched first if it is not there.

        Raises:
            NetworkError: no registry has it, or none answers.
            IntegrityError: a registry has other bytes under its name, or sent other bytes.
        """
        cached = self.files.get(file.sha256)
        if cached is not None:
            return cached
        if file.name in self.local:
            return self.files.add(self.local[file.name], sha256=file.sha256)
        target = self.files.path_for(file.sha256, file.name)
        failure: NetworkError | None = None
        for url in self._urls(name, file):
            try:
                self.downloader.fetch(url, target, sha256=file.sha256, size=file.size, label=file.name)
            except NetworkError as error:
                failure = error
                continue
            return target
        raise failure or NetworkError(
            f"{file.name} is in none of the configured registries.",
            cause="It was deleted there, or the lock was made with another registry.",
            remedy=f"Configure the registry that has it, or lock again with `--upgrade {name}`.",
        )

    def _urls(self, name: str, file: LockedFile) -> Iterable[str]:
        addresses = self.addresses.get(name)
        if addresses is None:
            yield from self.registries.locate(name, file.name, file.sha256)
            return
        remembered = self.registries.remembered(file.sha256)
        if remembered:
            yield remembered
        yield from (url.partition("#")[0] for url in addresses if file.name in unquote(url))


def nothing(sha256: str, path: Path) -> None:
    """Ignore a file that has arrived."""


def fetch(
    lock: Lock,
    sources: FileSources,
    *,
    parallel: int,
    reporter: Reporter,
    wheelhouse: Path | None = None,
    arrived: Callable[[str, Path], object] = nothing,
) -> dict[str, Path]:
    """Bring every file of a lock into the cache, build requirements and commits of repositories included.

    Args:
        wheelhouse: also gets the files, so that pip and uv can install from the lock.
        arrived: called with the sha256 and the path of each file as soon as it is there, in any thread.

    Returns:
        Every file's place in the cache by its sha256. Commits are checked out by `Repositories.checkout`.

    Raises:
        NetworkError: files are not available; the error lists all of them.
        IntegrityError: a registry has other bytes under a file's name, or sent other bytes.
    """
    owners = _owners(lock)
    found: dict[str, Path] = {}
    missing: list[LockedFile] = []
    for file in lock.files:
        path = sources.files.get(file.sha256)
        if path is None:
            missing.append(file)
        else:
            found[file.sha256] = path
            arrived(file.sha256, path)
    problems = Problems()
    with reporter.task("fetching", total=len(missing), unit="files") as task:

        def get(file: LockedFile) -> Path:
            path = sources.fetch(owners[file.sha256], file)
            task.advance()
            arrived(file.sha256, path)
            return path

        # What takes longest begins first, so that all end together.
        missing.sort(key=lambda file: -(file.size or 0))
        for file, outcome in zip(missing, in_parallel(get, missing, threads=parallel), strict=True):
            with problems.collecting():
                if isinstance(outcome, NetworkError):
                    raise _about(file, outcome, offline=sources.downloader.offline)
                if isinstance(outcome, Exception):
                    raise outcome
                found[file.sha256] = outcome
    for package in lock.packages:
        if package.vcs is not None:
            with problems.collecting():
                sources.repositories.fetch(git_address(package, sources.addresses), package.vcs.commit)
    problems.raise_if_any(f"{len(problems.errors)} files of the lock are not available.")
    if wheelhouse is not None:
        _fill(wheelhouse, lock.files, found)
    return found


def _about(file: LockedFile, error: NetworkError, *, offline: bool) -> NetworkError:
    if offline:
        return NetworkError(
            f"{file.name} is not in the cache, and --offline forbids downloading it.",
            remedy="Run `bundle fetch` once without --offline, or copy the cache (BUNDLE_CACHE_DIR) from a machine "
            "that has the files.",
        )
    if file.name in error.what:
        return error
    return NetworkError(f"{file.name}: {error.what}", cause=error.cause, remedy=error.remedy, details=error.details)


def addresses_in(requirements: Iterable[str]) -> dict[str, list[str]]:
    """Return the addresses that PEP 508 requirements name, by normalised package name; several, with markers."""
    found: dict[str, list[str]] = {}
    for one in map(Requirement, requirements):
        if one.url is not None:
            found.setdefault(canonicalize_name(one.name), []).append(one.url)
    return found


def git_address(package: LockedPackage, addresses: Mapping[str, Sequence[str]]) -> GitAddress:
    """Return the repository of a locked commit, with the credentials that the configuration has for it.

    Args:
        addresses: see `addresses_in`.

    Raises:
        IntegrityError: the configuration does not name the repository.
    """
    if package.vcs is None:
        raise ValueError(f"{package.name} is not a commit of a repository")
    locked = GitAddress(url=package.vcs.url, revision=package.vcs.requested, subdirectory=package.vcs.subdirectory)
    for written in map(parse_git, addresses.get(package.name, ())):
        if written is not None and written.public == locked.public:
            return written
    raise IntegrityError(
        f"The lock takes {package.name} from {locked.public}, which the configuration does not name.",
        cause="It was made by an earlier release, which took addresses from metadata, or it is forged.",
        remedy=f"Lock again; if you trust the repository, add {package.name} with it to packages.dependencies.",
    )


def _owners(lock: Lock) -> dict[str, str]:
    owners = {build.file.sha256: build.name for package in lock.packages for build in package.build}
    return owners | {package.file.sha256: package.name for package in lock.packages if package.file is not None}


def _fill(wheelhouse: Path, files: Iterable[LockedFile], found: Mapping[str, Path]) -> None:
    sweep_staging(wheelhouse)
    for file in files:
        target = wheelhouse / file.name
        if target.is_file() and not target.is_symlink() and sha256_of(target) == file.sha256:
            continue
        with staged_file(target) as staging:
            place_file(found[file.sha256], staging)
