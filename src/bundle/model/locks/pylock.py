"""The lock file: PEP 751 by `packaging.pylock`, with the rest of a lock under `[tool.bundle]`."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import canonical_json, read_regular
from bundle.base.staging import write_atomically
from bundle.model.config.project import locked_for
from bundle.model.locks.lock import FORMAT, BuildRequirement, Lock, LockedFile, LockedPackage, SkippedPackage, Vcs
from bundle.model.locks.lock_names import check_lock_names
from bundle.model.platforms import PLATFORMS, short_version

WHEELHOUSE = "../../pydist/wheelhouse"
"""The folder of a lock's fetched files, relative to the lock."""

_HEADER = """\
# Made by `bundle lock {version} --platform {platform}`. Do not edit it: change the configuration and run that again.

"""

_LOOSE_HEADER = """\
# Made by a build without a project. Do not edit it: change the requirements and build again.

"""


def read_lock(path: Path) -> Lock:
    """Read a lock.

    Raises:
        ConfigError: it does not exist, is no TOML, no PEP 751 lock, or not one of this tool and format.
        IntegrityError: it was edited since it was written.
    """
    return parse_lock(read_file(path), path)


def read_file(path: Path) -> bytes:
    """Return the content of a lock file.

    Raises:
        ConfigError: it does not exist.
    """
    try:
        return read_regular(path)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no lock {path}.", remedy=remedy(path)) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", remedy=remedy(path)) from error


