"""The contents of a bundle: files, distributions, native modules and scripts; nothing is run."""

from __future__ import annotations

import csv
import errno
import io
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from packaging.utils import canonicalize_name

from bundle.base.errors import IntegrityError
from bundle.base.files import read_regular
from bundle.base.folders import listing
from bundle.model.platforms import Platform

INTERPRETER = "python"
"""The package name of the interpreter's own native modules."""

UNOWNED = "unowned"
"""The package name of modules and scripts that no distribution recorded, such as those of copyFiles."""

_SIZE = re.compile(r"[0-9]{1,18}")

_MOST_OF_MODULE = 2**31

_TAG = re.compile(r"(cpython|cp|pypy|graalpy|pp)-?\d.*|abi3.*")
"""The tag between a native module's name and `.so` or `.pyd` (PEP 3149)."""


@dataclass(frozen=True, kw_only=True)
class NativeModule:
    """A native module of a package."""

    package: str
    """Normalised name."""
    name: str
    """Dotted name, as it is imported."""
    path: str
    """Relative to the bundle's root, with `/`."""
    other: str | None = None
    """The tag of another interpreter that it is built for; None if it fits the bundle's."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """An installed distribution."""

    name: str
    """Normalised."""
    record: str
    """Path of its RECORD, relative to the bundle's root."""
    files: Mapping[str, int | None]
    """Size by path relative to the bundle's root (it may point outside, if the RECORD does); None if not recorded."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Recorded hash by path, as `sha256=` and URL-safe base64 without padding; without those that have none."""

    @property
    def version(self) -> str:
        """The version, as the folder of its metadata spells it."""
        return posixpath.basename(posixpath.dirname(self.record)).removesuffix(".dist-info").rpartition("-")[2]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The contents of a bundle."""

    root: Path
    python: str
    platform: Platform
    files: Mapping[str, os.stat_result]
    """Everything in the tree by path relative to the root; links are not followed."""
    distributions: tuple[Distribution, ...]

    @cached_property
    def modules(self) -> tuple[NativeModule, ...]:
        """The native modules of distributions and interpreter, and unowned ones; sorted by package and name."""
        found: dict[tuple[str, str], NativeModule] = {}
        for module in self._native():
            key = (module.package, module.name)
            if key not in found or found[key].other:
                found[key] = module
        return tuple(found[key] for key in sorted(found))

    @cached_property
    def scripts(self) -> Mapping[str, str]:
        """Package by path of everything in the scripts' folder that can be started, the interpreter itself aside."""
        prefix = f"{self.platform.scripts}/"
        scripts: dict[str, str] = {}
        for path in self.files:
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and "/" not in name and not self._is_interpreter(path) and self._starts(path):
                scripts[path] = self.owners.get(path, UNOWNED)
        return dict(sorted(scripts.items()))

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """Normalised name of the distribution that recorded a file, by path."""
        return {path: distribution.name for distribution in self.distributions for path in distribution.files}

    @cached_property
    def links(self) -> Mapping[str, str]:
        """What each symbolic link leads to in the end, by the link's path; both relative to the root."""
        root = os.path.realpath(self.root)
        links = (path for path, status in self.files.items() if stat.S_ISLNK(status.st_mode))
        real = ((path, os.path.realpath(self.root / path)) for path in links)
        return {path: os.path.relpath(end, root).replace(os.sep, "/") for path, end in real}

    def is_interpreters(self, path: str) -> bool:
        """Return whether a file belongs to the interpreter: outside of site-packages, and in no RECORD."""
        return path not in self.owners and not path.startswith(f"{self.platform.site_packages(self.python)}/")

    def _starts(self, path: str) -> bool:
        if self.platform.is_windows:
            return path.lower().endswith((".exe", ".bat", ".cmd"))
        target = self.root / path
        return target.is_file() and bool(target.stat().st_mode & stat.S_IXUSR)

    def _is_interpreter(self, path: str) -> bool:
        name = posixpath.basename(path)
        return re.fullmatch(r"(python|pythonw|venvlauncher|venvwlauncher)[\d.]*t?(\.exe)?", name) is not None

    def _native(self) -> Iterator[NativeModule]:
        site = f"{self.platform.site_packages(self.python)}/"
        own = f"{'DLLs' if self.platform.is_windows else self.platform.stdlib(self.python) + '/lib-dynload'}/"
        for path in self.files:
            if not path.endswith((".so", ".pyd")):
                continue
            if path.startswith(site):
                base, package = site, self.owners.get(path, UNOWNED)
            elif path.startswith(own):
                base, package = own, INTERPRETER
            else:
                continue
            named = module_name(path.removeprefix(base), self.platform, self.python)
            if named is None:
                continue
            name, tag = named
            if tag == "" and not _initialises(self.root / path, name):
                continue
            fits = not tag or f".{tag}" in self.platform.module_tags(self.python)
            yield NativeModule(package=package, name=name, path=path, other=None if fits else tag)


