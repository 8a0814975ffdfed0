"""The catalogue: every bundle that exists, its contents, and the reason for each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bundle.artifacts.catalogue_entry import ArchiveRecord, DocumentRecord, Entry
from bundle.base.errors import IntegrityError, too_new
from bundle.base.filenames import climbs
from bundle.base.files import locked, pretty_json, read_regular, sha256_of
from bundle.base.staging import sweep_staging, write_atomically

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_FORMAT = 1

_SHOWN = 20
"""Problems of a broken catalogue that are looked for."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The bundles of one catalogue file."""

    entries: tuple[Entry, ...] = ()
    """Sorted by version and platform."""

    @classmethod
    def load(cls, path: Path, *, validate: bool = True) -> Catalogue:
        """Read a catalogue; one that does not exist yet is empty.

        Args:
            validate: check it against the schema; otherwise only missing keys and wrong types are found.

        Raises:
            IntegrityError: the file is no catalogue.
        """
        try:
            return cls.parse(read_regular(path), str(path), validate=validate)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise _no_catalogue(str(path), [f"{type(error).__name__}: {error}"]) from error

    @classmethod
    def parse(cls, content: bytes, name: str, *, validate: bool = True) -> Catalogue:
        """Read the content of a catalogue's file, as `load` does.

        Args:
            name: of the file, for messages.
        """
        try:
            value = json.loads(content)
            found = value.get("format") if isinstance(value, dict) else None
            if type(found) is int and found > _FORMAT:
                raise too_new(name, found, _FORMAT)
            if validate and (problems := _schema_problems(value)):
                raise _no_catalogue(name, problems)
            if value["format"] != _FORMAT:
                raise _no_catalogue(name, [f"its format is {value['format']!r}, not {_FORMAT}"])
            entries = _sorted(Entry.from_json(entry) for entry in value["bundles"])
            if outside := [one.path for entry in entries for one in entry.files_beside if climbs("", one.path)]:
                raise _no_catalogue(name, [f"{outside[0]!r} is outside the folder"])
            return cls(entries=entries)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise _no_catalogue(name, [f"{type(error).__name__}: {error}"]) from error

    def find(self, version: str, platform: str) -> Entry | None:
        """Return the bundle of a version on a platform, by its key, or None."""
        return next((entry for entry in self.entries if (entry.version, entry.platform) == (version, platform)), None)

    def versions(self) -> list[str]:
        """Return the names of the versions that have a bundle, in order."""
        return list(dict.fromkeys(entry.version for entry in self.entries))

    def with_entry(self, entry: Entry) -> Catalogue:
        """Return a catalogue with one bundle added, or replaced if it has that version and platform already."""
        others = (old for old in self.entries if (old.version, old.platform) != (entry.version, entry.platform))
        return Catalogue(entries=_sorted([*others, entry]))

    def without(self, version: str, platforms: Collection[str]) -> Catalogue:
        """Return a catalogue without the bundles of a version on some platforms."""
        return Catalogue(
            entries=tuple(one for one in self.entries if one.version != version or one.platform not in platforms)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value of the file."""
        return {"format": _FORMAT, "bundles": [entry.to_json() for entry in self.entries]}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An archive or document that differs from the catalogue."""

    version: str
    platform: str
    kind: Literal["missing", "changed"]
    path: str
    """As the catalogue names it."""
    detail: str


def record(path: Path, entry: Entry, *, reporter: Reporter) -> None:
    """Add a bundle to a catalogue, or replace it; other processes that do the same wait.

    Args:
        path: the catalogue's file; made if it is missing, left untouched if nothing changes.

    Raises:
        IntegrityError: the file is there, but no catalogue.
    """
    _change(path, lambda before: before.with_entry(entry), reporter=reporter)


def forget(path: Path, version: str, platforms: Collection[str], *, reporter: Reporter) -> tuple[Entry, ...]:
    """Remove the entries of a version on some platforms from a catalogue, and nothing else; return them.

    Raises:
        IntegrityError: the file is there, but no catalogue.
    """
    before, after = _change(path, lambda before: before.without(version, platforms), reporter=reporter)
    return tuple(one for one in before.entries if one not in after.entries)


def _change(path: Path, change: Callable[[Catalogue], Catalogue], *, reporter: Reporter) -> tuple[Catalogue, Catalogue]:
    """Replace a catalogue by a changed one; return both."""
    with locked(path.with_name(f".{path.name}.lock"), reporter=reporter, what="the catalogue"):
        sweep_staging(path.parent)
        before = Catalogue.load(path, validate=False)
        after = change(before)
        if after != before or not path.exists():
            write_atomically(path, pretty_json(after.to_json()))
    return before, after


def verify(path: Path, root: Path) -> list[Finding]:
    """Read every archive and document that a catalogue names, and compare it.

    Args:
        root: the folder that the paths in the catalogue are relative to.

    Returns:
        The missing and changed ones, in the order of the catalogue.

    Raises:
        IntegrityError: the file is no catalogue.
    """
    named = [
        (entry, archive) for entry in Catalogue.load(path).entries for archive in (*entry.archives, *entry.documents)
    ]
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda pair: _compare(pair[0], pair[1], root), named)
        return [finding for finding in found if finding is not None]


def _compare(entry: Entry, archive: ArchiveRecord | DocumentRecord, root: Path) -> Finding | None:
    path = root / archive.path
    kind: Literal["missing", "changed"] = "changed"
    try:
        size = path.stat().st_size
        if size == archive.size:
            digest = sha256_of(path)
            if digest == archive.sha256:
                return None
            detail = f"its SHA-256 is {digest}, not {archive.sha256}"
        else:
            detail = f"it has {size} bytes, not {archive.size}"
    except (FileNotFoundError, NotADirectoryError):
        kind, detail = "missing", "it is not there"
    except (OSError, ValueError) as error:
        detail = str(error)
    return Finding(version=entry.version, platform=entry.platform, kind=kind, path=archive.path, detail=detail)


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (natural_order(entry.version), entry.platform)))


def natural_order(version: str) -> tuple[tuple[int, str], ...]:
    """Return the sort key of a version's name: 3.9.1 comes before 3.12.1, and both before their variants."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"[0-9]+|[^0-9.]+", version))


def _schema_problems(value: Any) -> list[str]:
    import jsonschema

    schema = json.loads(resources.files("bundle.artifacts").joinpath("catalogue.schema.json").read_text("utf-8"))
    errors = islice(jsonschema.Draft202012Validator(schema).iter_errors(value), _SHOWN)
    return [f"{error.json_path}: {error.message}" for error in errors]


def _no_catalogue(name: str, problems: list[str]) -> IntegrityError:
    return IntegrityError(
        f"{name} is not a catalogue of bundles.",
        cause="It was edited, or a merge went wrong.",
        remedy="Restore it from version control, or remove it and build again.",
        details=problems,
    )
