"""A quick test whether a value conforms to a schema, for which no library has to be imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$ref", "title", "description", "default", "examples"})

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "null": lambda value: value is None,
}


def conforms(value: Any, part: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """Return whether a value certainly conforms to a schema.

    Args:
        part: the schema of the value.
        whole: the schema that `$ref` leads into.

    Returns:
        True only if it does; False also where a keyword is not known here.
    """
    if "$ref" in part and not conforms(value, whole["$defs"][part["$ref"].rsplit("/", 1)[1]], whole):
        return False
    return all(
        word in _ANNOTATIONS or word.startswith("x-") or (word in _RULES and _RULES[word](value, wanted, part, whole))
        for word, wanted in part.items()
    )


def _additional(value: Any, wanted: Any, part: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    others = (
        [inner for key, inner in value.items() if key not in part.get("properties", {})] if _is(value, dict) else []
    )
    if isinstance(wanted, bool):
        return wanted or not others
    return all(conforms(inner, wanted, whole) for inner in others)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind)


_RULES: Mapping[str, Callable[[Any, Any, Mapping[str, Any], Mapping[str, Any]], bool]] = {
    "type": lambda value, wanted, _, __: any(_TYPES[one](value) for one in ([wanted] if _is(wanted, str) else wanted)),
    "enum": lambda value, wanted, _, __: _is(value, str) and value in wanted,
    "pattern": lambda value, wanted, _, __: not _is(value, str) or re.search(wanted, value) is not None,
    "required": lambda value, wanted, _, __: not _is(value, dict) or all(name in value for name in wanted),
    "minLength": lambda value, wanted, _, __: not _is(value, str) or len(value) >= wanted,
    "maxLength": lambda value, wanted, _, __: not _is(value, str) or len(value) <= wanted,
    "minItems": lambda value, wanted, _, __: not _is(value, list) or len(value) >= wanted,
    "minProperties": lambda value, wanted, _, __: not _is(value, dict) or len(value) >= wanted,
    "maxProperties": lambda value, wanted, _, __: not _is(value, dict) or len(value) <= wanted,
    "uniqueItems": lambda value, _, __, ___: (
        not _is(value, list) or (all(_is(one, str) for one in value) and len(set(value)) == len(value))
    ),
    "minimum": lambda value, wanted, _, __: type(value) not in (int, float) or value >= wanted,
    "exclusiveMinimum": lambda value, wanted, _, __: type(value) not in (int, float) or value > wanted,
    "maximum": lambda value, wanted, _, __: type(value) not in (int, float) or value <= wanted,
    "anyOf": lambda value, wanted, _, whole: any(conforms(value, one, whole) for one in wanted),
    "items": lambda value, wanted, _, whole: not _is(value, list) or all(conforms(one, wanted, whole) for one in value),
    "properties": lambda value, wanted, _, whole: (
        not _is(value, dict) or all(conforms(value[key], one, whole) for key, one in wanted.items() if key in value)
    ),
    "propertyNames": lambda value, wanted, _, whole: (
        not _is(value, dict) or all(conforms(key, wanted, whole) for key in value)
    ),
    "additionalProperties": _additional,
}
