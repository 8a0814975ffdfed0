"""Hand this process over to another program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from bundle.base.errors import WorkError


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
    try:
        if os.name != "posix":
            with suppress(ValueError):
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # The console sends it to both.
            return subprocess.run(list(arguments), env=dict(env), check=False).returncode
        for name in ("SIGPIPE", "SIGXFSZ"):
            # Python ignores them, and a program would inherit that.
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execve(arguments[0], list(arguments), dict(env))  # noqa: S606 - no shell is meant
    except OSError as error:
        raise WorkError(
            f"{arguments[0]} cannot be started: {error.strerror}.",
            cause="It is no program for this machine, or the file of its first line does not exist.",
            remedy="Name a program of the bundle, such as python.",
        ) from error
