"""The CPythons of this machine, chosen by version; nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bundle.artifacts.interpreters.portable.host_discovery import Answer, Candidate, ask, candidates
from bundle.base.errors import ConfigError, WorkError

_VERSION = re.compile(r"3(\.(?P<minor>[0-9]{1,2})(\.[0-9]{1,3})?)?")
_MINORS = range(40, 5, -1)
"""Minor versions of Python 3 that are looked for, newest first."""

Ask = Callable[[Candidate, Mapping[str, str]], Answer]
"""Asks an interpreter for its properties, or remembers them."""


def find(version: str, environ: Mapping[str, str], ask: Ask = ask) -> Answer:
    """Return the first CPython of a version: the running one, then those on PATH, under pyenv and managed by uv.

    Args:
        version: `3`, `3.12` or `3.12.10`.

    Raises:
        ConfigError: there is none; lists those that there are.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ConfigError(
            f"{version!r} is not a version of Python.", remedy="Write a version such as 3.12 or 3.12.10, in quotes."
        )
    minors = [int(match["minor"])] if match["minor"] else _MINORS
    for answer in _answers(minors, environ, ask):
        if fits(answer, version):
            return answer
    found = [
        f"{one.python} {'' if one.facts['level'] == 'final' else '(a pre-release) '}in {one.candidate.executable}"
        for one in _answers(_MINORS, environ, ask)
    ]
    raise ConfigError(
        f"There is no Python {version} on this machine.",
        cause="It is not installed, or not on PATH; nothing is downloaded.",
        remedy=f"Install it, or name one of these: {'; '.join(found) if found else 'there is none at all'}.",
    )


def look(executable: Path, environ: Mapping[str, str], ask: Ask = ask) -> Answer:
    """Return the CPython of a path.

    Raises:
        ConfigError: there is none.
    """
    if not executable.is_file():
        raise ConfigError(f"There is no interpreter {executable}.", remedy="Name an existing file, or a version.")
    try:
        return ask(Candidate(executable=executable, origin="its path"), environ)
    except WorkError as error:
        raise ConfigError(
            f"{executable} is no Python that runs here.",
            cause=error.what,
            remedy="Name another.",
            details=error.details,
        ) from error


def fits(answer: Answer, version: str) -> bool:
    """Return whether a CPython has a version; a pre-release has none."""
    return answer.facts["level"] == "final" and f"{answer.python}.".startswith(f"{version}.")


def _answers(minors: range | list[int], environ: Mapping[str, str], ask: Ask) -> Iterator[Answer]:
    prefixes = set()
    for minor in minors:
        for candidate in candidates(f"3.{minor}", environ):
            try:
                answer = ask(candidate, environ)
            except WorkError:
                continue
            if answer.facts["implementation"] == "cpython" and answer.prefix not in prefixes:
                prefixes.add(answer.prefix)
                yield answer
