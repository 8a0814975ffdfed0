"""What is corrected in the libraries of Open Job Description; docs/sessions.md has the table.

The libraries come as arguments, because `library` alone imports them.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_MOST_CHUNKED = 1_000_000

_LONGEST_LINE = 64_000
"""Characters of output that are logged at once."""

_PATIENCE, _LOOK = 1.0, 0.02
"""Seconds that the output of an ended action may be held open by others, and between two looks at it."""

_MOST_BUFFERED = 2 * 2**20
"""Characters of an ended action that may not have been read yet; Linux buffers one MiB at most."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")


@contextmanager
def quick_import() -> Iterator[None]:
    """Import without the search for plugins of pydantic in all packages, and without one for garbage: there is none."""
    name = "PYDANTIC_DISABLE_PLUGINS"
    before, collects = os.environ.get(name), gc.isenabled()
    os.environ[name] = "__all__"
    gc.disable()
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
        if collects:
            gc.enable()


def apply(model: Any, sessions: Any, start: Callable[[Mapping[str, Any]], Any]) -> None:
    """Correct the libraries, once in this process.

    Args:
        model: the package openjd.model.
        sessions: the package openjd.sessions.
        start: starts a program by the options of `subprocess.Popen`, or returns None if that is not its business.
    """
    _start_by(sessions._subprocess, start)
    _log_output(sessions._subprocess)
    _name_root(model._convert_pydantic_error)
    _keep_variables_of_tasks(sessions._session)


def _start_by(subprocess: Any, start: Callable[[Mapping[str, Any]], Any]) -> None:
    """Let programs be started so that what they leave behind can be ended."""
    popen = subprocess.Popen

    def started(**options: Any) -> Any:
        return start(options) or popen(**options)

    subprocess.Popen = started


def _log_output(subprocess: Any) -> None:
    """Log output as it comes, with bounded memory, and without a look at the program a thousand times a second."""

    def log_all(self: Any) -> None:
        adapter, process = self._logger, self._process
        log = adapter.logger
        content = {"openjd_log_content": subprocess.LogContent.COMMAND_OUTPUT}

        def late(line: str) -> None:
            record = log.makeRecord(log.name, logging.INFO, "", 0, line, (), None, extra={**adapter.extra, **content})
            # Past the filter that takes messages.
            log.callHandlers(record)

        output = _Output(process.stdout, lambda line: adapter.info(line, extra=dict(content)), late)
        output.start()
        process.wait()
        output.finish()

    subprocess.LoggingSubprocess._log_subproc_stdout = log_all


class _Output(threading.Thread):
    """Logs the output of an action, and what programs that it left behind write to it later.

    Args:
        log: logs a line of the action.
        late: logs a line of others, which tell nothing to the session.
    """

    def __init__(self, stream: IO[str], log: Callable[[str], object], late: Callable[[str], object]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._log = log
        self._late = late
        self._over = self._waits = False
        self._read = 0

    def run(self) -> None:
        """Log all lines, until none can come."""
        with self._stream:
            while line := self._next():
                self._read += len(line)
                (self._late if self._over else self._log)(line.rstrip("\r\n"))

    def finish(self) -> None:
        """Wait for what the action wrote before its end, but not for programs that hold the output open."""
        patience, read = _PATIENCE, self._read
        while self.is_alive() and patience > 0 and self._read - read < _MOST_BUFFERED:
            self.join(_LOOK)
            # A log that takes its time is waited for.
            patience -= _LOOK if self._waits else 0
        self._over = True

    def _next(self) -> str:
        self._waits = True
        line = self._stream.readline(_LONGEST_LINE)
        self._waits = False
        return line


def _name_root(conversion: Any) -> None:
    """Tell of an error that belongs to the whole template, such as steps that depend on each other in a circle."""
    place = conversion._loc_to_str
    conversion._loc_to_str = lambda root, loc: place(root, loc) if loc else root.__name__


def _keep_variables_of_tasks(session: Any) -> None:
    """Tell wrapping actions of the variables that tasks set with `openjd_env`; the tasks after it do not get them."""
    kinds = session.ActionMessageKind
    told = session.Session._action_log_filter_callback

    def keep(self: Any, kind: Any, value: Any, cancel_action_mark_failed: bool = False) -> None:
        if self._running_environment_identifier is None:
            if kind == kinds.ENV and isinstance(value, dict):
                self._session_env_vars[value["name"]] = value["value"]
            elif kind == kinds.UNSET_ENV and not cancel_action_mark_failed:
                self._session_env_vars.pop(value, None)
        told(self, kind, value, cancel_action_mark_failed)

    session.Session._action_log_filter_callback = keep


def check_chunks(space: Any) -> None:
    """Refuse a range that is divided into chunks and has too many values; the library makes a list of them.

    Raises:
        ValueError: it has.
    """
    for name, definition in ({} if space is None else space.taskParameterDefinitions).items():
        if definition.type.value == "CHUNK[INT]" and len(definition.range) > _MOST_CHUNKED:
            raise ValueError(f"the parameter {name!r} has more than {_MOST_CHUNKED:,} values in chunks")


def normal_paths(
    definitions: Iterable[Any], given: Mapping[str, Any], *, folder: Path, cwd: Path, uris: bool
) -> dict[str, Any]:
    """Return the given parameters with relative paths made absolute, and with the lists of paths that are defaults.

    Args:
        definitions: of the job's parameters, as the library has them.
        folder: the template's, which defaults are relative to and may not leave.
        cwd: what given paths are relative to.
        uris: whether a path may be a URI, which stays as it is.

    Raises:
        ValueError: a default is absolute, or outside the folder.
    """

    def joined(path: Any) -> Any:
        if not isinstance(path, str) or path == "" or Path(path).is_absolute() or (uris and _URI.match(path)):
            return path
        return os.path.normpath(cwd / path)

    def within(path: Any) -> Any:
        if not isinstance(path, str) or path == "" or (uris and _URI.match(path)):
            return path
        found = Path(os.path.normpath(folder / path))
        if Path(path).is_absolute() or not found.is_relative_to(folder):
            raise ValueError(f"the default path {path[:200]!r} is not within the folder of the template")
        return str(found)

    found = dict(given)
    for definition in definitions:
        name, kind = definition.name, definition.type.name
        if kind == "PATH" and name in found:
            found[name] = joined(found[name])
        elif kind == "LIST_PATH" and name in found:
            found[name] = _each(found[name], joined)
        elif kind == "LIST_PATH" and definition.default is not None:
            found[name] = _each(definition.default, within)
    return found


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a list changed, also one that is written as JSON; anything else is left to the library."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return [change(one) for one in value] if isinstance(value, list) else value
