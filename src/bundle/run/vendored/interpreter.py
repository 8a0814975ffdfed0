"""The interpreter of an environment, or the one that it is made from; nothing is downloaded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bundle.artifacts.interpreters.portable.host_discovery import Answer, Candidate, ask, candidates
from bundle.base.errors import ConfigError, WorkError
from bundle.run.install.records import Records
from bundle.run.install.start import runtime_of

BUNDLE = "bundle:"
"""Stands before the version of an installed bundle."""

_MINORS = range(40, 5, -1)
"""Minor versions of Python 3 that are looked for when those that there are are listed."""


def find_interpreter(
    environment: Path | None, python: str | None, environ: Mapping[str, str], records: Records
) -> Answer:
    """Return the interpreter.

    Args:
        environment: an existing one, whose own Python counts.
        python: a version, a path, or `bundle:VERSION`; None for that of the PATH.

    Raises:
        ConfigError: there is none, or that of the environment has another version than is asked for.
    """
    if environment is not None:
        answer = _ask(
            environment / ("Scripts/python.exe" if (environment / "Scripts").is_dir() else "bin/python"), environ
        )
        if python is not None and python[:1].isdigit() and not f"{answer.python}.".startswith(f"{python}."):
            raise ConfigError(
                f"{environment} has Python {answer.python}, and --python asks for {python}.",
                remedy="Remove the environment, or name another folder with --into.",
            )
        return answer
    if python is None:
        found = shutil.which("python3", path=environ.get("PATH")) or shutil.which("python", path=environ.get("PATH"))
        return _ask(Path(found) if found else Path(sys.executable), environ)
    if python.startswith(BUNDLE):
        return _ask(runtime_of(python.removeprefix(BUNDLE), records).executable, environ)
    if not python[:1].isdigit():
        return _ask(Path(python).absolute(), environ)
    for candidate in candidates(python, environ):
        answer = _ask(candidate.executable, environ)
        if f"{answer.python}.".startswith(f"{python}."):
            return answer
    there = dict.fromkeys(str(one.executable) for minor in _MINORS for one in candidates(f"3.{minor}", environ))
    raise ConfigError(
        f"There is no Python {python} on this machine.",
        cause="It is not installed, or not on PATH; nothing is downloaded.",
        remedy=f"Install it, or name one of these: {', '.join(there) or 'there is none at all'}.",
    )


def _ask(executable: Path, environ: Mapping[str, str]) -> Answer:
    try:
        return ask(Candidate(executable=executable, origin="its path"), environ)
    except WorkError as error:
        raise ConfigError(
            f"{executable} is no Python that runs here.",
            cause=error.what,
            details=error.details,
            remedy="Name another Python with --python; if an environment has lost its Python, remove the environment.",
        ) from error
