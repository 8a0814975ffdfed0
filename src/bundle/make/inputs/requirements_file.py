"""Requirements files as pip reads them: understood line by line, or refused with the line.

The format is described at https://pip.pypa.io/en/stable/reference/requirements-file-format/.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from bundle.base.http.urls import is_readable, redact
from bundle.make.inputs.gathered import Gathered
from bundle.model.config.config import SOURCE_ARCHIVES
from bundle.model.config.json_source import Array, Leaf, Origin

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_OWN_OPTIONS = re.compile(r"\s(?=--?[A-Za-z])")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_EXTRAS = re.compile(r"(?P<path>.*?)\s*(?:\[(?P<extras>[^\[\]]*)\])?")

_MOST_FILES = 100
_MOST_LINES = 200_000

_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
    "--pypi-url": "--index-url",
}

_ALONE = frozenset({"--prefer-binary", "--require-hashes", "--pre", "--no-index"})
"""Options without a value."""

_REFUSED = {
    "--pre": "Allow a pre-release where it is wanted, in its requirement: NAME>=2.0rc1.",
    "--no-index": "Remove the line; wheels of --find-links are preferred to those of an index.",
    "--trusted-host": "Remove the line, and name the authority of the host's certificate in REQUESTS_CA_BUNDLE.",
}


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The file of a line."""

    path: Path
    constrains: bool = False
    """Whether it is a file of constraints."""


def read_requirements(path: Path, gathered: Gathered) -> None:
    """Add the requirements of a file, and of those that it names; what cannot be used becomes a problem."""
    _File(gathered).read(_Place(path=path), None)


