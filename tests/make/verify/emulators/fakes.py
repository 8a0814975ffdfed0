"""Fake programs, systems and answers for the tests of emulators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bundle.artifacts.runtime import Again, Runner
from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.qemu import Qemu
from bundle.model.platforms import PLATFORMS

X64, ARM, WINDOWS, MAC = (PLATFORMS[key] for key in ("linux-x64", "linux-aarch64", "windows-x64", "macosx-aarch64"))

TRACEBACK = "Traceback (most recent call last):\n  File 'x', line 1, in <module>\n"


def ended(errors: str = "", code: int = 1, *, timed_out: bool = False) -> Completed:
    return Completed(arguments=("x",), code=code, output="", errors=errors, seconds=7.0, timed_out=timed_out)


def having(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/none/bin/{name}" if name in names else None


def sysroot(folder: Path, machine: str = "aarch64") -> Path:
    """Make a folder that passes for a system."""
    loader = folder / {"aarch64": "lib/ld-linux-aarch64.so.1", "x86_64": "lib64/ld-linux-x86-64.so.2"}[machine]
    loader.parent.mkdir(parents=True)
    loader.touch()
    return folder


def again(completed: Completed | None = None, log: str = "") -> Again:
    """Return a second run.

    Args:
        completed: its end; None if there must be no second run.
        log: what qemu writes to its log.
    """

    def run(runner: Runner, *, through: str = "") -> Completed:
        assert completed is not None, "started a second time"
        if isinstance(runner, Qemu) and runner.log is not None and log:
            (runner.log / "123").write_text(log)
        return completed

    return run


ONCE = again()
