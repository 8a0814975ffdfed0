"""The identity of a cached environment: everything that it was made from."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import ConfigError, Problems
from bundle.base.files import canonical_json, read_regular, sha256_of
from bundle.model.own_folder import own_files
from bundle.model.records import to_json
from bundle.run.environments.application import PythonCommand
from bundle.run.environments.interpreter import BaseInterpreter
from bundle.run.environments.making import FORMAT

_LOCK_NAME = re.compile(r"pylock\.([^.]+\.)?toml")
"""The names that PEP 751 permits."""

_ARCHIVES = (".whl", ".tar.gz", ".zip")


@dataclass(frozen=True, kw_only=True)
class Extra:
    """A local dependency."""

    path: str
    content: str
    """sha256 of the file, or over all files of a source folder."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What an environment was made from, and for."""

    format: int = FORMAT
    host: str
    python: str
    """As the application file says it."""
    interpreter: Mapping[str, str]
    pylock: str
    """Absolute path."""
    mtime: int | str
    """Of the pylock, in nanoseconds."""
    content: str
    """sha256 of the pylock."""
    extras: tuple[Extra, ...]

    @property
    def text(self) -> bytes:
        """JSON, the same for the same values."""
        return canonical_json(to_json(self))

    @property
    def name(self) -> str:
        """The name of the environment's folder."""
        return hashlib.sha256(self.text).hexdigest()[:32]


def identify(command: PythonCommand, interpreter: BaseInterpreter, pylock: bytes, host: str) -> Identity:
    """Return the identity of a command's environment.

    Args:
        pylock: the content of the lock.

    Raises:
        ConfigError: a local dependency cannot be read.
    """
    return Identity(
        host=host,
        python=command.python,
        interpreter=interpreter.identity,
        pylock=str(command.pylock),
        mtime=command.pylock.stat().st_mtime_ns,
        content=hashlib.sha256(pylock).hexdigest(),
        extras=tuple(Extra(path=str(path), content=_content(path)) for path in command.extras),
    )


def read_sources(command: PythonCommand) -> bytes:
    """Return the content of a command's lock, if the lock and all local dependencies can be installed from.

    Raises:
        ConfigError: one is missing, or has a name that says nothing of its kind; all are told.
    """
    problems = Problems()
    where = f"the command {command.name!r} of {command.application}"
    content = b""
    try:
        content = read_regular(command.pylock)
        if not _LOCK_NAME.fullmatch(command.pylock.name):
            problems.add(
                ConfigError(
                    f"{command.pylock} does not have the name of a lock.",
                    remedy="Name it pylock.toml, or pylock.NAME.toml with a NAME without dots.",
                )
            )
    except FileNotFoundError:
        problems.add(ConfigError(f"There is no lock {command.pylock}, which {where} names.", remedy=_LOCK_REMEDY))
    except OSError as error:
        problems.add(ConfigError(f"{command.pylock} cannot be read: {error.strerror}.", remedy=_LOCK_REMEDY))
    for path in command.extras:
        if not path.exists():
            problems.add(
                ConfigError(
                    f"There is no {path}, which {where} names as a local dependency.",
                    remedy="Build it, or correct local_extra_deps; paths are relative to the application file.",
                )
            )
        elif not path.is_dir() and not path.name.endswith(_ARCHIVES):
            problems.add(
                ConfigError(
                    f"{path} is neither a wheel, a source archive nor a folder.",
                    remedy="Name a .whl, a .tar.gz, a .zip, or a folder with a pyproject.toml.",
                )
            )
    problems.raise_if_any(f"Files of {where} are missing.")
    return content


_LOCK_REMEDY = (
    "Write it, for example with `uv export --format pylock.toml -o pylock.toml`; its path is relative to the "
    "application file."
)


def _content(path: Path) -> str:
    if not path.is_dir():
        return sha256_of(path)
    digest = hashlib.sha256()
    for name in own_files(path):
        file = path / name
        content = os.fsencode(file.readlink()) if file.is_symlink() else sha256_of(file).encode()
        executable = b"x" if file.lstat().st_mode & 0o100 else b"-"
        digest.update(b"%s\0%s\0%s\n" % (os.fsencode(name), executable, content))
    return digest.hexdigest()


def watched(extras: Iterable[Path]) -> list[Path]:
    """Return the files and folders whose change changes a local dependency."""
    found: list[Path] = []
    for path in extras:
        found.append(path)
        if path.is_dir():
            files = [path / name for name in own_files(path)]
            found += [
                *files,
                *dict.fromkeys(folder for file in files for folder in file.parents if path in folder.parents),
            ]
    return found
