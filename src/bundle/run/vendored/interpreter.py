"""The interpreter of an environment, or the one that it is made from; nothing is downloaded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bundle.artifacts.interpreters import on_machine
from bundle.artifacts.interpreters.portable.host_discovery import Answer
from bundle.base.errors import ConfigError
from bundle.run.environments.installer import python_in
from bundle.run.environments.interpreter import BUNDLE
from bundle.run.install.records import Records
from bundle.run.install.start import runtime_of


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
        answer = _of_environment(environment, environ)
        if python is not None and python[:1].isdigit() and not on_machine.fits(answer, python):
            raise ConfigError(
                f"{environment} has Python {answer.python}, and --python asks for {python}.",
                remedy="Remove the environment, or name another folder with --into.",
            )
        return answer
    if python is None:
        found = shutil.which("python3", path=environ.get("PATH")) or shutil.which("python", path=environ.get("PATH"))
        return on_machine.look(Path(found) if found else Path(sys.executable), environ)
    if python.startswith(BUNDLE):
        return on_machine.look(runtime_of(python.removeprefix(BUNDLE), records).executable, environ)
    if python[:1].isdigit():
        return on_machine.find(python, environ)
    return on_machine.look(Path(python).absolute(), environ)


def _of_environment(environment: Path, environ: Mapping[str, str]) -> Answer:
    try:
        return on_machine.look(python_in(environment), environ)
    except ConfigError as error:
        raise ConfigError(
            error.what,
            cause=error.cause or "The environment has lost the Python that it was made from.",
            details=error.details,
            remedy=f"Remove {environment}, and run the same command again.",
        ) from error
