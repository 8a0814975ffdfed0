"""YAML files that people write, as values that know the file and line they were written on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bundle.base.errors import ConfigError, Problems
from bundle.model.config.json_source import Array, KeyPath, Leaf, Node, Origin, Table, path_text, read_text

if TYPE_CHECKING:
    import yaml

_MOST_BYTES = 2**20
_MOST_VALUES = 20_000
"""Values of one file, counted as often as aliases repeat them."""

_DEPTH = 60
"""Mappings and lists within each other."""

_LONGEST_NUMBER = 300
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

_TAG = "tag:yaml.org,2002:"


def read(path: Path, file: str, problems: Problems) -> Node | None:
    """Read a YAML file of one document, with the types of JSON; dates are texts.

    Args:
        file: its name in messages and origins.
        problems: takes what is wrong with it.

    Returns:
        The value, None if the file cannot be read as YAML at all.
    """
    with problems.collecting():
        return parse(read_text(path, file, absent="Name an existing file.", most=_MOST_BYTES), file, problems)
    return None


def parse(text: str, file: str, problems: Problems) -> Node:
    """Parse a YAML text.

    Args:
        file: its name in messages and origins.
        problems: takes every key that a mapping holds twice.

    Raises:
        ConfigError: it is not YAML, or exceeds the limits; names line and column.
    """
    import yaml

    composer = _Composer(file, problems)
    try:
        # The parser in C is some ten times as quick, and not everywhere.
        composer.events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return composer.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        why = error.problem or error.context or "it cannot be parsed"
        raise ConfigError(f"{place}: not YAML: {why}.", remedy="Correct the YAML there.") from error
    except (yaml.YAMLError, RecursionError) as error:
        why = str(error).splitlines()[0] if str(error) else "it cannot be parsed"
        raise ConfigError(f"{file}: not YAML: {why}.", remedy="Correct the YAML.") from error


class _Composer:
    """Makes values of the parser's events, and counts them."""

    events: Iterator[yaml.Event]

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._anchors: dict[str | None, tuple[Node, int]] = {}
        self._count = 0

    def document(self) -> Node:
        """Return the value of the only document."""
        import yaml

        node: Node = Leaf(None, Origin(self._file))
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fail(event, "a second document begins here")
                node = self._value(next(self.events), (), 0)
        return node

    def _value(self, event: yaml.Event, path: KeyPath, depth: int) -> Node:
        import yaml

        before = self._count
        self._count += 1
        if self._count > _MOST_VALUES:
            self._fail(event, f"more than {_MOST_VALUES:,} values, with those that aliases repeat")
        if depth > _DEPTH:
            self._fail(event, "nested too deeply")
        origin = self._origin(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                self._fail(event, f'the alias "{event.anchor}" stands for nothing before it')
            node, count = self._anchors[event.anchor]
            self._count += count
            return node
        if isinstance(event, yaml.ScalarEvent):
            node = Leaf(self._scalar(event), origin)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._plain_tag(event, "seq")
            node = Array(origin)
            while not isinstance(element := next(self.events), yaml.SequenceEndEvent):
                node.append(self._value(element, (*path, len(node)), depth + 1))
        elif isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(event, origin, path, depth)
        else:
            self._fail(event, "a value is expected")
        if event.anchor is not None:
            self._anchors[event.anchor] = node, self._count - before
        return node

    def _mapping(self, event: yaml.MappingStartEvent, origin: Origin, path: KeyPath, depth: int) -> Table:
        import yaml

        self._plain_tag(event, "map")
        table = Table(origin)
        merged: list[Node] = []
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or _NO_TEXT.search(key.value):
                self._fail(key, "a key is a text")
            member = self._origin(key)
            value = self._value(next(self.events), (*path, key.value), depth + 1)
            if key.value == "<<" and key.implicit[0]:
                merged += value if isinstance(value, Array) else [value]
                if not all(isinstance(one, Table) for one in merged):
                    self._fail(key, "only mappings can be merged")
                continue
            if key.value in table:
                where = f" of {path_text(path)}" if path else ""
                first = table[key.value].origin.line
                what = f'{member}: the key "{key.value}"{where} occurs twice, first in line {first}.'
                self._problems.add(
                    ConfigError(what, remedy="Keep one of them: YAML readers silently ignore the other.")
                )
            table[key.value] = _written_at(value, member)
        for one in merged:
            for name, inherited in one.items() if isinstance(one, Table) else ():
                table.setdefault(name, inherited)
        return table

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        import yaml

        text: str = event.value
        if _NO_TEXT.search(text):
            self._fail(event, "a text has a null character, or half of a surrogate pair")
        loader, kind = yaml.SafeLoader(""), event.tag
        if kind in (None, "!"):
            kind = loader.resolve(yaml.ScalarNode, text, event.implicit)  # type: ignore[no-untyped-call]
        kind = str(kind).removeprefix(_TAG)
        if kind in ("str", "timestamp", "value", "merge"):
            return text
        value: object = kind
        if kind in ("bool", "int", "float", "null") and len(text) <= _LONGEST_NUMBER:
            with suppress(ValueError, KeyError, IndexError):
                value = loader.construct_object(yaml.ScalarNode(_TAG + kind, text), deep=True)
        if value is not None and not (isinstance(value, int | float) and isfinite(value)):
            self._fail(event, f"{text[:40]!r} with the tag {kind} is no text, number, truth value or null")
        return value

    def _plain_tag(self, event: yaml.CollectionStartEvent, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            self._fail(event, f"the tag {event.tag} is not known here")

    def _origin(self, event: yaml.Event) -> Origin:
        return Origin(self._file, event.start_mark.line + 1 if event.start_mark else None)

    def _fail(self, event: yaml.Event, reason: str) -> NoReturn:
        mark = event.start_mark
        place = f"{self._file}:{mark.line + 1}:{mark.column + 1}" if mark else self._file
        raise ConfigError(f"{place}: not usable YAML: {reason}.", remedy="Correct the YAML there.")


def _written_at(node: Node, origin: Origin) -> Node:
    """Return a value whose origin is the line of its key; what an alias stands for keeps its own."""
    if isinstance(node, Leaf):
        return Leaf(node.value, origin)
    return node
