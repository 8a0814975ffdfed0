"""Local wheels as pages of a registry, validated before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.artifacts.registries.metadata_file import metadata_in
from bundle.artifacts.registries.registries import Page
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.errors import IntegrityError
from bundle.make.resolve.requirements import parsed_version
from bundle.make.sources.compatibility import native_platforms
from bundle.model.config.config import Config
from bundle.model.locks.local_wheels import LocalWheel, best_versions, local_wheels, wheels_for
from bundle.model.locks.lock import LockedFile
from bundle.model.platforms import Platform, short_version
from bundle.model.wheeltags import same_system

if TYPE_CHECKING:
    from bundle.artifacts.store.file_cache import FileCache
    from bundle.base.report import Reporter


class LocalPages:
    """The local wheels of one version for one platform.

    Raises:
        ConfigError: the name of a local wheel is not that of a wheel.
    """

    def __init__(self, config: Config, platform: Platform) -> None:
        self._config = config
        self._platform = platform
        self._wheels = {wheel.filename: wheel for wheel in wheels_for(config, platform.key)}
        self._validated: set[str] = set()

    @property
    def versions(self) -> Mapping[str, Version]:
        """The newest version of each package, by normalised name."""
        return best_versions(self._wheels.values())

    @property
    def shown(self) -> Mapping[str, str]:
        """The path of each wheel as messages and locks show it, by file name."""
        return {name: wheel.shown for name, wheel in self._wheels.items()}

    def warn_of_others(self, reporter: Reporter) -> None:
        """Warn of wheels for the platform's system that do not count: for another Python, or above a floor."""
        floors = self._config.build.floors
        floor = "".join(f" or build.{name} {value}" for name, value in floors.of(self._platform.system).items())
        for wheel in local_wheels(self._config):
            if wheel.filename not in self._wheels and same_system(wheel.tags, self._platform):
                reporter.warning(
                    f"{wheel.shown} is a local wheel that is ignored on {self._platform.key}: "
                    f"its tags do not fit Python {short_version(self._config.python)}{floor}."
                )

    def page(self, name: str, page: Page | None, files: FileCache) -> Page | None:
        """Return a registry's page of a project with the local wheels in front.

        Args:
            page: the registry's, if it has the name.
            files: gets the wheels.

        Raises:
            IntegrityError: a wheel contradicts its name.
        """
        local = [wheel for wheel in self._wheels.values() if wheel.name == name]
        if not local:
            return page
        for wheel in local:
            if wheel.filename not in self._validated:
                validate(wheel, self._platform, self._config.version)
                self._validated.add(wheel.filename)
            if files.get(wheel.sha256) is None:
                files.add(wheel.path, sha256=wheel.sha256)
        own = tuple(
            RemoteFile(wheel.filename, wheel.path.as_uri(), sha256=wheel.sha256, size=wheel.path.stat().st_size)
            for wheel in local
        )
        others = () if page is None else tuple(file for file in page.files if file.filename not in self._wheels)
        return Page("packages.wheels" if page is None else page.registry, own + others)

    def locked(self, file: RemoteFile) -> LockedFile | None:
        """Return a file of `page` as the lock names it if it is a local wheel, else None."""
        wheel = self._wheels.get(file.filename)
        if wheel is None or file.sha256 != wheel.sha256 or file.size is None:
            return None
        return LockedFile(name=wheel.filename, sha256=wheel.sha256, size=file.size)


def validate(wheel: LocalWheel, platform: Platform, version: str) -> None:
    """Read a local wheel's metadata and native files, and compare them with its name.

    Args:
        version: the version that it is for, for the remedy.

    Raises:
        IntegrityError: it is no wheel, or contradicts its name.
    """
    try:
        with wheel.path.open("rb") as file:
            told, _ = parse_email(metadata_in(file, wheel.filename))
    except IntegrityError as error:
        remedy = "Build the wheel again, or remove it."
        raise IntegrityError(
            f"{wheel.shown} is no whole wheel: {error.what}", cause=error.cause, remedy=remedy
        ) from error
    name, release = told.get("name", ""), told.get("version", "")
    if canonicalize_name(name) != wheel.name or parsed_version(release) != wheel.version:
        raise IntegrityError(
            f"{wheel.shown} holds {name or 'something'} {release}, which contradicts its name.",
            cause="The file was renamed.",
            remedy="Give the wheel the name from its build.",
        )
    native = sorted(set(native_platforms(wheel.path)))
    if native and platform.key not in native:
        tags = ", ".join(sorted({tag.platform for tag in wheel.tags}))
        raise IntegrityError(
            f"{wheel.shown} says that it is for {tags}, but has native files only for {', '.join(native)}.",
            cause="Its tag is wrong: the file was renamed, or built with the tag of another platform.",
            remedy=f"Build it on a {platform.key} machine: `bundle wheel {version} {wheel.name} "
            f"--platform {platform.key}`.",
        )
