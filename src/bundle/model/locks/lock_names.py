"""The check of all names, versions and paths in a lock, which may be forged: a pull request may bring it."""

from __future__ import annotations

import re
from itertools import chain
from urllib.parse import urlsplit

from packaging.utils import is_normalized_name, parse_sdist_filename
from packaging.version import Version

from bundle.base.filenames import LONGEST_NAME, file_obstacle, path_obstacle, text_obstacle
from bundle.model.locks.lock import ROOT, BuildRequirement, Lock, LockedPackage, SkippedPackage, Vcs
from bundle.model.manifest import is_set_name
from bundle.model.platforms import PLATFORMS
from bundle.model.wheeltags import parse_wheel_name

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SCHEMES = ("https", "http", "ssh", "git", "file")


def check_lock_names(lock: Lock) -> None:
    """Compare every name of a lock with the form in which this tool writes it.

    Raises:
        ValueError: one has another form; the text names it.
    """
    builds = [one for package in lock.packages for one in package.build]
    known: list[LockedPackage | SkippedPackage] = [*lock.packages, *lock.skipped]
    names = [one.name for one in known]
    _require(len(set(names)) == len(names) and ROOT not in names, "a package twice, or without a name")
    askers = chain.from_iterable(one.required_by for one in known)
    others = chain.from_iterable(one.dependencies for one in lock.packages)
    for name in (*names, *(one.name for one in builds), *askers, *others):
        _require(name == ROOT or (len(name) <= LONGEST_NAME and is_normalized_name(name)), name)
    for version in (lock.python, *(one.version or "0" for one in (*known, *builds))):
        _require(len(version) <= LONGEST_NAME and str(Version(version)) != "", version)
    _require(lock.platform in PLATFORMS, lock.platform)
    _require(lock.set_name == "" or is_set_name(lock.set_name), lock.set_name)
    for one in lock.skipped:
        _require(one.kind in ("skipped", "missing"), one.kind)
    for package in lock.packages:
        _require(package.kind in ("wheel", "source"), package.kind)
        _check_file(package, source=package.kind == "source", direct=package.direct)
        _require(text_obstacle(package.folder) is None, package.folder)
        if package.vcs is not None:
            _check_vcs(package.vcs)
    for requirement in builds:
        _check_file(requirement)
    tags = chain.from_iterable(one.available for one in known)
    for text in (lock.version, lock.inputs, *tags):
        _require(text_obstacle(text) is None, text)


def _require(sound: bool, text: str) -> None:
    if not sound:
        raise ValueError(f"it holds {text!r:.120}")


def _check_file(pinned: LockedPackage | BuildRequirement, *, source: bool = False, direct: bool = False) -> None:
    if (file := pinned.file) is None:
        return
    _require(file_obstacle(file.name) is None, file.name)
    _require(_SHA256.fullmatch(file.sha256) is not None and type(file.size) is int and file.size >= 0, file.sha256)
    if not (source and direct):  # A source at an address has any name.
        parsed = parse_sdist_filename(file.name) if source else parse_wheel_name(file.name)[:2]
        _require(parsed == (pinned.name, Version(pinned.version)), file.name)


def _check_vcs(vcs: Vcs) -> None:
    for text in (vcs.subdirectory or "", vcs.requested or "", vcs.url):
        _require(not text.startswith("-") and text_obstacle(text) is None, text)
    _require(path_obstacle(vcs.subdirectory or "") is None, vcs.subdirectory or "")
    _require(urlsplit(vcs.url).scheme in _SCHEMES and _COMMIT.fullmatch(vcs.commit) is not None, vcs.url)
