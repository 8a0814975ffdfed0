"""Makes a lock of another tool's lock: its versions and hashes, for one platform, without a resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.pylock import Package, PackageSdist, PackageWheel, PylockSelectError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.errors import ConfigError, IntegrityError, NetworkError
from bundle.base.threads import all_of, in_parallel
from bundle.make.resolve.direct import DirectPackages
from bundle.make.resolve.local_pages import LocalPages
from bundle.make.resolve.policy import Policy, Release, Target, wheel_platforms
from bundle.make.resolve.registry_files import RegistryFiles
from bundle.make.resolve.requirements import RequestedRequirement
from bundle.make.resolve.source_metadata import SourceMetadata
from bundle.make.sources.host import BuildHost
from bundle.model.config.config import TakenLock
from bundle.model.locks.lock import ROOT, Lock, LockedPackage, input_checksum
from bundle.model.locks.lock_names import check_lock_names


def take(host: BuildHost, taken: TakenLock) -> Lock:
    """Return the lock of one version on one platform that another tool's lock gives.

    Files are known by the names and hashes that it has; its addresses count only for what no registry has.

    Raises:
        ConfigError: it has nothing for this platform or Python, or a package without a sha256.
        IntegrityError: a registry has other bytes under a file's name.
        NetworkError: no registry has a file, or a registry did not answer.
    """
    return _Taking(host, taken).lock()


class _Taking:
    def __init__(self, host: BuildHost, taken: TakenLock) -> None:
        self._host = host
        self._taken = taken
        context, config, platform = host.context, host.config, host.platform
        self._rules = config.packages_for(platform.key)
        local = LocalPages(config, platform)
        self._files = RegistryFiles(context, config, local=local, work=host.work / "unhashed")
        self._target = Target(platform, config.python, config.build.floors)
        policy = Policy(self._rules, self._target, local=local.shown)
        self._sources = SourceMetadata(host, self._files, {})
        locks = context.project.lock_path(config.version, platform.key).parent
        self._directs = DirectPackages(context, policy, self._sources, previous={}, work=host.work, locks=locks)

    def lock(self) -> Lock:
        config, platform = self._host.config, self._host.platform
        selected = self._selected()
        names = frozenset(str(package.name) for package, _ in selected)
        asked_by: dict[str, list[str]] = {name: [] for name in names}
        for package, _ in selected:
            for name in _dependencies(package, names):
                asked_by[name].append(package.name)
        files = [one for one in selected if isinstance(one[1], PackageWheel | PackageSdist)]
        located = in_parallel(lambda one: self._file(*one), files, threads=config.build.parallel_downloads)
        found = {one[0].name: file for one, file in zip(files, all_of(located), strict=True)}
        packages = [
            self._package(package, found.get(package.name), required_by=asked_by[package.name], names=names)
            for package, _ in selected
        ]
        lock = Lock(
            version=config.version,
            platform=platform.key,
            python=config.python,
            inputs="",
            packages=tuple(sorted(packages, key=lambda one: one.name)),
        )
        try:
            check_lock_names(lock)
        except ValueError as error:
            raise self._refusal(str(error)) from error
        return replace(lock, inputs=input_checksum(config, platform.key, lock.names))

    def _selected(self) -> list[tuple[Package, object]]:
        taken, config = self._taken, self._host.config
        try:
            return list(
                taken.lock.select(
                    environment=self._target.environment,  # type: ignore[arg-type]  # it has what markers need
                    tags=self._host.platform.tags(config.python, config.build.floors),
                    extras=taken.extras or None,
                    dependency_groups=taken.groups or None,
                )
            )
        except (PylockSelectError, ValueError) as error:
            raise self._refusal(str(error)) from error

    def _refusal(self, why: str) -> ConfigError:
        config, platform = self._host.config, self._host.platform
        return ConfigError(
            f"{self._taken.shown} has no set of packages for Python {config.python} on {platform.key}: {why:.300}",
            cause="It was made for other platforms or another Python.",
            remedy="Make it again for this one with its own tool, or name the files of requirements in its place.",
        )

    def _package(
        self, package: Package, file: RemoteFile | None, *, required_by: Sequence[str], names: frozenset[str]
    ) -> LockedPackage:
        about = LockedPackage(
            name=package.name,
            version=str(package.version or "0"),
            kind="wheel",
            file=None,
            reason=f"{self._taken.shown} has it",
            required_by=tuple(sorted(required_by)) or (ROOT,),
            dependencies=tuple(sorted(_dependencies(package, names))),
        )
        if file is None:
            return self._direct(about)
        locked = self._files.locked(file)
        if file.filename.endswith(".whl"):
            return replace(about, file=locked)
        release = Release(name=package.name, version=Version(about.version), files=())
        wheels = [RemoteFile(wheel.filename, "") for wheel in package.wheels or ()]
        build = self._sources.build(self._files.tree(release, file))
        return replace(about, kind="source", file=locked, build=build, available=wheel_platforms(wheels))

    def _direct(self, about: LockedPackage) -> LockedPackage:
        named = next(one for one in map(Requirement, self._rules.dependencies) if _name(one) == about.name)
        self._directs.add(RequestedRequirement(named, ""))
        found = self._directs.found(about.name)
        if found.decision.kind == "missing":
            raise self._refusal(f"{about.name}: {found.decision.reason}")
        return replace(
            about,
            version=str(found.version),
            kind="source" if found.tree else "wheel",
            file=None if found.folder else found.file,
            vcs=found.vcs,
            folder=found.folder,
            direct=found.file is not None and not found.folder,
            build=self._sources.build(found.tree) if found.tree else (),
        )

    def _file(self, package: Package, place: object) -> RemoteFile:
        """Return a file of a registry; where the lock says enough of it, the registry is not asked."""
        if not isinstance(place, PackageWheel | PackageSdist):
            raise TypeError(f"{package.name} has no file")
        sha256 = place.hashes.get("sha256", "").lower()
        if not sha256:
            raise self._refusal(f"{place.filename} has no sha256")
        known = RemoteFile(place.filename, "", sha256=sha256, size=place.size)
        if place.size is not None and isinstance(place, PackageWheel):
            return known
        page = self._files.page(package.name)
        same = [file for file in page.files if file.filename == place.filename] if page else []
        if not same:
            raise NetworkError(
                f"{place.filename} is in none of the registries.",
                cause=f"It was deleted there, or {self._taken.shown} was made with another index.",
                remedy="Name the index in the lock, or in UV_DEFAULT_INDEX.",
            )
        found = next((file for file in same if file.sha256 in (sha256, None)), None)
        if found is None:
            raise IntegrityError(
                f"{place.filename} is in the registry with another hash than in {self._taken.shown}.",
                cause="The file was replaced after the lock was made, or the lock comes from another index.",
                remedy="Find out who replaced it.",
            )
        return found._replace(sha256=sha256)


def _dependencies(package: Package, names: frozenset[str]) -> list[str]:
    named: list[Mapping[str, object]] = list(package.dependencies or ())
    return [name for name in (str(one.get("name", "")) for one in named) if name in names]


def _name(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)
