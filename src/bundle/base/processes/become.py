"""Hand this process over to another program, or stand in for it while it runs.

Imports little, because the start of a program waits for it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import FrameType
    from typing import NoReturn

_PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT")
_OF_TERMINALS = ("SIGINT", "SIGQUIT", "SIGWINCH", "SIGCONT")
"""Signals that a terminal sends to all processes in its foreground."""


def become(arguments: Sequence[str], *, env: Mapping[str, str]) -> int:
    """Become a program: it gets the signals, the streams and the exit code of this process.

    On Windows, which has no such step, it is started, and its exit code returned.

    Args:
        arguments: the program, by its path, and its arguments; no shell is involved.

    Raises:
        WorkError: it cannot be started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "posix":
        return accompany(arguments, env=env)
    # `signal` takes longer than all else here, because it turns each constant into an enum's.
    import _signal  # type: ignore[import-not-found]

    # Python ignores them, and a program would inherit that.
    ignored = {number: _signal.signal(number, _signal.SIG_DFL) for number in (_signal.SIGPIPE, _signal.SIGXFSZ)}
    try:
        os.execve(arguments[0], list(arguments), dict(env))  # noqa: S606 - no shell is meant
    except OSError as error:
        for number, handler in ignored.items():
            _signal.signal(number, handler)
        _refuse(arguments, error)


def begin_silently(arguments: Sequence[str], *, env: Mapping[str, str], folder: str, inherited: Iterable[int]) -> int:
    """Start a program that prints nothing, in the process group of this one; return its number.

    Args:
        folder: where it runs.
        inherited: descriptors that it inherits.

    Raises:
        OSError: it cannot be started.
    """
    here = os.getcwd()  # noqa: PTH109
    nothing = os.open(os.devnull, os.O_RDWR)
    descriptors = list(inherited)
    before = [os.get_inheritable(one) for one in descriptors]
    try:
        for one in descriptors:
            os.set_inheritable(one, True)
        os.chdir(folder)
        actions = [(os.POSIX_SPAWN_DUP2, nothing, number) for number in (0, 1, 2)]
        return os.posix_spawn(arguments[0], list(arguments), dict(env), file_actions=actions)
    finally:
        os.chdir(here)
        os.close(nothing)
        for one, inheritable in zip(descriptors, before, strict=True):
            os.set_inheritable(one, inheritable)


def end_of(pid: int) -> int:
    """Wait for a program that was begun, and return its exit code; it is ended if this is interrupted."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:
        end(pid)
        raise


def end(pid: int) -> None:
    """End a program that was begun."""
    os.kill(pid, 15)
    os.waitpid(pid, 0)


def accompany(arguments: Sequence[str], *, env: Mapping[str, str], inherited: tuple[int, ...] = ()) -> int:
    """Run a program with the streams of this process, and pass all signals on to it.

    Args:
        inherited: descriptors that it inherits.

    Returns:
        Its exit code; the negative signal number if a signal ended it.

    Raises:
        WorkError: it cannot be started.
    """
    import signal
    import subprocess

    from bundle.base.processes.stream import inheritance

    sys.stdout.flush()
    sys.stderr.flush()
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal's signature
        if process is None:
            early.append(number)
        elif os.name == "posix" and not (signal.Signals(number).name in _OF_TERMINALS and _in_foreground()):
            process.send_signal(number)

    numbers = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
    # What this process was told to ignore, the program ignores as well.
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        process = subprocess.Popen(list(arguments), env=dict(env), **inheritance(inherited))
        for number in early:
            pass_on(number, None)
        return process.wait()
    except OSError as error:
        _refuse(arguments, error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_as(code: int) -> NoReturn:
    """End this process as a program ended, by the same signal if one ended it.

    Args:
        code: as `accompany` returns it.
    """
    if code < 0 and os.name == "posix":
        import resource
        import signal

        sys.stdout.flush()
        sys.stderr.flush()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code if code >= 0 else 128 - code)


def _in_foreground() -> bool:
    """Return whether a terminal sends its signals to this process and to what it started."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _refuse(arguments: Sequence[str], error: OSError) -> NoReturn:
    from bundle.base.errors import WorkError

    raise WorkError(
        f"{arguments[0]} cannot be started: {error.strerror}.",
        cause="It is no program for this machine, or the file of its first line does not exist.",
        remedy="Name a program of the bundle, such as python.",
    ) from error
