"""Python's error output, shortened to the messages of its exceptions, first cause first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import dropwhile, islice, takewhile

from packaging.utils import canonicalize_name

_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(?P<file>.*)", line (?P<line>\d+)')
_NOWHERE = re.compile(r'\s*File "<')
"""A frame of code that is in no file: that of `-c`, and importlib's own."""
_BETWEEN = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'")
_NAMED_MODULE = re.compile(r"No module named '(?P<module>[\w.]+)'")
_THREADS = re.compile(r"(Current thread|Thread) 0x[0-9a-f]+ ")
"""Begins what Python tells of its threads after a crash."""
_SHOWN = 6

WITHOUT_TK = "this interpreter comes without Tk"


def details_of(text: str) -> tuple[str, ...]:
    """Return the lines of an interpreter's output to show.

    Of each exception in a chain that is the line with its message, the first cause first, after the place where that
    was raised; of an exception whose message has many lines, the last ones as well. Without an exception, it is the
    last lines.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    chain = _chain(lines)
    if not chain:
        lines = list(takewhile(lambda line: not _THREADS.match(line), lines))
        return tuple(line for line in lines if not _NOWHERE.match(line))[-_SHOWN:]
    place = _place(lines)
    *causes, last = chain
    more = last[1:] if len(last) <= _SHOWN else ["…", *last[1 - _SHOWN :]]
    return (*((place,) if place else ()), *(message[0] for message in causes), last[0], *more)


def messages(text: str) -> list[list[str]]:
    """Return the lines of each exception's message, in the order of an interpreter's output."""
    return _chain([line.rstrip() for line in text.splitlines() if line.strip()])


def first_cause(text: str) -> str:
    """Return the line with the message of the exception that came first, empty if there is none."""
    chain = messages(text)
    return chain[0][0] if chain else ""


def missing_module(text: str) -> str:
    """Return the dotted name of the module for whose absence the first exception was raised, empty if for another."""
    match = _NO_MODULE.match(first_cause(text))
    return match["module"] if match else ""


def explanation(text: str, left_out: Mapping[str, str]) -> str:
    """Return why a module is missing, as a clause; empty if the output names none.

    Args:
        left_out: normalised names of packages that the bundle does without, each with the reason.
    """
    if missing_module(text).partition(".")[0] in ("tkinter", "_tkinter"):
        return WITHOUT_TK
    # A package such as pandas raises an error of its own, and names what it misses in the lines of its message.
    for found in _NAMED_MODULE.finditer("\n".join(next(iter(messages(text)), ()))):
        parts = found["module"].split(".")
        for count in range(len(parts), 0, -1):
            name = canonicalize_name("-".join(parts[:count]))
            if name in left_out:
                return f"{name} was left out: {left_out[name].rstrip('.')}"
    return ""


def _chain(lines: list[str]) -> list[list[str]]:
    """Return the lines of each exception's message, in the order of the output."""
    chain: list[list[str]] = []
    inside = False
    before = ""
    for line in lines:
        if line == _TRACEBACK:
            chain.append([])
            inside, before = True, ""
        elif line in _BETWEEN:
            if before:
                chain.append([before])  # Raised in C: it has no traceback of its own.
            inside, before = False, ""
        elif not inside:
            before = line
        elif chain[-1] or not line.startswith(" "):
            chain[-1].append(line)
    return [message for message in chain if message]


def _place(lines: list[str]) -> str:
    """Return the innermost file and line of the first exception, empty if that is in no file."""
    found = ""
    after = dropwhile(lambda line: line != _TRACEBACK, lines)
    for line in islice(after, 1, None):
        if not line.startswith(" "):
            break
        if (match := _FRAME.match(line)) and not _NOWHERE.match(line):
            found = f"{match['file']}, line {match['line']}:"
    return found
