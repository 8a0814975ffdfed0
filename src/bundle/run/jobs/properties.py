"""`application.properties`: key and value pairs under Java's rules (`java.util.Properties`), with warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import ConfigError
from bundle.base.files import read_regular

_MOST = 2**20
"""Bytes of a file."""

_BLANKS = " \t\f"

_SEPARATOR = re.compile(r"(?P<key>(?:[^\\=: \t\f]|\\.)*)[ \t\f]*[=:]?[ \t\f]*", re.DOTALL)

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)

_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


@dataclass(frozen=True)
class Properties:
    """The pairs of a file, and what Java's rules make of it that its author surely did not mean."""

    values: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def read_properties(path: Path) -> Properties:
    """Return the pairs of a file.

    Raises:
        ConfigError: it cannot be read, or holds an escape that Java refuses.
    """
    try:
        content = read_regular(path, most=_MOST)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.",
            remedy="Name the file with python.installPath, or name the Python itself with --python.",
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # The encoding of such files before Java 9.
    return parse_properties(text, path.name)


def parse_properties(text: str, file: str = "application.properties") -> Properties:
    r"""Return the pairs of a text.

    Java drops a backslash in front of a letter that forms no escape, so `C:\Python313` becomes `C:Python313`, and keeps
    blanks at the end of a value. The last of several equal keys wins. `${...}` is not expanded.

    Args:
        file: its name in messages.

    Raises:
        ConfigError: an escape is malformed, which Java refuses as well.
    """
    values: dict[str, str] = {}
    warnings = []
    for number, line in _logical_lines(text):
        place = f"{file}:{number}"
        found = _SEPARATOR.match(line)
        end = found.end() if found else 0
        key, value = (_unescaped(part, place) for part in (found["key"] if found else "", line[end:]))
        if key in values:
            warnings.append(f"{place}: {key} occurs a second time; the last one counts.")
        values[key] = value
        warnings += (f"{place}: {key}: {problem}" for problem in _suspicious(line[end:], value))
    return Properties(values, tuple(warnings))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with the number of their first one, joined where a backslash ends one, without comments."""
    whole, first = "", 0
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        part = line.lstrip(_BLANKS)
        if not first and (not part or part[0] in "#!"):
            continue
        first = first or number
        if (len(part) - len(part.rstrip("\\"))) % 2:
            whole += part[:-1]
            continue
        yield first, whole + part
        whole, first = "", 0
    if first:
        yield first, whole


def _unescaped(text: str, place: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        sign = match[1]
        if sign == "u":
            raise ConfigError(
                f"{place}: \\u is not followed by four hexadecimal digits.",
                cause="It stands in a path of Windows, whose backslashes begin escapes here.",
                remedy=r"Write \\ in place of each backslash, or use /.",
            )
        return chr(int(sign[1:], 16)) if len(sign) > 1 else _CONTROL.get(sign, sign)

    return _ESCAPE.sub(replaced, text)


def _suspicious(written: str, value: str) -> Iterator[str]:
    lost = sorted({match[0] for match in _ESCAPE.finditer(written) if match[1].isalnum() and len(match[1]) == 1})
    if lost:
        yield f"{' '.join(lost)} is an escape, not a part of a path. Write \\\\ in place of each backslash, or use /."
    if value != value.rstrip():
        yield "blanks at the end belong to the value."
    if "${" in value:
        yield "${...} is not expanded here."
