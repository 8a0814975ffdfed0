"""Text for people: what was probably meant, and long lists cut short."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHOWN = 10

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Signs that change what a terminal shows, or that no terminal has; a line's end and a tab are none."""

_ESCAPE = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]?|[\\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\\\)?|[ -/]*[0-~]?)")
"""A control sequence, a control string or another escape sequence (ECMA-48)."""

_WIDE = 500
"""Characters of a line of output that are shown."""

_SEARCHED = 2**18
"""Characters at the end of an output in which its last lines are looked for."""


def printable(text: str) -> str:
    """Return a text in which signs that would deceive on a terminal are escaped."""
    return _UNPRINTABLE.sub(lambda sign: sign[0].encode("unicode_escape", "surrogatepass").decode(), text)


def shortened(tags: Iterable[str]) -> str:
    """Return the first tags as a text, with the number of the others."""
    listed = list(tags)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{', '.join(listed[:_SHOWN]) or 'nothing'}{more}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless it is one."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def nearest(word: str, known: Iterable[str], *, count: int = 1) -> list[str]:
    """Return at most `count` known words that are most like `word`, best first, letter case aside."""
    from difflib import get_close_matches

    by_lower_case = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower_case, n=count, cutoff=0.55)
    return [by_lower_case[name] for name in near]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean "x"?` with a leading space, or nothing."""
    near = nearest(word, known)
    return f' Did you mean "{near[0]}"?' if near else ""


def plain(output: str) -> str:
    """Return a program's output without what steers a terminal: escape sequences and control characters."""
    return _UNPRINTABLE.sub("", _ESCAPE.sub("", re.sub("\r\n?", "\n", output)))


def last_lines(output: str, count: int = 6) -> tuple[str, ...]:
    """Return the last lines of a program's output, without blank ones, as plain text; overlong ones are cut."""
    lines = [line.rstrip() for line in plain(output[-_SEARCHED:]).splitlines() if line.strip()]
    return tuple(line if len(line) <= _WIDE else f"{line[:_WIDE]}…" for line in lines[-count:])
