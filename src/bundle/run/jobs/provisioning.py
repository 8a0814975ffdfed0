"""Environments for jobs: made as those of application files are, and shared by all jobs with the same packages."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bundle.base.errors import ConfigError, WorkError
from bundle.base.filenames import path_obstacle
from bundle.base.files import canonical_json, read_regular
from bundle.base.processes.lock import Lock
from bundle.base.report import Reporter
from bundle.run.environments import start
from bundle.run.environments.application import KIND, read_commands
from bundle.run.environments.environments import Environments, is_ready
from bundle.run.environments.installer import find_installer, python_in
from bundle.run.environments.interpreter import BaseInterpreter, Interpreters
from bundle.run.environments.kept import LOCKS
from bundle.run.environments.making import installer_variables
from bundle.run.jobs.environment import BUNDLE, JobEnvironment
from bundle.run.jobs.installation import Installation

_LOCK, _COMMAND = "pylock.toml", "job"
_MOST_LOCK = 2**24
_MOST_WHEEL = 2**31

Run = Callable[[str, Sequence[str], Mapping[str, str], Path], None]
"""Runs a program to its end, as a part of the job that its first argument names, or raises WorkError.

The others are the program with its arguments, its variables and its folder.
"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An environment that a job asks for."""

    environment: JobEnvironment
    folder: Path
    """Of the job."""
    base: Installation
    """The Python that is configured, or that of the bundle it names."""
    variables: Mapping[str, str]
    """Of the job's script; they hold while its environment is made, too."""


@dataclass(frozen=True, kw_only=True)
class Provided:
    """An environment that is ready, and stays as long as its lock is held."""

    python: Installation
    lock: Lock

    def release(self) -> None:
        """Let it be removed again."""
        if self.lock.descriptor >= 0:
            self.lock.release()


