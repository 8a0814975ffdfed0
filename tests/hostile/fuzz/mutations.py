"""Valid samples with a few changes, as hostile or broken programs make them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

_RAW = {
    "@deep lists@": "[" * 100_000,
    "@deep tables@": '{"a":' * 50_000,
    "@many digits@": "9" * 5000,
    "@infinity@": "-Infinity",
    "@no number@": "NaN",
    "@exponent@": "1e999999999",
}
"""JSON texts that Python values cannot say."""

_TEXTS: tuple[str, ...] = (
    *(
        "",
        " ",
        ".",
        "..",
        "/",
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\x",
        "\\",
        "-",
        "-x",
        "a/b",
        "a" * 300,
        "x" * 5000,
    ),
    *(
        "\0",
        "\x1b[31m",
        "\n",
        "\r\n",
        "\u2028",
        "\u202e",
        "\ud800",
        "²",
        "٣",
        "é",
        "e\u0301",
        "ﬁ",
        "%00",
        "%2f",
        "#",
        "@",
    ),
    *(
        "1.0",
        "1!2.0+x",
        "9" * 5000,
        "0x10",
        "1e400",
        "nan",
        "None",
        "true",
        "${HOME}",
        "{0}",
        "%s",
        "$(id)",
        "<",
        ">",
        '"',
    ),
    *("=", "==", ",", ";", ":", "::", "[", "]", "[[", "{", "(", ")", "(" * 300, "a and " * 200, "'" * 3, "*", "**/*"),
    *("https://[", "https://user:pw@host/x", "file:///etc/passwd", "sha256=", "sha256=AAAA", "md5=x", "shake_128=x"),
)

_SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, -0.0, 2**31, 2**63, -(2**64), 10**300),
    *([], {}, [[]], [None], {"": None}, {"a": {}}, *_RAW),
)

_BYTES = (
    *(text.encode("utf-8", "surrogatepass") for text in _TEXTS),
    *(
        b"\xff",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x00" * 4,
        b"\xff" * 4,
        b"\xff" * 8,
        b"\x7f\xff\xff\xff",
        b"\x80\x00\x00\x00",
    ),
    *(
        b"PK\x03\x04",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"ustar",
        b"<!--",
        b"<a href=",
        b"&#x",
    ),
)

VALUES = st.sampled_from(_TEXTS) | st.sampled_from(_SCALARS).map(deepcopy)

_LARGEST = 2**18
"""Characters or parts from which on nothing is repeated."""


@st.composite
def changed_bytes(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """Bytes of a sample with one to five pieces replaced, removed or repeated; seldom, any bytes at all."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=200))
    content = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.sampled_from((0, 0, 1, 1, 2, 4, 8, 20, 100)))
        piece = draw(st.sampled_from((b"", content[start:end])) | st.sampled_from(_BYTES) | st.binary(max_size=4))
        times = draw(st.sampled_from((1, 1, 1, 2, 100))) if len(content) < _LARGEST else 1
        content = content[:start] + piece * times + content[end:]
    return content


@st.composite
def changed_text(draw: st.DrawFn, samples: Sequence[str], *, changes: int = 4) -> str:
    """A short text with some of its pieces replaced, removed or repeated."""
    text = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, changes))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 4))
        piece = draw(st.sampled_from((*_TEXTS, text[start:end])) | st.text(max_size=3))
        times = draw(st.sampled_from((1, 1, 1, 2, 50))) if len(text) < _LARGEST else 1
        text = text[:start] + piece * times + text[end:]
    return text


@st.composite
def changed_lines(draw: st.DrawFn, samples: Sequence[str]) -> bytes:
    """A text with some of its lines changed, removed, repeated or moved; sometimes, changed bytes of it."""
    text = draw(st.sampled_from(samples))
    if draw(st.integers(0, 3)) == 0:
        return draw(changed_bytes([text.encode()]))
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(lines) - 1)))
        line = lines[place] if lines else ""
        others = draw(st.sampled_from(("change", "change", "change", "drop", "repeat", "move", "many")))
        changed = [draw(changed_text([line]))]
        now = {
            "change": changed,
            "drop": [],
            "repeat": [line, *changed],
            "move": [],
            "many": changed * (300 if len(changed[0]) < 1000 else 1),
        }[others]
        lines[place : place + 1] = now
        if others == "move":
            lines.insert(draw(st.integers(0, len(lines))), line)
    return draw(st.sampled_from(("\n", "\n", "\n", "\r\n", "\r"))).join(lines).encode("utf-8", "surrogatepass")


@st.composite
def changed_value(draw: st.DrawFn, samples: Sequence[Any], *, values: st.SearchStrategy[Any] = VALUES) -> Any:
    """A JSON value with one to four of its parts replaced, removed, repeated, renamed or exchanged."""
    value = deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        value = _changed(draw, value, values)
    return value


def _changed(draw: st.DrawFn, value: Any, values: st.SearchStrategy[Any]) -> Any:
    holders = list(_holders(value))
    if not holders:
        return draw(values)
    holder = draw(st.sampled_from(holders))
    key = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
    how = draw(
        st.sampled_from(("replace", "replace", "replace", "drop", "rename", "repeat", "exchange", "wrap", "many"))
    )
    if how == "replace":
        text = holder[key]
        holder[key] = draw(values | changed_text([text]) if isinstance(text, str) else values)
    elif how == "drop":
        del holder[key]
    elif how == "wrap":
        holder[key] = [holder[key]]
    elif how == "exchange":
        other = draw(st.sampled_from(holders))
        holder[key] = deepcopy(other) if len(json.dumps(other)) < _LARGEST else []
    elif isinstance(holder, list):
        times = min(1000, _LARGEST // len(json.dumps(holder[key]))) if how == "many" else 1
        # Copies of their own: a later change of one that all share would multiply.
        holder += [deepcopy(holder[key]) for _ in range(times)]
    else:
        holder[draw(st.sampled_from(_TEXTS) | changed_text([key]))] = (
            holder.pop(key) if how == "rename" else holder[key]
        )
    return value


def _holders(value: Any) -> list[Any]:
    """Return all lists and tables in a value that are not empty."""
    found = [value] if isinstance(value, list | dict) and value else []
    for holder in found:
        found += [part for part in _parts(holder) if isinstance(part, list | dict) and part]
    return found


def _parts(holder: list[Any] | dict[str, Any]) -> list[Any]:
    return list(holder.values()) if isinstance(holder, dict) else holder


@st.composite
def changed_json(draw: st.DrawFn, samples: Sequence[Any]) -> bytes:
    """The JSON text of a changed value, or changed bytes of it."""
    text = as_json(draw(changed_value(samples)))
    return draw(changed_bytes([text])) if draw(st.integers(0, 4)) == 0 else text


def as_json(value: Any) -> bytes:
    """Return the text of a JSON value, in which some words stand for what Python cannot say."""
    text = json.dumps(value)
    for word, raw in _RAW.items():
        text = text.replace(json.dumps(word), raw, 3)
    return text.encode("utf-8", "surrogatepass")


def without_null(value: Any) -> Any:
    """Return a value as TOML can hold it."""
    if isinstance(value, Mapping):
        return {key: without_null(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [without_null(part) for part in value if part is not None]
    return value
