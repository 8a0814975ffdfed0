"""A project on disk: its versions, and what each of them asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packaging.version import Version

from bundle.base.errors import ConfigError, Problems
from bundle.base.text import nearest
from bundle.model.config.config import Config
from bundle.model.config.import_allowlist import refusal
from bundle.model.config.json_source import Node, Table, read
from bundle.model.config.merge import Merged, merge
from bundle.model.config.reader import Reader
from bundle.model.platforms import PLATFORMS

SHARED = "shared-config.json"

LONGEST_VERSION = 210
"""Characters of a version's name."""

_VERSION = re.compile(r"(?P<python>[0-9]+\.[0-9]+\.[0-9]+)(?:-(?P<variant>[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*))?")


@dataclass(frozen=True, kw_only=True)
class VersionName:
    """A version's name, taken apart."""

    python: str
    variant: str | None = None


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One version's configuration."""

    config: Config
    tree: Merged
    """The merged files; `tree.folded(platform)` is what holds on one platform."""


class Valid(Protocol):
    """Remembers by their keys which files fitted the schema."""

    def find(self, key: object) -> bool | None:
        """Return True for a file that did, None for another."""

    def put(self, key: object, value: object) -> bool:
        """Keep that one did."""


class Project:
    """A folder with a `shared-config.json` and `versions/`.

    Args:
        root: the folder, absolute.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.valid: Valid | None = None
        self.output = root / "pydist"
        self.wheelhouse = self.output / "wheelhouse"
        self.catalogue = root / "catalogue" / "catalogue.json"

    def versions(self) -> list[str]:
        """Return the names of all version folders, oldest Python first; also those that no version may have."""
        try:
            folders = [entry.name for entry in (self.root / "versions").iterdir() if entry.is_dir()]
        except FileNotFoundError:
            return []
        return sorted((name for name in folders if not name.startswith((".", "_"))), key=_order)

    def twin(self, version: str) -> str | None:
        """Return another version whose name differs in upper and lower case alone."""
        same = (one for one in self.versions() if one != version and one.casefold() == version.casefold())
        return next(same, None)

    def folder(self, version: str) -> Path:
        """Return a version's folder."""
        return self.root / "versions" / version

    def lock_path(self, version: str, platform_key: str, set_name: str = "") -> Path:
        """Return where a version's lock for a platform is kept.

        Args:
            set_name: the set of packages (`packages.sets`); empty for `packages.dependencies`.
        """
        return self.folder(version) / f"pylock.{'-'.join(filter(None, (platform_key, set_name)))}.toml"

    def lock_paths(self, config: Config) -> tuple[Path, ...]:
        """Return where the locks of a version are kept: one for each platform and set."""
        return tuple(
            self.lock_path(config.version, key, one.set_name) for key in config.platforms for one in config.members
        )

    def locks(self, version: str) -> dict[Path, str]:
        """Return the locks that lie in a version's folder, each with its platform's key."""
        return {path: key for path in sorted(self.folder(version).glob("pylock.*.toml")) if (key := locked_for(path))}

    def load(self, version: str, environ: Mapping[str, str]) -> Loaded:
        """Read, validate and merge a version's configuration.

        Raises:
            ConfigError: the version is unknown, or one of the two files is wrong; names every problem.
        """
        self.require(version)
        problems = Problems()
        loaded = self.examine(version, environ, problems)
        problems.raise_if_any(f"The configuration of {version} has {len(problems.errors)} problems.")
        if loaded is None:
            raise ConfigError(f"The configuration of {version} cannot be read.")
        return loaded

    def examine(self, version: str, environ: Mapping[str, str], problems: Problems) -> Loaded | None:
        """Do what `load` does, and collect the problems; return None if there are any."""
        before = len(problems.errors)
        try:
            name = parse_version(version)
        except ConfigError as error:
            problems.add(error)
            name = VersionName(python="0.0.0")
        shared = self.document(SHARED, problems)
        own = self.document(own_file(version), problems)
        if shared is None or own is None or len(problems.errors) > before:
            return None
        merged = merge(shared, own)
        config = Reader(merged, root=self.root, environ=environ, problems=problems).config(
            version=version, python=name.python, variant=name.variant, folder=self.folder(version)
        )
        return Loaded(config=config, tree=merged) if len(problems.errors) == before else None

    def shared(self, problems: Problems) -> Table | None:
        """Read and validate `shared-config.json` alone."""
        return self.document(SHARED, problems)

    def require(self, version: str) -> None:
        """Raise an error that names the nearest versions unless there is this one.

        Raises:
            ConfigError: no such folder.
        """
        known = self.versions()
        if version in known:
            return
        near = nearest(version, known, count=3)
        if near:
            remedy = f"Did you mean {' or '.join(near)}?"
        elif known:
            remedy = f"The versions are {', '.join(known)}; `bundle new VERSION` starts another."
        else:
            remedy = "There is none yet; `bundle new VERSION` starts one."
        raise ConfigError(f"There is no version {version!r} in this project.", remedy=remedy)

    def sources(self, version: str) -> tuple[Path, ...]:
        """Return the files that a version's configuration comes from."""
        return self.root / SHARED, self.folder(version) / "config.json"

    def document(self, file: str, problems: Problems) -> Table | None:
        """Read and validate one file of the configuration; None if that is impossible."""
        if refused := refusal(self.root, str(Path(file).parent), file):
            problems.add(refused)
        node = read(self.root / file, file, problems)
        if node is None:
            return None
        validate(node, problems, self.valid)
        return node if isinstance(node, Table) else None


