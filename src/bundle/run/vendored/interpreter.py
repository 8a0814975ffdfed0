"""The interpreter of an environment, or the one that it is made from; nothing is downloaded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bundle.artifacts.interpreters.portable.host_discovery import Answer, Candidate, ask, candidates
from bundle.base.errors import ConfigError, WorkError


def find_interpreter(environment: Path | None, python: str | None, environ: Mapping[str, str]) -> Answer:
    """Return the interpreter.

    Args:
        environment: an existing one, whose own Python counts.
        python: a version, or a path; None for that of the PATH.

    Raises:
        ConfigError: there is none, or that of the environment has another version than is asked for.
    """
    if environment is not None:
        answer = _ask(
            environment / ("Scripts/python.exe" if (environment / "Scripts").is_dir() else "bin/python"), environ
        )
        if python is not None and python[0].isdigit() and not f"{answer.python}.".startswith(f"{python}."):
            raise ConfigError(
                f"{environment} has Python {answer.python}, and --python asks for {python}.",
                remedy="Remove the environment, or name another folder with --into.",
            )
        return answer
    if python is None:
        found = shutil.which("python3", path=environ.get("PATH")) or shutil.which("python", path=environ.get("PATH"))
        return _ask(Path(found) if found else Path(sys.executable), environ)
    if not python[0].isdigit():
        return _ask(Path(python).absolute(), environ)
    for candidate in candidates(python, environ):
        answer = _ask(candidate.executable, environ)
        if f"{answer.python}.".startswith(f"{python}."):
            return answer
    raise ConfigError(f"There is no Python {python} on this machine.", remedy="Install it, or name its path.")


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