def read_contents(root: Path, *, python: str, platform: Platform) -> Contents:
    """Read the contents of a bundle."""
    try:
        files = listing(root)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise IntegrityError(
            f"{root} cannot be read: its folders lie too deep in each other.",
            cause="No build makes such a bundle; somebody put them there.",
            remedy="Remove it, and unpack its archive again.",
        ) from error
    site = platform.site_packages(python)
    distributions: list[Distribution] = []
    for path in sorted(files):
        folder, name = posixpath.split(path)
        if name != "RECORD" or not folder.endswith(".dist-info") or posixpath.dirname(folder) != site:
            continue
        stem = posixpath.basename(folder).removesuffix(".dist-info")
        sizes, hashes = _recorded(root / path, site)
        distributions.append(
            Distribution(
                name=canonicalize_name(stem.rpartition("-")[0] or stem), record=path, files=sizes, hashes=hashes
            )
        )
    return Contents(root=root, python=python, platform=platform, files=files, distributions=tuple(distributions))


def module_name(path: str, platform: Platform, python: str) -> tuple[str, str] | None:
    """Return the dotted name and the interpreter tag of a file, if by its name it can be a native module.

    Args:
        path: relative to the folder that imports start from, with `/`.

    Returns:
        None if no import could find it; the tag is `""` for a file without one, like any shared library.
    """
    *folders, file = path.split("/")
    if not all(folder.isidentifier() for folder in folders):
        return None
    stem, _, suffix = file.partition(".")
    tag, _, extension = suffix.rpartition(".")
    if extension != ("pyd" if platform.is_windows else "so") or not re.fullmatch(r"\w+", stem):
        return None
    if tag and f".{tag}" not in platform.module_tags(python) and not _TAG.fullmatch(tag):
        return None
    if folders and stem == "__init__":
        return ".".join(folders), tag
    return ".".join((*folders, stem)), tag


def _initialises(path: Path, name: str) -> bool:
    """Return whether a file exports the function that makes a native module (PEP 489)."""
    stem = name.rpartition(".")[2]
    punycode = stem.encode("punycode").replace(b"-", b"_")
    symbol = b"PyInit_" + stem.encode() if stem.isascii() else b"PyInitU_" + punycode
    # Symbol names end in NUL in ELF, Mach-O and PE alike.
    try:
        return symbol + b"\0" in read_regular(path, most=_MOST_OF_MODULE)
    except OSError:
        return False  # A link to nothing, or to a device outside.


def _recorded(path: Path, site: str) -> tuple[dict[str, int | None], dict[str, str]]:
    sizes: dict[str, int | None] = {}
    hashes: dict[str, str] = {}
    with suppress(OSError, csv.Error):  # What cannot be read names no files: those that it named belong to no package.
        text = read_regular(path).decode(errors="replace")
        for row in csv.reader(io.StringIO(text, newline="")):
            if row and row[0]:
                name = posixpath.normpath(posixpath.join(site, row[0].replace("\\", "/")))
                sizes[name] = int(row[2]) if len(row) > 2 and _SIZE.fullmatch(row[2]) else None
                if len(row) > 1 and row[1]:
                    hashes[name] = row[1]
    return sizes, hashes
