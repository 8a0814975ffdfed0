"""The Python that runs jobs: found in `python.installPath`, and tried before a job starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from bundle.artifacts.runtime import Runtime
from bundle.base.errors import ConfigError, WorkError
from bundle.base.processes.run import run
from bundle.base.text import last_lines
from bundle.run.jobs.environment import BUNDLE
from bundle.run.jobs.properties import Properties

ENABLED, INSTALL_PATH = "python.enabled", "python.installPath"

_NAMES = ("bin/python3", "bin/python", "python3", "python", "python.exe")
"""Where a Python is looked for in an installPath, in order."""

_REMEDY = (
    f"Set {INSTALL_PATH} to the folder of a Python, such as /opt/python3.13, to the program, or to bundle:VERSION."
)

_PATIENCE = 60
"""Seconds in which a Python tells its version."""

FindBundle = Callable[[str], Runtime]
"""Returns the runtime of an installed version, or raises ConfigError."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A Python that works."""

    executable: Path
    version: str
    runtime: Runtime | None = None
    """The bundle that it belongs to."""
    variables: Callable[[Mapping[str, str]], dict[str, str]] | None = None
    """Makes the variables of programs in its environment out of those of a person; None outside of one."""

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that its programs inherit from those of a person or a service."""
        if self.variables is not None:
            return self.variables(environ)
        return dict(environ) if self.runtime is None else self.runtime.environment_of_user(environ)


class Validator:
    """Finds the Python that `application.properties` names; usable by itself, from Python.

    Args:
        bundles: finds installed bundles; without it `bundle:VERSION` is refused.
    """

    def __init__(self, bundles: FindBundle | None = None) -> None:
        self._bundles = bundles
        self._known: dict[tuple[Path, int, int], str] = {}

    def validate(self, properties: Properties) -> Installation:
        """Return the Python of a configuration.

        Raises:
            ConfigError: `python.enabled` is not true, or `python.installPath` is missing, blank or wrong.
        """
        enabled = properties.values.get(ENABLED, "true").strip().lower()
        if enabled != "true":
            raise ConfigError(
                f"{ENABLED} is {enabled!r:.40}: Python jobs do not run here."
                if enabled == "false"
                else f"{ENABLED} is {enabled!r:.40}, neither true nor false.",
                remedy=f"Set {ENABLED}=true.",
            )
        return self.installed(properties.values.get(INSTALL_PATH, ""))

    def installed(self, path: str) -> Installation:
        """Return the Python of an installPath.

        Args:
            path: the folder of a Python, the program itself, or `bundle:VERSION`; blanks around it do not count.

        Raises:
            ConfigError: it is blank, or there is no Python that starts.
        """
        path = path.strip()
        if not path:
            raise ConfigError(f"{INSTALL_PATH} is blank.", remedy=_REMEDY)
        if path.startswith(BUNDLE):
            if self._bundles is None:
                raise ConfigError(f"{path} cannot be used here: no bundles are known.", remedy=_REMEDY)
            runtime = self._bundles(path.removeprefix(BUNDLE))
            return self._tried(runtime.executable, runtime)
        if "\0" in path:
            raise ConfigError(f"{INSTALL_PATH} holds a zero byte.", remedy=_REMEDY)
        place = Path(path).expanduser().absolute()
        if _runs(place):
            return self._tried(place)
        found = next((place / name for name in _NAMES if _runs(place / name)), None)
        if found is None:
            raise ConfigError(
                f"{INSTALL_PATH} {path!r:.300} "
                + ("has no executable python3 or python." if place.is_dir() else "does not exist, or is no program."),
                cause="Backslashes are escapes in a .properties file." if os.name == "nt" or "\\" in path else None,
                remedy=_REMEDY,
            )
        return self._tried(found)

    def on_path(self, environ: Mapping[str, str]) -> Installation:
        """Return the `python3`, or else `python`, of the search path.

        Raises:
            ConfigError: there is none that starts.
        """
        path = environ.get("PATH", os.defpath)
        found = which("python3", path=path) or which("python", path=path)
        if found is None:
            raise ConfigError("There is neither python3 nor python on the path.", remedy=_REMEDY)
        return self._tried(Path(found).absolute())

    def _tried(self, executable: Path, runtime: Runtime | None = None) -> Installation:
        status = executable.stat()
        known = (executable, status.st_mtime_ns, status.st_size)
        if known not in self._known:
            self._known[known] = _version(executable)
        return Installation(executable=executable, version=self._known[known], runtime=runtime)


def _runs(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.X_OK)
    except OSError:
        return False


def _version(executable: Path) -> str:
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        done = run([executable, "-I", "-S", "-c", code], timeout=_PATIENCE, trusted=False)
    except WorkError as error:
        raise ConfigError(f"{executable} does not start: {error.what}", remedy=_REMEDY) from error
    version = done.output.strip()
    if done.code != 0 or done.timed_out or not version.replace(".", "").isdigit():
        raise ConfigError(
            f"{executable} is no Python that works: it ended with exit code {done.code}.",
            remedy=_REMEDY,
            details=last_lines(done.errors),
        )
    return version