def parse_lock(content: bytes, path: Path) -> Lock:
    """Return the lock in the content of a file, whose path is for messages.

    Raises:
        ConfigError: it is no TOML, no PEP 751 lock, or not one of this tool and format.
        IntegrityError: it was edited since it was written, or holds a name or path that this tool does not write.
    """
    try:
        document = tomllib.loads(content.decode())
        _check_maker(document, path)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is not TOML: {error}",
            cause="Usually it has conflict markers of a merge, or is truncated.",
            remedy=remedy(path),
        ) from error
    try:
        lock = _lock(document)
        check_lock_names(lock)
    except (
        PylockValidationError,
        PylockUnsupportedVersionError,
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:
        raise IntegrityError(
            f"{path} is not as this tool writes locks: {error!s:.300}",
            cause="Its checksum fits, so that a program wrote it: it may be forged.",
            remedy=f"Find out where it comes from. {remedy(path)}",
        ) from error
    return lock


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock whole or not at all; the same lock gives the same bytes."""
    write_atomically(path, dump_lock(lock, loose=locked_for(path) is None))


def dump_lock(lock: Lock, *, loose: bool = False) -> str:
    """Return a lock as TOML.

    Args:
        loose: whether it belongs to no project.
    """
    import tomli_w

    header = _LOOSE_HEADER if loose else _HEADER.format(version=lock.version, platform=lock.platform)
    return header + tomli_w.dumps(_document(lock))


def _document(lock: Lock) -> dict[str, Any]:
    """Return a lock as the value of its TOML file; the same lock gives the same value in the same order."""
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[_environment(lock.platform)],
        requires_python=SpecifierSet(f"=={short_version(lock.python)}.*"),
        created_by="bundle",
        packages=[_package(package) for package in sorted(lock.packages, key=lambda one: one.name)],
        tool={
            "bundle": {
                "format": FORMAT,
                "version": lock.version,
                **({"set": lock.set_name} if lock.set_name else {}),
                "platform": lock.platform,
                "python": lock.python,
                "inputs": lock.inputs,
                "skipped": [_skipped(one) for one in sorted(lock.skipped, key=lambda one: one.name)],
            }
        },
    )
    pylock.validate()
    document: dict[str, Any] = _plain(pylock.to_dict())
    document["tool"]["bundle"]["content"] = _content(document)
    return document


def _content(document: Mapping[str, Any]) -> str:
    """Return the checksum by which an edited lock is recognised."""
    bundle = {key: value for key, value in document["tool"]["bundle"].items() if key != "content"}
    return hashlib.sha256(canonical_json({**document, "tool": {**document["tool"], "bundle": bundle}})).hexdigest()


def _environment(platform_key: str) -> Marker:
    environment = PLATFORMS[platform_key].marker_environment("3")
    return Marker(
        f'sys_platform == "{environment["sys_platform"]}" and platform_machine == "{environment["platform_machine"]}"'
    )


def _package(package: LockedPackage) -> Package:
    about: dict[str, Any] = {
        "decision": package.kind,
        "reason": package.reason,
        "required-by": sorted(package.required_by),
    }
    if package.available:
        about["available"] = sorted(package.available)
    if package.build:
        about["build"] = [
            {"name": one.name, "version": one.version, **_file(one.file)}
            for one in sorted(package.build, key=lambda one: one.name)
        ]
    vcs = directory = archive = sdist = wheels = None
    if package.vcs is not None:
        # PEP 751 has no version for a source tree, since it may compute one.
        about["version"] = package.version
        vcs = PackageVcs(
            type="git",
            url=package.vcs.url,
            requested_revision=package.vcs.requested,
            commit_id=package.vcs.commit,
            subdirectory=package.vcs.subdirectory,
        )
    elif package.folder:
        about["version"] = package.version
        directory = PackageDirectory(path=package.folder)
    elif package.file is None:
        raise ValueError(f"{package.name} has neither file nor commit")
    elif package.direct:
        archive = PackageArchive(**_place(package.file))
    elif package.kind == "source":
        sdist = PackageSdist(name=package.file.name, **_place(package.file))
    else:
        wheels = [PackageWheel(name=package.file.name, **_place(package.file))]
    return Package(
        name=canonicalize_name(package.name),
        version=None if package.vcs or package.folder else Version(package.version),
        dependencies=[{"name": name} for name in sorted(package.dependencies)] or None,
        vcs=vcs,
        directory=directory,
        archive=archive,
        sdist=sdist,
        wheels=wheels,
        tool={"bundle": about},
    )


def _place(file: LockedFile) -> dict[str, Any]:
    return {"path": f"{WHEELHOUSE}/{file.name}", "size": file.size, "hashes": {"sha256": file.sha256}}


def _file(file: LockedFile) -> dict[str, Any]:
    return {"file": file.name, "size": file.size, "sha256": file.sha256}


def _skipped(one: SkippedPackage) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": one.name,
        "kind": one.kind,
        "reason": one.reason,
        "required-by": sorted(one.required_by),
    }
    if one.version is not None:
        about["version"] = one.version
    if one.available:
        about["available"] = sorted(one.available)
    return about


def _plain(value: Any) -> Any:
    """Return lists and dicts in place of packaging's sequences and mappings, as TOML would give them back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return [_plain(inner) for inner in value]


def _check_maker(document: dict[str, Any], path: Path) -> None:
    tool = document.get("tool")
    about = tool.get("bundle") if isinstance(tool, dict) else None
    if not isinstance(about, dict):
        raise ConfigError(f"{path} was not made by this tool: it has no [tool.bundle].", remedy=remedy(path))
    if about.get("format") != FORMAT:
        raise ConfigError(
            f"{path} has the lock format {about.get('format')}; this release reads {FORMAT}.",
            remedy=remedy(path),
        )
    if about.get("content") != _content(document):
        raise IntegrityError(
            f"{path} was edited by hand: its content does not match its checksum.",
            cause="Edits, and merges of two locks, do not update the checksum of the content.",
            remedy=f"Change the configuration instead. {remedy(path)}",
        )


def _lock(document: dict[str, Any]) -> Lock:
    about = document["tool"]["bundle"]
    pylock = Pylock.from_dict(document)
    return Lock(
        version=about["version"],
        set_name=about.get("set", ""),
        platform=about["platform"],
        python=about["python"],
        inputs=about["inputs"],
        packages=tuple(_locked_package(package) for package in pylock.packages),
        skipped=tuple(
            SkippedPackage(
                name=one["name"],
                kind=one["kind"],
                reason=one["reason"],
                required_by=tuple(one["required-by"]),
                version=one.get("version"),
                available=tuple(one.get("available", ())),
            )
            for one in about["skipped"]
        ),
    )


def _locked_package(package: Package) -> LockedPackage:
    about = (package.tool or {})["bundle"]
    vcs = None
    if package.vcs is not None:
        vcs = Vcs(
            url=package.vcs.url or "",
            requested=package.vcs.requested_revision,
            commit=package.vcs.commit_id,
            subdirectory=package.vcs.subdirectory,
        )
    place = package.archive or package.sdist or next(iter(package.wheels or ()), None)
    return LockedPackage(
        name=package.name,
        version=str(package.version) if package.version else about["version"],
        kind=about["decision"],
        file=None if place is None else _locked_file(place),
        reason=about["reason"],
        required_by=tuple(about["required-by"]),
        dependencies=tuple(one["name"] for one in package.dependencies or ()),
        vcs=vcs,
        folder=package.directory.path if package.directory else "",
        direct=package.archive is not None,
        build=tuple(
            BuildRequirement(
                name=one["name"],
                version=one["version"],
                file=LockedFile(name=one["file"], sha256=one["sha256"], size=one["size"]),
            )
            for one in about.get("build", ())
        ),
        available=tuple(about.get("available", ())),
    )


def _locked_file(place: PackageArchive | PackageSdist | PackageWheel) -> LockedFile:
    name = (place.path or "").removeprefix(f"{WHEELHOUSE}/")
    return LockedFile(name=name, sha256=place.hashes["sha256"], size=-1 if place.size is None else place.size)


def remedy(path: Path) -> str:
    """Return the remedy for a lock that cannot be used."""
    platform = locked_for(path)
    if platform is None:  # Locks of builds without a project have a name before the platform.
        return "Delete it; the next build writes it again."
    return f"Write it again: `bundle lock {path.parent.name} --platform {platform}`."