def own_file(version: str) -> str:
    """Return the path of a version's own configuration in its project."""
    return f"versions/{version}/config.json"


def locked_for(path: Path) -> str | None:
    """Return the platform that a lock of a project is for, by its name; None for any other file."""
    stem = path.name.removeprefix("pylock.").removesuffix(".toml")
    return next((key for key in PLATFORMS if stem == key or stem.startswith(f"{key}-")), None)


def parse_version(version: str) -> VersionName:
    """Take a version's name apart, such as `3.12.10` or `3.12.10-atls`.

    Raises:
        ConfigError: it is no `X.Y.Z` or `X.Y.Z-variant`.
    """
    match = _VERSION.fullmatch(version)
    if match and len(version) > LONGEST_VERSION:
        raise ConfigError(
            f"{version[:20]}… has {len(version)} characters; a version's name has at most {LONGEST_VERSION}.",
            cause="It is part of the names of archives, which have at most 255.",
            remedy="Choose a shorter variant.",
        )
    if match:
        return VersionName(python=match["python"], variant=match["variant"])
    numbers = re.match(r"(?:python|py|v)?[-_ ]?(\d+(?:\.\d+){0,2})(.*)", version, re.IGNORECASE)
    hint = ""
    if numbers:
        python = ".".join([*numbers[1].split("."), "0", "0"][:3])
        variant = re.sub(r"[^A-Za-z0-9]+", "-", numbers[2]).strip("-")
        hint = f" Did you mean {python}-{variant}?" if variant else f" Did you mean {python}?"
    raise ConfigError(
        f"versions/{version}: a version's name is X.Y.Z or X.Y.Z-variant, such as 3.12.10-atls.{hint}",
        remedy="Begin with the Python version; a variant has letters, digits, and dots or dashes between them.",
    )


def validate(node: Node, problems: Problems, valid: Valid | None = None) -> None:
    """Add what is wrong with a configuration file to the problems."""
    from bundle.model.config.rules import slips
    from bundle.model.config.schema import fingerprint, violations

    key = "" if valid is None else fingerprint(node)
    if valid is None or not valid.find(key):
        found = violations(node)
        for problem in found:
            problems.add(problem)
        if valid is not None and not found:
            with suppress(OSError):  # A store that is only readable.
                valid.put(key, True)
    for problem in slips(node):
        problems.add(problem)


def _order(version: str) -> tuple[bool, Version, str]:
    match = _VERSION.fullmatch(version)
    return match is None, Version(match["python"] if match else "0"), version
