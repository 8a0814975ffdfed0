"""The folders that packages add to the loader of Windows as they are imported."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from bundle.make.verify.audit.path_files import path_lines, read_start
from bundle.make.verify.checks.subject import Subject

_ADDS = "add_dll_directory"
"""The function of `os` that adds a folder."""

_WORD = re.compile(r"[\w.-]+")


def added_folders(subject: Subject, libraries: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return the folders with libraries that packages add, by the folder whose modules can count on it.

    The sources are read, not run: one that calls `os.add_dll_directory` is taken to add its own folder, and those that
    it names. A module that a `.pth` file imports does so for all modules (the key is empty), a package for its own.

    Args:
        libraries: paths of the bundle's libraries.
    """
    if not subject.platform.is_windows:
        return {}
    folders = {posixpath.dirname(path) for path in libraries}
    added: defaultdict[str, set[str]] = defaultdict(set)
    for source in _started(subject):
        added[""] |= _named(subject, source, folders)
    packages = {parent for folder in folders for parent in parents(folder)}
    for package in packages:
        source = f"{package}/__init__.py"
        if source in subject.scanned:
            added[package] |= _named(subject, source, folders)
    return {base: frozenset(found) for base, found in added.items() if found}


def _started(subject: Subject) -> Iterator[str]:
    """Yield the source of each module that a `.pth` file imports."""
    lines = list(path_lines(subject))
    site = subject.platform.site_packages(subject.contents.python)
    places = [site, *(line.folder for line in lines if not line.runs)]
    for name in {name for line in lines if line.runs for name in line.modules}:
        for place in places:
            for source in (f"{place}/{name}.py", f"{place}/{name}/__init__.py"):
                if source in subject.scanned:
                    yield source


def _named(subject: Subject, source: str, folders: Collection[str]) -> set[str]:
    """Return the folders that a source adds: its own, and of those inside of it and of other packages the named."""
    text = read_start(subject, source)
    if _ADDS not in text:
        return set()
    words = {word.strip(".") for word in _WORD.findall(text)}
    site = subject.platform.site_packages(subject.contents.python)
    own = posixpath.dirname(source)
    return {
        folder
        for folder in folders
        if folder == own
        or (posixpath.basename(folder) in words and (folder.startswith(f"{own}/") or posixpath.dirname(folder) == site))
    }


def parents(folder: str) -> Iterator[str]:
    """Yield a folder of the bundle and those that it is in, without the root."""
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
