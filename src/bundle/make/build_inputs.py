"""The files that a build reads besides configuration and locks, and what is wrong with them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

from bundle.artifacts.catalogue import Catalogue
from bundle.base.errors import ConfigError, IntegrityError, Problems
from bundle.base.files import sha256_of
from bundle.base.http.urls import redact
from bundle.make.resolve.local_pages import validate
from bundle.model.config.config import Config
from bundle.model.config.json_source import origin_of
from bundle.model.config.project import Loaded, Project
from bundle.model.config.version_files import version_files
from bundle.model.locks.local_wheels import wheels_for
from bundle.model.own_folder import own_files
from bundle.model.platforms import PLATFORMS


def check_inputs(project: Project, loaded: Loaded, problems: Problems) -> None:
    """Collect an error for each file that a build of a version needs, and that is not there or not what it should be.

    Files of `copyFiles` aside, which `plan_copies` checks.
    """
    config = loaded.config
    with problems.collecting():
        Catalogue.load(project.catalogue, validate=False)
    for url in (config.registries.default or "", *(one.template for one in config.registries.additional)):
        with problems.collecting():
            _check_address(url, "The registry")
    _check_archives(loaded, problems)
    for key in config.platforms:
        for member in config.members:
            _check_platform(member, key, problems)


def _check_platform(config: Config, key: str, problems: Problems) -> None:
    packages = config.packages_for(key)
    for rule in packages.build_wheel.values():
        with problems.collecting():
            version_files(config.folder, rule)
    for folder in packages.folders.values():
        with problems.collecting():
            own_files(folder)
    for text in packages.dependencies:
        with problems.collecting():
            _check_address(Requirement(text).url or "", f"The requirement {redact(text)}: the file")
    with problems.collecting():
        for wheel in wheels_for(config, key):
            with problems.collecting():
                validate(wheel, PLATFORMS[key], config.version)


def _check_address(url: str, what: str) -> None:
    parts = urlsplit(url.removeprefix("git+"))
    # The path of Windows has a drive behind the slash.
    path = re.sub(r"^/(?=[A-Za-z]:)", "", unquote(parts.path))
    if parts.scheme == "file" and not any(Path(one).exists() for one in (path, path.rpartition("@")[0] or path)):
        raise ConfigError(
            f"{what} {redact(url)} does not exist on this machine.",
            remedy="Put it there, or correct the address.",
        )


def _check_archives(loaded: Loaded, problems: Problems) -> None:
    interpreter = loaded.config.interpreter
    for key, spec in interpreter.archives.items():
        if spec.path is None or "archive" not in interpreter.sources or key not in loaded.config.platforms:
            continue
        origin = origin_of(loaded.tree.tree, ("interpreter", "archives", key, "path"))
        if not spec.path.is_file():
            what = f"{origin}: interpreter.archives.{key}: there is no file {spec.path.name} at that path."
            problems.add(ConfigError(what, remedy="Put the archive there, or correct the path."))
        elif sha256_of(spec.path) != spec.sha256:
            what = f"{origin}: interpreter.archives.{key}: {spec.path.name} has another sha256 than the configuration."
            problems.add(IntegrityError(what, remedy="Find out which of the two is right."))
