"""JSON values that know the file and line they were written on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from bundle.base.errors import ConfigError, Problems

Step: TypeAlias = str | int
KeyPath: TypeAlias = tuple[Step, ...]

_BLANK = re.compile(r"[ \t\r\n]*")
_PLAIN_KEY = re.compile(r"[^.\[\]\"\s]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEPTH = 60


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

    def __init__(self, origin: Origin) -> None:
        super().__init__()
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
        path: the file.
        file: how messages and origins name it.
        problems: takes what is wrong with it.

    Returns:
        the value, or None where the file cannot be read as JSON at all.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        problems.add(ConfigError(f"{file} does not exist.", remedy="Create it; `{}` is a valid start."))
        return None
    except OSError as error:
        problems.add(ConfigError(f"{file} cannot be read: {error.strerror}.", remedy="Make it a readable file."))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        problems.add(
            ConfigError(
                f"{file}:{line}:{column}: not UTF-8 (byte 0x{data[error.start]:02x}).",
                remedy="Save the file as UTF-8.",
            )
        )
        return None
    try:
        return parse(text, file, problems)
    except ConfigError as error:
        problems.add(error)
        return None


def parse(text: str, file: str, problems: Problems) -> Node:
    """Parse a JSON text.

    Args:
        text: the text.
        file: how messages and origins name it.
        problems: takes every key that an object holds twice.

    Raises:
        ConfigError: no JSON; names line and column.
    """
    return _Scanner(text, file, problems).document()


class _Scanner:
    def __init__(self, text: str, file: str, problems: Problems) -> None:
        self._text = text
        self._file = file
        self._problems = problems
        self._scalars = json.JSONDecoder(parse_constant=_no_constant)
        self._counted_to = 0
        self._line = 1

    def document(self) -> Node:
        position = self._skip(0)
        node, position = self._value(position, Origin(self._file, self._line_at(position)), ())
        position = self._skip(position)
        if position < len(self._text):
            self._fail("text after the end of the value", position)
        return node

    def _value(self, position: int, origin: Origin, path: KeyPath) -> tuple[Node, int]:
        if len(path) > _DEPTH:
            self._fail("nested too deeply", position)
        match self._text[position : position + 1]:
            case "{":
                return self._object(position + 1, origin, path)
            case "[":
                return self._array(position + 1, origin, path)
            case "":
                self._fail("a value is missing; the file ends here", position)
        return self._scalar(position, origin)

    def _scalar(self, position: int, origin: Origin) -> tuple[Leaf, int]:
        try:
            value, end = self._scalars.raw_decode(self._text, position)
        except json.JSONDecodeError as error:
            self._fail(_REASONS.get(error.msg, error.msg[0].lower() + error.msg[1:]), error.pos)
        except ValueError as error:
            self._fail(str(error), position)
        if isinstance(value, str) and _SURROGATE.search(value):
            self._fail("half of a surrogate pair is not a character", position)
        return Leaf(value, origin), end

    def _object(self, position: int, origin: Origin, path: KeyPath) -> tuple[Table, int]:
        table = Table(origin)
        position = self._skip(position)
        if self._text.startswith("}", position):
            return table, position + 1
        while True:
            if not self._text.startswith('"', position):
                self._fail("a key in double quotes is missing", position)
            member = Origin(self._file, self._line_at(position))
            key, position = self._scalar(position, member)
            name = str(key.value)
            position = self._skip(position)
            if not self._text.startswith(":", position):
                self._fail(f'":" is missing after "{name}"', position)
            position = self._skip(position + 1)
            value, position = self._value(position, member, (*path, name))
            if name in table:
                self._repeated(name, member, table[name].origin, path)
            table[name] = value
            position = self._skip(position)
            if self._text.startswith("}", position):
                return table, position + 1
            position = self._comma(position, "}")

    def _array(self, position: int, origin: Origin, path: KeyPath) -> tuple[Array, int]:
        array = Array(origin)
        position = self._skip(position)
        if self._text.startswith("]", position):
            return array, position + 1
        while True:
            element = Origin(self._file, self._line_at(position))
            value, position = self._value(position, element, (*path, len(array)))
            array.append(value)
            position = self._skip(position)
            if self._text.startswith("]", position):
                return array, position + 1
            position = self._comma(position, "]")

    def _comma(self, position: int, closing: str) -> int:
        if not self._text.startswith(",", position):
            self._fail(f'"," or "{closing}" is missing', position)
        behind = self._skip(position + 1)
        if self._text.startswith(closing, behind):
            self._fail(f'a "," stands before "{closing}"', position)
        return behind

    def _skip(self, position: int) -> int:
        match = _BLANK.match(self._text, position)
        return match.end() if match else position

    def _line_at(self, position: int) -> int:
        self._line += self._text.count("\n", self._counted_to, position)
        self._counted_to = position
        return self._line

    def _repeated(self, name: str, here: Origin, before: Origin, path: KeyPath) -> None:
        where = f" of {path_text(path)}" if path else ""
        self._problems.add(
            ConfigError(
                f'{here}: the key "{name}"{where} occurs twice, first in line {before.line}.',
                remedy="Keep one of them: JSON readers silently ignore the other.",
            )
        )

    def _fail(self, reason: str, position: int) -> NoReturn:
        line = self._text.count("\n", 0, position) + 1
        column = position - (self._text.rfind("\n", 0, position) + 1) + 1
        raise ConfigError(f"{self._file}:{line}:{column}: not JSON: {reason}.", remedy="Correct the JSON there.")


_REASONS = {
    "Expecting value": "a value is missing",
    "Unterminated string starting at": "a string that starts here does not end",
    "Invalid control character at": "a string has a line break or another control character",
    "Invalid \\escape": "an escape like \\x is unknown (double a backslash to mean itself)",
}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
