"""What the files of a build without a project ask for, as the tree of a configuration file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.utils import canonicalize_name

from bundle.base.errors import ConfigError, Problems
from bundle.base.files import read_regular
from bundle.model.config.json_source import Array, Leaf, Node, Origin, Table

MOST_BYTES = 2**24
"""Bytes of the largest file that is read."""


@dataclass(kw_only=True)
class Gathered:
    """The requirements that were read so far, each with its file and line."""

    root: Path
    """The folder that file names in origins are relative to, absolute."""
    problems: Problems
    files: list[Path] = field(default_factory=list)
    dependencies: list[Leaf] = field(default_factory=list)
    folders: dict[tuple[str, Path], tuple[str, Origin]] = field(default_factory=dict)
    """The path by which each project of the user's own was named, and where."""
    constraints: list[Leaf] = field(default_factory=list)
    hashes: dict[str, Array] = field(default_factory=dict)
    unhashed: list[Leaf] = field(default_factory=list)
    """Requirements on packages of a registry that have no hash."""
    only_hashed: bool = False
    """Whether all packages of a registry need a hash."""
    default: Leaf | None = None
    """The default registry."""
    additional: list[Node] = field(default_factory=list)
    """Further registries."""
    wheels: list[Leaf] = field(default_factory=list)
    from_source: list[Leaf] = field(default_factory=list)
    only_binary: list[Leaf] = field(default_factory=list)
    sources: bool = True
    """Whether packages without a wheel may be built from source."""

    def read(self, path: Path, origin: Origin | None = None) -> str | None:
        """Return the text of a file, None if it cannot be read.

        Args:
            origin: the line that names it, if one does.
        """
        where = f"{origin}: " if origin else ""
        try:
            text = read_regular(path, most=MOST_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            self.problems.add(ConfigError(f"{self.shown(path)} is not UTF-8.", remedy="Save the file as UTF-8."))
            return None
        except OSError as error:
            self.problems.add(
                ConfigError(
                    f"{where}{self.shown(path)} cannot be read: {error.strerror or error}.",
                    remedy="Name a file that exists, relative to the file that names it.",
                )
            )
            return None
        self.files.append(path)
        return text

    def shown(self, path: Path) -> str:
        """Return a path as messages and origins show it."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    def refuse(self, origin: Origin, what: str, remedy: str) -> None:
        """Remember that a line cannot be used."""
        self.problems.add(ConfigError(f"{origin}: {what}", remedy=remedy))

    def add_folder(self, folder: Path, extras: Sequence[str], *, base: Path, origin: Origin, marker: str = "") -> None:
        """Add a project of the user's own, to be built as a wheel.

        Args:
            base: the folder of the file that names it.
        """
        name = project_name(folder)
        if name is None:
            self.refuse(
                origin,
                f"{self.shown(folder)} is no Python project whose name is known.",
                'Name a folder that has a pyproject.toml with a name, or write "NAME @ ./FOLDER".',
            )
            return
        place = Path(os.path.relpath(folder, base)).as_posix()
        place = "./" if place == "." else place if place.startswith("..") else f"./{place}"
        # The same folder keeps the form in which it was first named.
        place, origin = self.folders.setdefault((name, folder.resolve()), (place, origin))
        chosen = f"[{','.join(sorted(extras))}]" if extras else ""
        self.dependencies.append(Leaf(f"{name}{chosen} @ {quote(place)}{f' ; {marker}' if marker else ''}", origin))

    def table(self) -> Table:
        """Return what was read as a configuration file.

        Raises:
            ConfigError: there are problems; names all of them.
        """
        whole = Origin(self.shown(self.files[0]) if self.files else "pyproject.toml")
        if self.hashes or self.only_hashed:
            for leaf in self.unhashed:
                if canonicalize_name(str(leaf.value)) not in self.hashes:
                    self.refuse(
                        leaf.origin,
                        f"{leaf.value} has no hash, while others have one.",
                        "Write the hashes of all (`pip-compile --generate-hashes`), or of none.",
                    )
            self.hashes.setdefault("*", Array(whole))
        self.problems.raise_if_any(f"{len(self.problems.errors)} lines of the requirements cannot be used.")
        resolution: list[tuple[str, Node]] = [("allowSourceAll", Leaf(self.sources, whole))]
        if self.from_source:
            resolution.append(("forceNoBinaryList", Array(whole, self.from_source)))
        if self.only_binary:
            resolution.append(("onlyBinaryList", Array(whole, self.only_binary)))
        packages: list[tuple[str, Node]] = [("dependencies", Array(whole, self.dependencies))]
        if self.constraints:
            packages.append(("constraints", Array(whole, self.constraints)))
        if self.hashes:
            packages.append(("hashes", Table(whole, self.hashes.items())))
        if self.wheels:
            packages.append(("wheels", Array(whole, self.wheels)))
        packages.append(("resolution", Table(whole, resolution)))
        registries: list[tuple[str, Node]] = [("default", self.default)] if self.default else []
        if self.additional:
            registries.append(("additional", Array(whole, self.additional)))
        members: list[tuple[str, Node]] = [("registries", Table(whole, registries))] if registries else []
        return Table(whole, [*members, ("packages", Table(whole, packages))])


def project_name(folder: Path) -> str | None:
    """Return the name of the Python project in a folder, None if no file states it."""
    with suppress(OSError, ValueError, RecursionError):
        document = toml(read_regular(folder / "pyproject.toml", most=MOST_BYTES).decode("utf-8-sig"))
        for table in (document.get("project"), (document.get("tool") or {}).get("poetry")):
            if isinstance(table, dict) and isinstance(table.get("name"), str):
                return str(canonicalize_name(table["name"], validate=True))
    from configparser import Error, RawConfigParser

    parser = RawConfigParser()
    with suppress(OSError, ValueError, Error):
        parser.read_string(read_regular(folder / "setup.cfg", most=MOST_BYTES).decode())
        return str(canonicalize_name(parser.get("metadata", "name"), validate=True))
    return None


def toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: it is none.
    """
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
