"""Pieces of work for tests; workers import them by name."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.artifacts.work import WorkContext
from bundle.base.errors import IntegrityError
from bundle.base.processes.supervised import Limits, Supervised

_PROGRAM = """
import pathlib, sys, time
effects, name, attempt, seconds = sys.argv[1:]
time.sleep(float(seconds))
with open(effects, "a") as file:
    file.write(f"{name} {attempt}\\n")
"""


@dataclass(frozen=True)
class Say:
    """Says lines, tells a value, leaves a file."""

    text: str

    def __call__(self, context: WorkContext) -> Any:
        """Return the text, changed."""
        for line in self.text.splitlines():
            context.say(line)
        context.tell({"length": len(self.text)})
        (context.results / "deep").mkdir()
        (context.results / "deep" / "text").write_text(self.text * 3)
        return self.text.upper()


@dataclass(frozen=True)
class Large:
    """Leaves a file of several parts."""

    size: int

    def __call__(self, context: WorkContext) -> Any:
        """Return nothing."""
        (context.results / "large").write_bytes(bytes(range(256)) * (self.size // 256))


@dataclass(frozen=True)
class Fail:
    """Fails as work does, or with a mistake."""

    known: bool

    def __call__(self, context: WorkContext) -> Any:
        """Raise an error."""
        if self.known:
            raise IntegrityError("the bytes differ", cause="a cause", remedy="a remedy", details=["one", "two"])
        raise ZeroDivisionError("by zero")


@dataclass(frozen=True)
class Effect:
    """Has one effect at the end of a program of some time: a line in a file that all machines share."""

    effects: Path
    seconds: float

    def __call__(self, context: WorkContext) -> Any:
        """Run the program."""
        command = (
            sys.executable,
            "-c",
            _PROGRAM,
            str(self.effects),
            context.name,
            str(context.attempt),
            str(self.seconds),
        )
        running = Supervised(
            command,
            env=context.machine.environ,
            cwd=context.folder,
            limits=Limits(grace=0.5),
            output=lambda _: None,
        )
        context.say(f"runs in {os.getpid()}")
        while (ended := running.wait(0.02)) is None:
            if context.stopped.is_set():
                running.stop()
        return ended.code


@dataclass(frozen=True)
class KillsItsWorker:
    """What no worker survives."""

    def __call__(self, context: WorkContext) -> Any:
        """Kill the worker."""
        time.sleep(0.5)
        os.kill(os.getpid(), 9)
