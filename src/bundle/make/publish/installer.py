"""The installer of a remote: scripts that bring the tool, as a bundle of itself, onto machines without Python."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources

from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry
from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.remote import Remote, Source
from bundle.artifacts.store.layers import TOP
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import sha256_of
from bundle.base.report import Reporter
from bundle.make.publish.candidates import part_of
from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS

TOOL = "bundle-toolchain"
"""The package that brings the command."""

_ROW = re.compile(rb"^    (?:([a-z0-9-]+)\) archive=|'([a-z0-9-]+)' = '[0-9a-f]{64}').*\n", re.MULTILINE)
"""The line of a script that names the archive of a platform."""

_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~%+-]+)*/?")
"""Addresses that need no quotes in any shell, and name no user."""


@dataclass(frozen=True, kw_only=True)
class Installer:
    """The tool's archives for some platforms, by their keys."""

    version: str
    archives: Mapping[str, ArchiveRecord]
    """Their paths are those in the remote."""
    sources: Mapping[str, Source]
    floors: Mapping[str, str]
    """The oldest systems that the tool runs on, by what is measured, such as `glibc`."""

    def scripts(self, address: str) -> dict[str, bytes]:
        """Return the scripts by their names.

        Args:
            address: of the remote, as a client reaches it; empty if unknown.
        """
        posix = [
            f"    {key}) archive={one.path} size={one.size} ;;"
            for key, one in self.archives.items()
            if not PLATFORMS[key].is_windows
        ]
        windows = [f"    '{key}' = '{one.sha256}'" for key, one in self.archives.items() if PLATFORMS[key].is_windows]
        return {
            "install.sh": self._filled("install.sh", address, posix),
            "install.ps1": self._filled("install.ps1", address, windows),
        }

    def _filled(self, name: str, address: str, rows: Sequence[str]) -> bytes:
        text = resources.files("bundle.make.publish").joinpath(name).read_text("utf-8")
        floor = " or ".join(f"{what} {version}" for what, version in sorted(self.floors.items()))
        values = {"VERSION": self.version, "ADDRESS": address.rstrip("/"), "TOP": TOP, "FLOOR": floor or "glibc"}
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        return text.replace("@ARCHIVES@\n", "".join(f"{row}\n" for row in rows)).encode()


def installer_of(entries: Sequence[Entry], project: Project) -> Installer:
    """Return the installer of the version among some that holds the tool, after its archives were read.

    Raises:
        ConfigError: none holds it, or several do; or there is no archive that a machine without the tool can unpack.
        IntegrityError: an archive is not what the catalogue says.
    """
    found = [entry for entry in entries if any(one.name == TOOL for one in entry.packages)]
    versions = list(dict.fromkeys(entry.version for entry in found))
    if len(versions) != 1:
        raise ConfigError(
            f"Several of these versions hold the package {TOOL}."
            if versions
            else f"None of these versions holds the package {TOOL}.",
            remedy="Publish one version that has it, such as 3.12.10-bundle of this tool's repository.",
            details=versions,
        )
    archives: dict[str, ArchiveRecord] = {}
    sources: dict[str, Source] = {}
    for entry in found:
        suffix = "zip" if PLATFORMS[entry.platform].is_windows else "tar.gz"
        archive = next((one for one in entry.archives if one.format == suffix), None)
        if archive is None:
            raise ConfigError(
                f"{entry.version} for {entry.platform} has no .{suffix}, which the installer unpacks.",
                remedy=f'Add "{suffix}" to build.archives.{entry.platform}, and build it again.',
            )
        path = project.root / archive.path
        if not path.is_file() or sha256_of(path) != archive.sha256:
            raise IntegrityError(
                f"{path} is not the archive that the catalogue names.",
                cause="It was changed, or removed.",
                remedy=f"Build it again: `bundle build {entry.version} --platform {entry.platform}`.",
            )
        archives[entry.platform] = replace(archive, path=f"archives/{archive.sha256}.{suffix}")
        sources[entry.platform] = partial(part_of, path, 0, archive.size)
    floors = {what: floor for entry in found for what, floor in entry.floor.items()}
    return Installer(version=versions[0], archives=archives, sources=sources, floors=floors)


def require_files(remote: Remote) -> FileRemote:
    """Return a remote, if it holds files.

    Raises:
        ConfigError: it is a registry.
    """
    if not isinstance(remote, FileRemote):
        raise ConfigError(
            f"{remote.url} takes no installer, because scripts cannot fetch it from a registry.",
            remedy="Publish it to a folder or an object store that a web server shows.",
        )
    return remote


def require_address(address: str) -> str:
    """Return the address under which clients reach a remote, if a script can hold it.

    Raises:
        ConfigError: it cannot.
    """
    if address and not _ADDRESS.fullmatch(address):
        raise ConfigError(
            "That is no address that the installer can name.",
            remedy="Write it as https://HOST/PATH, without a user, a query or special characters.",
        )
    return address


def publish_installer(installer: Installer, remote: FileRemote, address: str, *, reporter: Reporter) -> int:
    """Send the installer's archives that a remote lacks, then its scripts; return the bytes of the archives.

    Args:
        address: see `Installer.scripts`.
    """
    with reporter.step("sending the installer"):
        sources = {archive: installer.sources[key] for key, archive in installer.archives.items()}
        return remote.put_installer(installer.scripts(address), sources)


def withdraw_installer(remote: FileRemote, version: str, platforms: Collection[str]) -> list[str]:
    """Take the archives of some platforms out of the scripts that install a version; return the changed scripts.

    Scripts that name no archive any more are removed; the archives are left to a collection.

    Args:
        platforms: their keys.
    """
    gone = {key.encode() for key in platforms}
    before = {name: text for name, text in remote.installer().items() if f"# Installs {version},".encode() in text}
    after = {
        name: _ROW.sub(lambda row: b"" if (row[1] or row[2]) in gone else row[0], text) for name, text in before.items()
    }
    left = any(map(_ROW.search, after.values()))
    changed = {name: text if left else None for name, text in after.items() if not left or text != before[name]}
    remote.replace_installer(changed)
    return list(changed)