@dataclass(frozen=True, kw_only=True)
class Provisioning:
    """Makes environments for jobs.

    Args:
        root: the folder of all environments.
    """

    root: Path
    interpreters: Interpreters

    def provide(self, asked: Asked, run: Run) -> Provided:
        """Return an environment, made if it is not there.

        Raises:
            ConfigError: the lock cannot be read, or there is no such Python.
            WorkError: a program failed, whose output tells why; or as `run` raises it.
        """
        application = self._application(asked, run)
        command = read_commands(application)[_COMMAND]
        environments = Environments(
            root=self.root, interpreters=self.interpreters, environ=asked.variables, reporter=Reporter()
        )
        wanted = environments.wanted(command)
        folder = environments.place(wanted)
        if not is_ready(folder):
            words = (sys.executable, "-I", "-m", "bundle", "env", "create", str(application), _COMMAND)
            variables = {**asked.variables, "BUNDLE_CACHE_DIR": str(self.root.parent)}
            run("Its environment", words, variables, asked.folder)
        lock = start.enter(str(folder)) if is_ready(folder) else None
        if lock is None:
            raise WorkError(
                f"The environment {folder} is not there although it was made.", remedy="Start the job again."
            )
        os.utime(application.parent)
        return Provided(python=_installation(folder, wanted.interpreter), lock=lock)

    def _application(self, asked: Asked, run: Run) -> Path:
        """Write the lock to a place that its content names, and an application file for a Python beside it."""
        wanted, base = asked.environment, asked.base
        own = f"{BUNDLE}{base.runtime.root}" if base.runtime is not None else str(base.executable)
        python = wanted.python or own
        if wanted.requirements:
            lock = self._compiled(asked, python, run)
        elif wanted.inline:
            lock = self._kept(wanted.pylock.encode(), None)
        else:
            path = asked.folder / wanted.pylock
            try:
                lock = self._kept(read_regular(path, most=_MOST_LOCK), path.parent)
            except OSError as error:
                raise ConfigError(
                    f"The lock {wanted.pylock} cannot be read: {error.strerror}.",
                    remedy="Put it beside the script, or correct runtimeConfig.environment.",
                ) from error
        command = {"type": KIND, "pylock": lock.name, "command": "-V", "python_version": python}
        content = json.dumps({"commands": {_COMMAND: command}}).encode()
        application = lock.parent / f"{hashlib.sha256(content).hexdigest()[:16]}.yml"
        if not application.exists():
            start.write_whole(str(application), content)
        return application

    def _kept(self, content: bytes, beside: Path | None) -> Path:
        """Return the lock of a content, kept with the files that it names beside itself.

        Raises:
            ConfigError: it names files elsewhere.
        """
        folder = self.root / LOCKS / hashlib.sha256(content).hexdigest()
        if not (folder / _LOCK).exists():
            for name in named_files(content):
                _copy(beside, name, folder)
            start.write_whole(str(folder / _LOCK), content)
        return folder / _LOCK

    def _compiled(self, asked: Asked, python: str, run: Run) -> Path:
        """Return the lock of a list of requirements, from which it is compiled once."""
        interpreter = self.interpreters.find(python, asked.folder)
        variables = installer_variables(asked.variables)
        # Where packages come from decides what they are; the values may be secret.
        sources = {name: value for name, value in variables.items() if name.startswith("UV_")}
        key = [sorted(asked.environment.requirements), sources, dict(interpreter.identity)]
        folder = self.root / LOCKS / hashlib.sha256(canonical_json(key)).hexdigest()
        if not (folder / _LOCK).exists():
            folder.mkdir(parents=True, exist_ok=True)
            mark = secrets.token_hex(4)
            listed, beside = folder / f"requirements-{mark}.in", folder / f"pylock.{mark}.toml"
            try:
                listed.write_text("".join(f"{one}\n" for one in asked.environment.requirements), encoding="utf-8")
                words = [find_installer(), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
                words += ["--format", "pylock.toml", "--python", str(interpreter.executable)]
                run("The lock of its requirements", [*words, "-o", str(beside), str(listed)], variables, folder)
                if not (folder / _LOCK).exists():  # Another job may have been quicker.
                    beside.rename(folder / _LOCK)
            finally:
                listed.unlink(missing_ok=True)
                beside.unlink(missing_ok=True)
        return folder / _LOCK


def _installation(folder: Path, interpreter: BaseInterpreter) -> Installation:
    def variables(environ: Mapping[str, str]) -> dict[str, str]:
        return start.variables_of(str(folder), environ, prepended=(), below=interpreter.below, above=interpreter.above)

    return Installation(executable=python_in(folder), version=interpreter.python, variables=variables)


def named_files(content: bytes) -> Iterator[str]:
    """Yield the files that a lock names by their path.

    Raises:
        ConfigError: it is no lock, or names files elsewhere.
    """
    try:
        packages = tomllib.loads(content.decode()).get("packages", [])
        places = [place for package in packages for place in _places(package)]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"The lock is no lock as PEP 751 describes it: {str(error)[:200]}",
            remedy="Write it anew, for example with `uv export --format pylock.toml`.",
        ) from error
    for place in places:
        if not isinstance(place, str) or (why := path_obstacle(place)):
            raise ConfigError(
                f"The lock names {str(place)[:80]!r}: it {why if isinstance(place, str) else 'is no text'}.",
                remedy="Name files in the lock's own folder, relative to it.",
            )
        yield str(PurePosixPath(place))


def _places(package: dict[str, Any]) -> Iterator[Any]:
    if "directory" in package:
        raise ConfigError("The lock names a folder with sources.", remedy="Build a wheel of it, and lock that.")
    for file in (*package.get("wheels", ()), package.get("sdist", {}), package.get("archive", {})):
        if "path" in file:
            yield file["path"]


def _copy(beside: Path | None, name: str, folder: Path) -> None:
    source = None if beside is None else beside / name
    if source is None or not source.is_file() or source.is_symlink() or source.stat().st_size > _MOST_WHEEL:
        raise ConfigError(f"The lock names {name}, which is not beside it.", remedy="Put the file beside the lock.")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    beside_it = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
    shutil.copyfile(source, beside_it)
    beside_it.replace(target)
