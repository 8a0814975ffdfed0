"""Adding to a JSON file that people write: all else stays as it is, spaces and line ends included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bundle.base.errors import Problems
from bundle.model.config.json_source import parse, plain

_TOKEN = re.compile(r'[\[\]{}:,]|"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+', re.DOTALL)

_INDENT = "  "


def with_appended(text: str, path: Sequence[str], values: Iterable[Any]) -> str:
    """Return a JSON text with more elements in a list, which is made where there is none.

    Args:
        text: an object, valid JSON.
        path: the keys that lead to the list.

    Raises:
        ConfigError: the text is not JSON.
        ValueError: something else than objects, and a list at their end, is at the path.
    """
    values = list(values)
    before = plain(parse(text, "", Problems()))
    held, missing = before, list(path)
    while missing and isinstance(held, dict) and missing[0] in held:
        held = held[missing.pop(0)]
    wanted = dict if missing else list
    if not isinstance(held, wanted):
        raise ValueError(f"{'.'.join(path)} is not a list")
    added: Any = values
    for key in reversed(missing[1:]):
        added = {key: added}
    more = [(missing[0], added)] if missing else [(None, value) for value in values]
    result = _inserted(text, path[: len(path) - len(missing)], more, empty=not held)
    if plain(parse(result, "", Problems())) != _expected(before, path, values):
        raise ValueError(f"{'.'.join(path)} cannot be added to")
    return result


def _inserted(text: str, path: Sequence[str], more: Sequence[tuple[str | None, Any]], *, empty: bool) -> str:
    opened, closed = _span(text, path)
    newline = "\r\n" if "\r\n" in text else "\n"
    outer = _indent_at(text, opened)
    first = re.compile(r"[ \t]*[\r\n]+([ \t]*)\S").match(text, opened + 1)
    inner = first[1] if first and not empty else outer + _unit(text)
    parts = []
    for key, value in more:
        lines = json.dumps(value, ensure_ascii=False, indent=_unit(text)).splitlines()
        head = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
        parts.append(f"{inner}{head}" + f"{newline}{inner}".join(lines))
    before = text[:closed].rstrip()
    comma = "" if empty else ","
    return f"{before}{comma}{newline}{f',{newline}'.join(parts)}{newline}{outer}{text[closed:]}"


def _span(text: str, path: Sequence[str]) -> tuple[int, int]:
    """Return the positions of the brackets of the object or list at a path of keys."""
    stack: list[tuple[int, tuple[str, ...]]] = []
    key, token_before = "", ""
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            inside = (*stack[-1][1], key) if stack else ()
            stack.append((token.start(), inside))
            key = ""
        elif token[0] in "}]":
            start, inside = stack.pop()
            if inside == tuple(path):
                return start, token.start()
        elif token[0] == ":":
            key = json.loads(token_before)
        elif token[0] == "," and text[stack[-1][0]] == "[":
            # No path of keys leads into a list.
            key = ""
        token_before = token[0]
    raise ValueError(f"nothing is at {'.'.join(path)}")


def _indent_at(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    """Return what the first indented line is indented by."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else _INDENT


def _expected(before: Mapping[str, Any], path: Sequence[str], values: list[Any]) -> dict[str, Any]:
    key, *rest = path
    if not rest:
        return {**before, key: [*before.get(key, ()), *values]}
    return {**before, key: _expected(before.get(key, {}), rest, values)}
