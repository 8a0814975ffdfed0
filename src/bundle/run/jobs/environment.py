"""The environment that a job asks for: a bundle's Python, or packages of a lock or of a list of requirements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from bundle.base.filenames import path_obstacle

BUNDLE = "bundle:"
"""Begins the name of an installed bundle."""

FORMS = '"bundle:VERSION", "pylock.toml", a list of requirements, or a table with python and pylock or requirements'

_LOCK_NAME = re.compile(r"(.*/)?pylock\.([^./]+\.)?toml")
_MOST_REQUIREMENTS = 1000
_LONGEST = 2000


@dataclass(frozen=True, kw_only=True)
class JobEnvironment:
    """What a job's script finds installed; nothing but its Python if it names neither a lock nor requirements."""

    python: str = ""
    """`bundle:VERSION`, a version or a path; empty for the configured Python."""
    pylock: str = ""
    """A lock (PEP 751): its path in the job's folder, or its text."""
    requirements: tuple[str, ...] = ()

    @property
    def installs(self) -> bool:
        """Whether an environment has to be made."""
        return bool(self.pylock or self.requirements)

    @property
    def inline(self) -> bool:
        """Whether `pylock` is the text of the lock."""
        return "\n" in self.pylock


def read_environment(value: Any) -> JobEnvironment:
    """Return what `runtimeConfig.environment` asks for.

    Raises:
        ValueError: it has another form; the text says what is wrong.
    """
    if value is None:
        return JobEnvironment()
    if isinstance(value, str):
        return (
            JobEnvironment(python=_python(value)) if value.startswith(BUNDLE) else JobEnvironment(pylock=_lock(value))
        )
    if isinstance(value, list):
        return JobEnvironment(requirements=_requirements(value))
    if not isinstance(value, dict) or value.keys() - {"python", "pylock", "requirements"}:
        raise ValueError(f"must be {FORMS}")
    if (value.get("pylock") is None) == (value.get("requirements") is None):
        raise ValueError("must have either pylock or requirements")
    python = _python(value["python"]) if value.get("python") is not None else ""
    if value.get("pylock") is not None:
        return JobEnvironment(python=python, pylock=_lock(value["pylock"]))
    return JobEnvironment(python=python, requirements=_requirements(value["requirements"]))


def _python(value: Any) -> str:
    if isinstance(value, str) and value.strip() not in ("", BUNDLE) and "\0" not in value and len(value) <= _LONGEST:
        return value.strip()
    raise ValueError("must name its Python as bundle:VERSION, a version such as 3.12, or a path")


def _lock(value: Any) -> str:
    if isinstance(value, str) and "\n" in value:
        return value
    if not isinstance(value, str) or not _LOCK_NAME.fullmatch(value) or (why := path_obstacle(value)):
        told = f": it {why}" if isinstance(value, str) and _LOCK_NAME.fullmatch(value) else ""
        raise ValueError(f"must be {FORMS}; a lock is named pylock.toml or pylock.NAME.toml, in the job's folder{told}")
    return value


def _requirements(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_REQUIREMENTS:
        raise ValueError(f"must list 1 to {_MOST_REQUIREMENTS} requirements")
    for one in value:
        try:
            if not isinstance(one, str) or len(one) > _LONGEST:
                raise InvalidRequirement("it is no text, or too long")
            Requirement(one)
        except (InvalidRequirement, RecursionError) as error:
            raise ValueError(f"{str(one)[:80]!r} is no requirement such as numpy>=2: {str(error)[:200]}") from error
    return tuple(dict.fromkeys(one.strip() for one in value))
