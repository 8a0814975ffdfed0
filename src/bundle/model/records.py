"""Frozen dataclasses as JSON and back, checked against their type hints: names in snake case become camel case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


class MalformedError(ValueError):
    """A JSON value has another shape than its type; the text names the place."""


def to_json(value: Any) -> Any:
    """Return the JSON value of a dataclass with fields of plain types, tuples, mappings and other dataclasses."""
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if is_dataclass(value):
        return {_camel(part.name): to_json(getattr(value, part.name)) for part in fields(value)}
    return value


def from_json(kind: type[Record], value: Any, *, lenient: bool = False) -> Record:
    """Return a dataclass from a JSON value.

    Args:
        kind: the dataclass.
        value: as `json.loads` returns it.
        lenient: whether keys that the dataclass does not have are ignored.

    Raises:
        MalformedError: a key is missing or unknown, or a value has another type.
    """
    record: Record = _read(kind, value, "", lenient)
    return record


def _read(kind: Any, value: Any, path: str, lenient: bool) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Literal:
        return _checked(value, value in arguments, path, f"one of {', '.join(map(repr, arguments))}")
    if origin in (Union, UnionType):
        lists = [one for one in arguments if get_origin(one) is tuple]
        if lists and isinstance(value, list):
            return _read(lists[0], value, path, lenient)
        plain = tuple(one for one in arguments if one not in lists)
        return _checked(value, isinstance(value, plain), path, str(kind))
    if origin is tuple:
        _checked(value, isinstance(value, list), path, "a list")
        return tuple(_read(arguments[0], item, f"{path}[{place}]", lenient) for place, item in enumerate(value))
    if origin is Mapping:
        _checked(value, isinstance(value, dict), path, "an object")
        return {key: _read(arguments[1], item, f"{path}.{key}", lenient) for key, item in value.items()}
    if is_dataclass(kind):
        return _read_record(kind, value, path, lenient)
    return _checked(value, type(value) is kind, path, kind.__name__)


def _read_record(kind: Any, value: Any, path: str, lenient: bool) -> Any:
    _checked(value, isinstance(value, dict), path, "an object")
    hints = _hints(kind)
    names = {_camel(part.name): part for part in fields(kind)}
    found = {}
    for key, part in names.items():
        if key in value:
            found[part.name] = _read(hints[part.name], value[key], f"{path}.{key}", lenient)
        elif part.default is MISSING and part.default_factory is MISSING:
            raise MalformedError(f"{_shown(path)} lacks {key}")
    if not lenient and (unknown := value.keys() - names.keys()):
        raise MalformedError(f"{_shown(path)} has the unknown key {min(unknown)}")
    return kind(**found)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _checked(value: Any, fits: bool, path: str, expected: str) -> Any:
    if not fits:
        raise MalformedError(f"{_shown(path)} is {value!r:.80}, not {expected}")
    return value


def _shown(path: str) -> str:
    return path.removeprefix(".") or "the document"


def _camel(name: str) -> str:
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)
