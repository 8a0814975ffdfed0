"""A package that carries its wheels: a folder with `package.json`, and what that file asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from bundle.base.errors import ConfigError, Problems
from bundle.base.filenames import text_obstacle
from bundle.model.config.json_source import Array, Leaf, Node, Origin, Table, read

PACKAGE_FILE = "package.json"
WHEELS = "wheels"
MODULES = "python_modules"

MOST_PACKAGES = 10_000
_MOST_REQUIREMENTS = 10_000
_LONGEST_REQUIREMENT = 2_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_RELEASE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}")
_EATEN = re.compile(r"=+[0-9][\w.*+!,]*")
"""The name of the file that a shell makes of `NAME>=2.32.0` without quotes."""

_KNOWN = ("minPythonVersion", "pipPackages")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package, as its `package.json` describes it."""

    name: str
    folder: Path
    requirements: tuple[Requirement, ...] = ()
    lines: tuple[Origin, ...] = ()
    """Where each requirement is written."""
    minimum: Version | None = None
    """The oldest Python that it runs on."""
    eaten: tuple[str, ...] = ()
    """Names of files that shell redirection has made of requirements."""

    @property
    def wheels(self) -> Path:
        """The folder of its wheels, which may be absent."""
        return self.folder / WHEELS

    @property
    def modules(self) -> Path:
        """The folder of its own modules, which may be absent."""
        return self.folder / MODULES

    @property
    def texts(self) -> tuple[str, ...]:
        """The requirements in one spelling, sorted."""
        return tuple(sorted(map(str, self.requirements)))

    def check_eaten(self, problems: Problems) -> tuple[str, ...]:
        """Add what shell redirection has taken from the requirements to the problems.

        Returns:
            Remarks on files that redirection has made, where no requirement lacks its version.
        """
        unbound = [one.name for one in self.requirements if not one.specifier and one.url is None]
        for name in self.eaten if unbound else ():
            problems.add(
                ConfigError(
                    f"{self.name}: {' or '.join(unbound)} has no version in {PACKAGE_FILE}, and a file named {name!r} "
                    "lies beside it.",
                    cause=f"A command such as `pip download NAME>{name}` was typed without quotes: the shell took "
                    "the version for the name of a file.",
                    remedy=f'Write the version into {PACKAGE_FILE}, as in "{unbound[0]}>{name}", delete the file, and '
                    "run `bundle vendor` again.",
                )
            )
        return tuple(
            f"{self.name}: the file {name!r} is what a shell makes of `NAME>{name}` without quotes; delete it"
            for name in (() if unbound else self.eaten)
        )


def read_packages(folder: Path, problems: Problems) -> tuple[Package, ...]:
    """Read all packages of a folder, by name; what is wrong with any of them is added to the problems.

    Raises:
        ConfigError: there is no such folder, or it is a package itself.
    """
    if (folder / PACKAGE_FILE).is_file():
        raise ConfigError(
            f"{folder} is itself a package: it has a {PACKAGE_FILE}.", remedy="Name the folder that holds the packages."
        )
    found: dict[str, Package] = {}
    for one in _folders(folder):
        if not (one / PACKAGE_FILE).exists():
            if (one / WHEELS).is_dir() or (one / MODULES).is_dir():
                problems.add(
                    ConfigError(
                        f"{one} has wheels or modules and no {PACKAGE_FILE}.",
                        remedy='Add one; {"requirements": {"pipPackages": []}} is a valid start.',
                    )
                )
            continue
        package = read_package(one, problems)
        if package is None:
            continue
        other = found.setdefault(package.name.casefold(), package)
        if other is not package:
            problems.add(
                ConfigError(
                    f"{other.folder.name} and {one.name} both hold a package named {package.name}.",
                    remedy="Remove one of the two folders, or give one another name.",
                )
            )
    return tuple(sorted(found.values(), key=lambda package: package.name))


def _folders(folder: Path) -> list[Path]:
    try:
        entries = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    except OSError as error:
        raise ConfigError(
            f"The folder of packages {folder} cannot be read: {error.strerror}.",
            remedy=f"Name a folder that holds one folder with a {PACKAGE_FILE} for each package.",
        ) from error
    folders = [one for one in entries if one.is_dir()]
    if len(folders) > MOST_PACKAGES:
        raise ConfigError(f"{folder} holds {len(folders)} folders; {MOST_PACKAGES} are read.")
    return folders


