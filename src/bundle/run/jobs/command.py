"""The command line and the variables of a job."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bundle.base.errors import BundleError, ConfigError
from bundle.base.files import read_regular
from bundle.run.jobs.config import JobConfig, Macro, name_obstacle
from bundle.run.jobs.installation import Installation
from bundle.run.jobs.keys import VARIABLE, Keys

ENV_FILE = ".env"

TOKEN_VARIABLE = "BUNDLE_SERVE_TOKEN"  # noqa: S105 - the name of a variable
"""Holds the token of the service."""

JOB_ID, JOB_FOLDER = "JOB_ID", "LOCAL_JOB_SPEC_DIR"
"""Variables that every script has: the job's id, and its folder."""

_PRIVATE = frozenset({VARIABLE, TOKEN_VARIABLE})
"""Variables of this program that no script inherits."""

_MOST_ENV_FILE, _MOST_SCRIPT = 2**20, 2**24
"""Bytes of a `.env`, and of a script that is searched for the trap of `load_dotenv`."""

_MOST_TOLD = 5
"""Lines of a `.env` that a warning names."""

_OVERRIDES = re.compile(rb"load_dotenv\([^)]*override\s*=\s*True")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One script with its folder and its configuration."""

    config: JobConfig
    folder: Path
    """The working folder of the script, which holds it."""
    arguments: tuple[str, ...] = ()
    """Of the script."""
    env_file_as_macros: bool = False
    """Whether the entries of `.env` become variables before the start; macros of the same names win."""

    @property
    def script(self) -> Path:
        """The script."""
        return self.folder / self.config.package


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What is started."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """The values, in clear, that may stand in no log."""
    warnings: tuple[str, ...]


class CommandBuilder:
    """Builds what is started of jobs; usable by itself, from Python.

    Args:
        environ: the variables that scripts inherit.
        keys: decrypt secure values.
    """

    def __init__(self, environ: Mapping[str, str], keys: Keys) -> None:
        self._environ = environ
        self._keys = keys

    def build(self, job: Job, python: Installation) -> Launch:
        """Return the launch of a job.

        Later ones win: inherited variables, `.env` if it is asked for, macros in their order, `JOB_ID` and the folder.

        Raises:
            ConfigError: the script is missing, no file, or a link, or `.env` cannot be read.
        """
        _require_script(job.script)
        env = {name: value for name, value in python.environment(self._environ).items() if name not in _PRIVATE}
        # Without it, a script's output comes in blocks, most of it at its end.
        env.setdefault("PYTHONUNBUFFERED", "1")
        warnings = list(job.config.warnings)
        entries = env_file_entries(job.folder / ENV_FILE, env, warnings.append)
        if job.env_file_as_macros:
            for name, value in entries.items():
                _set(env, name, value)
        secrets = []
        given = set()
        for macro in job.config.macros:
            try:
                value = self._value(macro)
            except BundleError as error:
                warnings.append(f"The macro {macro.name} is skipped: {error.what}")
                continue
            if macro.secure:
                secrets.append(value)
            given.add(macro.name)
            _set(env, macro.name, value)
        own = {JOB_ID: job.config.job_id, JOB_FOLDER: str(job.folder)}
        warnings += (
            f"The macro {name} is not set: it is a variable of the job itself." for name in own if name in given
        )
        for name, value in own.items():
            _set(env, name, value)
        warnings += _overridden(job, given & entries.keys())
        return Launch(
            command=(str(python.executable), str(job.script), *job.arguments),
            env=env,
            secrets=tuple(secrets),
            warnings=tuple(warnings),
        )

    def _value(self, macro: Macro) -> str:
        if not macro.secure:
            return macro.value
        value = self._keys.decrypt(macro.value)
        if "\0" in value:
            raise ConfigError("it holds a zero byte.")
        return value


def env_file_entries(
    path: Path, environ: Mapping[str, str], warn: Callable[[str], object] = lambda _: None
) -> dict[str, str]:
    """Return the entries of a `.env` as python-dotenv reads them, none if there is no such file.

    Args:
        environ: the variables that `${NAME}` may stand for, besides entries of the file itself.
        warn: is told which lines are left out.

    Raises:
        ConfigError: the file cannot be read.
    """
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ConfigError(f"{path.name} is no regular file.", remedy="Put a file in its place.")
        text = read_regular(path, most=_MOST_ENV_FILE).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise ConfigError(f"{path.name} cannot be read: {reason}.", remedy="Correct or remove it.") from error
    found: dict[str, str] = {}
    # `dotenv_values` would tell each wrong line on standard error.
    statements = list(parse_stream(io.StringIO(text)))
    if wrong := [str(one.original.line) for one in statements if one.error]:
        more = " and others" if len(wrong) > _MOST_TOLD else ""
        warn(f"Lines of {path.name} are no NAME=VALUE, and are left out: {', '.join(wrong[:_MOST_TOLD])}{more}.")
    for name, value in {one.key: one.value for one in statements if one.key is not None}.items():
        if value is None or name_obstacle(name) is not None or "\0" in value:
            continue
        known: dict[str, str | None] = {**environ, **found}
        found[name] = "".join(part.resolve(known) for part in parse_variables(value))
    return found


def _require_script(script: Path) -> None:
    try:
        kind = script.lstat().st_mode
    except OSError as error:
        raise ConfigError(
            f"There is no script {script.name} in {script.parent}.",
            cause="packageName does not match the file that was uploaded.",
            remedy="Put the script there, or correct packageName.",
        ) from error
    if not stat.S_ISREG(kind):
        raise ConfigError(f"{script} is no regular file.", remedy="Put the script itself there, no link to it.")


def _set(env: dict[str, str], name: str, value: str) -> None:
    """Set a variable; on Windows, in place of one that differs in case alone."""
    if os.name == "nt":
        for other in [one for one in env if one.upper() == name.upper()]:
            del env[other]
    env[name] = value


def _overridden(job: Job, names: set[str]) -> Iterator[str]:
    """Warn where the script lets `.env` win over macros."""
    if not names:
        return
    try:
        script = read_regular(job.script, most=_MOST_SCRIPT)
    except OSError:
        return
    if _OVERRIDES.search(script):
        listed = ", ".join(sorted(names))
        yield (
            f"{job.script.name} calls load_dotenv(override=True): there {ENV_FILE} wins over the macros {listed}. "
            "Without override, the macros win."
        )
