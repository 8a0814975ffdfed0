"""JSON values that know the file and line they were written on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from bundle.base.errors import ConfigError, Problems
from bundle.base.files import read_regular

Step: TypeAlias = str | int
KeyPath: TypeAlias = tuple[Step, ...]

_TOKEN = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+', re.DOTALL)
"""A bracket, a text or another scalar; in valid JSON the commas and colons between them tell nothing more."""

_PLAIN_KEY = re.compile(r"[^.\[\]\"\s]+")
_SURROGATE = re.compile("[\ud800-\udfff]")

_MOST_BYTES = 2**22
"""Bytes of the largest configuration."""

_DEPTH = 60
"""Objects and arrays within each other that a text may have."""


@dataclass(frozen=True)
class Origin:
    """Where a value was written."""

    file: str
    """Relative to the project, with `/`."""
    line: int | None = None
    """From 1; None where no line holds it."""

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Leaf:
    """A text, number, boolean or null."""

    value: str | int | float | bool | None
    origin: Origin


class Table(dict[str, "Node"]):
    """A JSON object; each member's origin is the line of its key."""

    def __init__(self, origin: Origin, members: Iterable[tuple[str, Node]] = ()) -> None:
        super().__init__(members)
        self.origin = origin


class Array(list["Node"]):
    """A JSON array."""

    def __init__(self, origin: Origin, values: Sequence[Node] = ()) -> None:
        super().__init__(values)
        self.origin = origin

    def __add__(self, other: list[Node]) -> Array:  # type: ignore[override]  # an Array stays one
        """Return both, one after the other; as empty as the last, it comes from there."""
        return Array(other.origin if isinstance(other, Array) else self.origin, [*self, *other])


Node: TypeAlias = Leaf | Table | Array


def plain(node: Node) -> Any:
    """Return the value without its origins."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Table):
        return {key: plain(value) for key, value in node.items()}
    return [plain(value) for value in node]


def at(node: Node, path: Sequence[Step]) -> Node | None:
    """Return what stands at a path, or None."""
    for step in path:
        try:
            node = node[step]  # type: ignore[index]  # what cannot be indexed so has no such place
        except (TypeError, LookupError):
            return None
    return node


def origin_of(node: Node, path: Sequence[Step]) -> Origin:
    """Return where the value at a path was written; where there is none, where the whole was."""
    found = at(node, path)
    return (node if found is None else found).origin


def origins(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Origin]]:
    """Yield path and origin of every leaf, and of every container that is empty."""
    if isinstance(node, Leaf) or not node:
        yield path, node.origin
    elif isinstance(node, Table):
        for key, value in node.items():
            yield from origins(value, (*path, key))
    else:
        for index, value in enumerate(node):
            yield from origins(value, (*path, index))


def path_text(path: Sequence[Step]) -> str:
    """Return a path as people read it: `packages.skip.torch.macosx-x64`, `packages.copyFiles[0].from`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def read(path: Path, file: str, problems: Problems) -> Node | None:
    """Read a JSON file (RFC 8259, UTF-8; a byte order mark is allowed).

    Args:
        file: its name in messages and origins.
        problems: takes what is wrong with it.

    Returns:
        The value, None if the file cannot be read as JSON at all.
    """
    with problems.collecting():
        return parse(read_text(path, file, absent="Create it; `{}` is a valid start."), file, problems)
    return None


def read_text(path: Path, file: str, *, absent: str, most: int = _MOST_BYTES) -> str:
    """Return the text of a file that people write (UTF-8; a byte order mark is allowed).

    Args:
        file: its name in messages.
        absent: what to do where there is none.
        most: bytes of the largest that is read.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    try:
        return read_regular(path, most=most).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"{file} does not exist.", remedy=absent) from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", remedy="Make it a readable file.") from error
    except UnicodeDecodeError as error:
        place = place_behind(file, error.object[: error.start].decode())
        byte = error.object[error.start]
        raise ConfigError(f"{place}: not UTF-8 (byte 0x{byte:02x}).", remedy="Save the file as UTF-8.") from error


def parse(text: str, file: str, problems: Problems) -> Node:
    """Parse a JSON text.

    Args:
        file: its name in messages and origins.
        problems: takes every key that an object holds twice.

    Raises:
        ConfigError: it is not JSON; names line and column.
    """
    scanner = _Scanner(text, file, problems)
    scanner.check_depth()
    try:
        # Numbers are only recognised here: the scanner knows the place of one that is too long.
        json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        reason = re.sub(r"( starting)? at$", "", error.msg)
        scanner.fail(reason[0].lower() + reason[1:], error.pos)
    return scanner.document()


class _Scanner:
    """Goes through the tokens of a text, for its values and their lines."""

    def __init__(self, text: str, file: str, problems: Problems) -> None:
        self._text = text
        self._file = file
        self._problems = problems
        self._tokens = _TOKEN.finditer(text)
        self._counted_to = 0
        self._line = 1

    def check_depth(self) -> None:
        """Refuse a text, valid or not, whose nesting would exhaust the stack."""
        depth = 0
        for token in _TOKEN.finditer(self._text):
            depth += (token[0] in ("{", "[")) - (token[0] in ("}", "]"))
            if depth > _DEPTH:
                self.fail("nested too deeply", token.start())

    def document(self) -> Node:
        """Return the value of a valid text."""
        token = next(self._tokens)
        return self._value(token, self._origin(token), ())

    def fail(self, reason: str, position: int) -> NoReturn:
        """Raise an error about a position."""
        place = place_behind(self._file, self._text[:position])
        raise ConfigError(f"{place}: not JSON: {reason}.", remedy="Correct the JSON there.")

    def _value(self, token: re.Match[str], origin: Origin, path: KeyPath) -> Node:
        if token[0] == "{":
            return self._object(origin, path)
        if token[0] == "[":
            array = Array(origin)
            while (element := next(self._tokens))[0] != "]":
                array.append(self._value(element, self._origin(element), (*path, len(array))))
            return array
        return Leaf(self._scalar(token), origin)

    def _object(self, origin: Origin, path: KeyPath) -> Table:
        table = Table(origin)
        while (key := next(self._tokens))[0] != "}":
            member = self._origin(key)
            name = str(self._scalar(key))
            if name in table:
                where = f" of {path_text(path)}" if path else ""
                first = table[name].origin.line
                self._problems.add(
                    ConfigError(
                        f'{member}: the key "{name}"{where} occurs twice, first in line {first}.',
                        remedy="Keep one of them: JSON readers silently ignore the other.",
                    )
                )
            table[name] = self._value(next(self._tokens), member, (*path, name))
        return table

    def _scalar(self, token: re.Match[str]) -> str | int | float | bool | None:
        try:
            value: str | int | float | bool | None = _SCALARS.decode(token[0])
        except ValueError as error:
            self.fail(str(error), token.start())
        if isinstance(value, str) and _SURROGATE.search(value):
            self.fail("half of a surrogate pair is not a character", token.start())
        return value

    def _origin(self, token: re.Match[str]) -> Origin:
        self._line += self._text.count("\n", self._counted_to, token.start())
        self._counted_to = token.start()
        return Origin(self._file, self._line)


def place_behind(file: str, before: str) -> str:
    """Return file, line and column of the character behind a text."""
    last_line = before.rpartition("\n")[2]
    return f"{file}:{before.count(chr(10)) + 1}:{len(last_line) + 1}"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_SCALARS = json.JSONDecoder(parse_constant=_no_constant)