def read_package(folder: Path, problems: Problems) -> Package | None:
    """Read one package; None if that is impossible.

    Args:
        problems: takes everything that is wrong with it.
    """
    if obstacle := text_obstacle(folder.name):
        problems.add(ConfigError(f"The folder {folder.name!r} {obstacle}.", remedy="Rename it."))
        return None
    before = len(problems.errors)
    node = read(folder / PACKAGE_FILE, f"{folder.name}/{PACKAGE_FILE}", problems)
    if node is None:
        return None
    reader = _Reader(problems)
    table = reader.table(node, "package")
    name = reader.text(table, "name", folder.name)
    if not _NAME.fullmatch(name):
        reader.refuse(
            table.get("name", table).origin,
            f"{name[:80]!r} is no name of a package.",
            'Write letters, digits, "-", "_" and ".", at most 64, as "name".',
        )
    asked = reader.table(table.get("requirements", Table(table.origin)), "requirements")
    reader.refuse_slips(asked)
    requirements = list(reader.requirements(asked))
    package = Package(
        name=name,
        folder=folder,
        requirements=tuple(requirement for requirement, _ in requirements),
        lines=tuple(origin for _, origin in requirements),
        minimum=reader.minimum(asked),
        eaten=tuple(sorted(_eaten(folder))),
    )
    return package if len(problems.errors) == before else None


def _eaten(folder: Path) -> Iterator[str]:
    for place in (folder, folder / WHEELS):
        if place.is_dir():
            yield from (one.name for one in place.iterdir() if _EATEN.fullmatch(one.name) and one.is_file())


class _Reader:
    """Takes the values from a `package.json`; what has another form becomes a problem."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def refuse(self, origin: Origin, what: str, remedy: str) -> None:
        self._problems.add(ConfigError(f"{origin}: {what}", remedy=remedy))

    def table(self, node: Node, name: str) -> Table:
        if isinstance(node, Table):
            return node
        self.refuse(node.origin, f"{name} is no object.", 'Write {"requirements": {"pipPackages": []}}.')
        return Table(node.origin)

    def text(self, table: Table, key: str, default: str) -> str:
        node = table.get(key)
        if node is None:
            return default
        if isinstance(node, Leaf) and isinstance(node.value, str):
            return node.value
        self.refuse(node.origin, f'"{key}" is no text.', f'Write "{key}": "{default}".')
        return default

    def refuse_slips(self, table: Table) -> None:
        """Refuse keys that differ from a known one in spelling only; a package may have other requirements."""
        plain = {_plain(key): key for key in _KNOWN}
        for key, node in table.items():
            near = plain.get(_plain(key)) or next(iter(get_close_matches(key, _KNOWN, 1, cutoff=0.8)), None)
            if key not in _KNOWN and near:
                self.refuse(node.origin, f"unknown key {key[:80]!r}.", f'Write "{near}", if that is meant.')

    def minimum(self, table: Table) -> Version | None:
        node = table.get("minPythonVersion")
        if node is None or (isinstance(node, Leaf) and node.value is None):
            return None
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, str) and _RELEASE.fullmatch(value.strip()):
            return Version(value.strip())
        cause = " JSON reads 3.10 as the number 3.1." if isinstance(value, float) else ""
        self.refuse(node.origin, f"minPythonVersion is no version as text.{cause}", 'Write it as in "3.12".')
        return None

    def requirements(self, table: Table) -> Iterator[tuple[Requirement, Origin]]:
        node = table.get("pipPackages", Array(table.origin))
        if not isinstance(node, Array) or len(node) > _MOST_REQUIREMENTS:
            self.refuse(node.origin, "pipPackages is no list of requirements.", 'Write ["NAME>=VERSION"].')
            return
        for one in node:
            value = one.value if isinstance(one, Leaf) else None
            try:
                if not isinstance(value, str) or len(value) > _LONGEST_REQUIREMENT:
                    raise InvalidRequirement("it is no text of at most 2,000 characters")
                yield Requirement(value), one.origin
            except (InvalidRequirement, RecursionError) as error:
                reason = str(error).splitlines()[0][:200]
                self.refuse(
                    one.origin,
                    f"{str(value)[:80]!r} is no requirement: {reason}.",
                    'Write it as PEP 508 has it: "NAME>=VERSION".',
                )


def _plain(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())