class _File:
    """Reads a file with the files that it names."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._read: set[tuple[Path, bool]] = set()

    def read(self, place: _Place, named_at: Origin | None) -> None:
        gathered = self._gathered
        if (place.path, place.constrains) in self._read:
            return  # pip refuses a file that names itself; to read it once is enough.
        self._read.add((place.path, place.constrains))
        if len(self._read) > _MOST_FILES and named_at:
            gathered.refuse(named_at, f"more than {_MOST_FILES} files name each other.", "Put them into one file.")
            return
        text = gathered.read(place.path, named_at)
        for number, line in _logical_lines(text or ""):
            origin = Origin(gathered.shown(place.path), number)
            if number > _MOST_LINES:
                gathered.refuse(origin, f"the file has more than {_MOST_LINES} lines.", "Name a requirements file.")
                return
            self._line(line, origin, place)

    def _line(self, line: str, origin: Origin, place: _Place) -> None:
        refuse = self._gathered.refuse
        if "\0" in line or len(line) > 2**16:
            refuse(origin, "this is no line of a requirements file.", "Name a requirements file with -r.")
        elif not line.startswith("-"):
            requirement, *options = _OWN_OPTIONS.split(line)
            self._requirement(requirement.strip(), options, origin, place)
        else:
            try:
                words = shlex.split(line)
            except ValueError as error:
                refuse(origin, f"{redact(line)}: {error}.", "Close the quotation.")
                return
            for option, value in _options(words):
                self._option(option, value, origin, place)

    def _option(self, option: str, value: str, origin: Origin, place: _Place) -> None:
        gathered = self._gathered
        if option in _REFUSED:
            gathered.refuse(origin, f"{option} is not supported.", _REFUSED[option])
        elif option == "--require-hashes":
            gathered.only_hashed = True
        elif value:
            self._valued(option, value, origin, place)
        elif option != "--prefer-binary":  # Which is always so here.
            remedy = "Write the option with its value, or remove the line."
            gathered.refuse(origin, f"{option} is unknown, or lacks its value.", remedy)

    def _valued(self, option: str, value: str, origin: Origin, place: _Place) -> None:
        gathered = self._gathered
        if option in ("--requirement", "--constraint"):
            self._further(value, origin, place, constrains=place.constrains or option == "--constraint")
        elif option == "--editable":
            # What is no address is a path, without a dot in front, too.
            known = _is_address(value) or value.startswith(("/", "file:"))
            self._requirement(value if known else f"./{value}", (), origin, place)
        elif option == "--index-url":
            gathered.default = Leaf(value, origin)
        elif option == "--extra-index-url":
            gathered.additional.append(Leaf(value, origin))
        elif option == "--find-links":
            self._wheels(value, origin, place)
        elif option in ("--no-binary", "--only-binary"):
            self._formats(option, value, origin)
        else:
            remedy = "Remove the line if the build goes without it, or make a project (`bundle init`)."
            gathered.refuse(origin, f"{option} is not supported.", remedy)

    def _further(self, value: str, origin: Origin, place: _Place, *, constrains: bool) -> None:
        if "://" in value:
            self._gathered.refuse(origin, f"{redact(value)} is no file of this machine.", "Download it first.")
        else:
            path = Path(os.path.normpath(place.path.parent / value))
            self.read(_Place(path=path, constrains=constrains), origin)

    def _wheels(self, value: str, origin: Origin, place: _Place) -> None:
        if _kind(place.path.parent / value):
            self._gathered.wheels.append(Leaf(value, origin))
        else:
            remedy = "Name a folder of wheels relative to this file; a page of links is no index."
            self._gathered.refuse(origin, f"{redact(value)} is no folder.", remedy)

    def _formats(self, option: str, value: str, origin: Origin) -> None:
        gathered = self._gathered
        names = gathered.from_source if option == "--no-binary" else gathered.only_binary
        for name in filter(None, map(str.strip, value.split(","))):
            if name == ":none:":
                names.clear()
            elif name != ":all:":
                names.append(Leaf(name, origin))
            elif option == "--only-binary":
                gathered.sources = False
            else:
                remedy = "Name the packages that are to be built from source."
                gathered.refuse(origin, "--no-binary :all: builds every package, Python's own tools too.", remedy)

    def _requirement(self, text: str, options: Sequence[str], origin: Origin, place: _Place) -> None:
        gathered = self._gathered
        hashes = self._hashes(options, origin)
        if _VARIABLE.search(text):
            remedy = "Write it out; only addresses of indexes may have variables."
            gathered.refuse(origin, f"{redact(text)} has an environment variable.", remedy)
            return
        if _is_address(text):
            address, _, marker = text.partition(" ;")
            self._address(address.strip(), marker.strip(), hashes, origin)
            return
        if _is_path(text, place.path.parent):
            path, _, marker = text.partition(";")
            self._path(path.strip(), marker.strip(), origin, place)
            return
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError) as error:
            reason = redact(str(error).splitlines()[0])
            remedy = "Write a requirement, such as name==1.2.3, or remove the line."
            gathered.refuse(origin, f"{redact(text)} is not a requirement: {reason}.", remedy)
            return
        self._add(requirement, hashes, origin, place)

    def _add(self, requirement: Requirement, hashes: Sequence[str], origin: Origin, place: _Place) -> None:
        gathered = self._gathered
        if requirement.url is not None and hashes and "#" not in requirement.url:
            requirement.url += f"#sha256={hashes[0].removeprefix('sha256:')}"
        name = canonicalize_name(requirement.name)
        if requirement.url is None:
            if hashes:
                known = gathered.hashes.setdefault(name, Array(origin))
                known.extend(Leaf(one, origin) for one in hashes)
            elif not place.constrains:
                gathered.unhashed.append(Leaf(requirement.name, origin))
        if place.constrains and requirement.extras:
            requirement.extras = set()
        (gathered.constraints if place.constrains else gathered.dependencies).append(Leaf(str(requirement), origin))

    def _hashes(self, options: Sequence[str], origin: Origin) -> list[str]:
        hashes: list[str] = []
        told: list[str] = []
        for option in options:
            name, _, value = option.strip().replace(" ", "=", 1).partition("=")
            if name == "--hash":
                told.append(value)
                hashes += [value.lower()] if _HASH.fullmatch(value.lower()) else []
            else:
                remedy = "Remove it, or make a project (`bundle init`), where packages.buildWheel holds such settings."
                self._gathered.refuse(origin, f"{name} is not supported.", remedy)
        if told and not hashes:
            self._gathered.refuse(origin, "none of the hashes is a sha256.", "Write --hash=sha256:….")
        return hashes

    def _address(self, url: str, marker: str, hashes: Sequence[str], origin: Origin) -> None:
        """Take an address without a name in front of it: its fragment or its file says the name."""
        if not is_readable(url):
            self._gathered.refuse(origin, f"{redact(url)} has no valid host or port.", "Correct the address.")
            return
        parts = urlsplit(url)
        fragment = parse_qs(parts.fragment)
        filename = unquote(parts.path.rpartition("/")[2])
        name, extras = fragment.get("egg", [""])[0], ""
        if "[" in name:
            name, _, extras = name.rstrip("]").partition("[")
        name = name or _name_of_file(filename)
        if not name:
            remedy = f'Write "NAME @ {redact(url)}".'
            self._gathered.refuse(origin, f"{redact(url)} does not say which package it is.", remedy)
            return
        if not parts.scheme.startswith(("http", "git+")):
            self._gathered.refuse(
                origin, f"{parts.scheme}:// is not supported.", "Name a file by HTTPS, or git+https://."
            )
            return
        kept = "&".join(f"{key}={fragment[key][0]}" for key in ("subdirectory", "sha256") if key in fragment)
        plain = parts._replace(fragment=kept).geturl()
        text = f"{name}{f'[{extras}]' if extras else ''} @ {plain}{f' ; {marker}' if marker else ''}"
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError):
            remedy = 'Write "NAME @ URL".'
            self._gathered.refuse(origin, f"{redact(url)} is not a requirement.", remedy)
            return
        self._add(requirement, hashes, origin, _Place(path=Path()))

    def _path(self, text: str, marker: str, origin: Origin, place: _Place) -> None:
        gathered = self._gathered
        found = _EXTRAS.fullmatch(text.removeprefix("file:") if not text.startswith("file://") else text[7:])
        path, extras = (found["path"], found["extras"] or "") if found else (text, "")
        target = place.path.parent / unquote(path)
        names = [name.strip() for name in extras.split(",") if name.strip()]
        if place.constrains:
            gathered.refuse(origin, f"{path} is no constraint.", "Name versions in a file of constraints.")
        elif _kind(target) == "folder":
            gathered.add_folder(target, names, base=place.path.parent, origin=origin, marker=marker)
        elif path.endswith(".whl") and _kind(target) == "file":
            try:
                name, version, _, _ = parse_wheel_filename(target.name)
            except ValueError as error:
                gathered.refuse(origin, f"{path} has not the name of a wheel: {error}.", "Give it its own name.")
                return
            gathered.wheels.append(Leaf(path, origin))
            chosen = f"[{','.join(names)}]" if names else ""
            requirement = f"{name}{chosen}=={version}{f' ; {marker}' if marker else ''}"
            gathered.dependencies.append(Leaf(requirement, origin))
        else:
            remedy = "Name a folder with a pyproject.toml, or a wheel, relative to this file."
            gathered.refuse(origin, f"{path} is neither a folder nor a wheel.", remedy)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with the number of its first one, joined at backslashes, without comments and blank ones."""
    start, parts = 0, ""
    for number, physical in enumerate(text.splitlines(), 1):
        start = start or number
        if physical.endswith("\\") and not physical.lstrip().startswith("#"):
            parts += physical[:-1]
            continue
        line = _COMMENT.sub("", parts + physical).strip()
        if line:
            yield start, line
        start, parts = 0, ""
    if line := _COMMENT.sub("", parts).strip():
        yield start, line


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each option of a line by its long name, with its value."""
    left = list(words)
    while left:
        word = left.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("--") and word[:2] in _SHORT:
            option, value = word[:2], word[2:].removeprefix("=")
            equals = value
        option = _SHORT.get(option, option)
        if not equals and option not in _ALONE and left:
            value = left.pop(0)
        yield option, value


def _is_address(text: str) -> bool:
    scheme, separator, _ = text.partition("://")
    return bool(separator) and re.fullmatch(r"[a-z][a-z+]*", scheme) is not None and scheme != "file"


def _is_path(text: str, base: Path) -> bool:
    if text.startswith((".", "/", "file:")):
        return True
    plain = text.partition(";")[0].partition("[")[0].strip()
    return "@" not in plain and ("/" in plain or plain.endswith(".whl")) and _kind(base / plain) != ""


def _kind(path: Path) -> str:
    """Return `folder` or `file`; nothing where there is none, or where the name is none that a file may have."""
    with suppress(OSError, ValueError):
        return "folder" if path.is_dir() else "file" if path.is_file() else ""
    return ""


def _name_of_file(filename: str) -> str:
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[0])
        if filename.endswith(SOURCE_ARCHIVES):
            return str(parse_sdist_filename(filename)[0])
    except ValueError:
        pass
    return ""
