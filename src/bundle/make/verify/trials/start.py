"""Whether a bundle's interpreter starts at all in what stands for a machine of its platform."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from bundle.base.errors import WorkError
from bundle.base.text import last_lines
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.emulators.loader_errors import too_old
from bundle.make.verify.emulators.protocol import Emulator, EmulatorWorkspace, Missing
from bundle.make.verify.trials.imports import inconclusive, no_interpreter
from bundle.make.verify.trials.isolation import Isolation

_TIMEOUT = 120.0

Refusal = Callable[[str], Finding]
"""Makes the finding, for a check's name, that nothing can be run."""


def enter(
    stack: ExitStack, emulator: Emulator | Missing, isolation: Isolation, workspace: EmulatorWorkspace
) -> Isolation | Refusal:
    """Prepare an emulator, and start a bundle's interpreter in it.

    Args:
        stack: what ends the emulator in the end.
        emulator: what was found.
        isolation: how the bundle's programs are started otherwise.
        workspace: the folders that the emulator may use.

    Returns:
        how the bundle's programs are started in the emulator, or what to say in place of every check that runs some.
    """
    if isinstance(emulator, Missing):
        return _missing(emulator)
    try:
        runner = stack.enter_context(emulator.ready(workspace))
    except WorkError as error:
        remedy = error.remedy or f"Mend {emulator.name}, then run the same command again."
        return _missing(Missing(what=f"{emulator.name} cannot be prepared: {error.what}", remedy=remedy))
    isolation = replace(isolation, runner=runner)
    return _trial(isolation) or isolation


def _missing(missing: Missing) -> Refusal:
    return lambda check: Finding(
        check=check,
        severity="inconclusive",
        subject="the emulator",
        message=f"not run: {missing.what}",
        remedy=missing.remedy,
    )


def _trial(isolation: Isolation) -> Refusal | None:
    try:
        completed = isolation.run_python(["-c", "print('started')"], timeout=_TIMEOUT)
    except WorkError as error:
        refused = error
        return lambda check: no_interpreter(check, refused)
    if completed.code == 0 and completed.output.strip() == "started":
        return None
    details = last_lines(completed.errors or completed.output)
    if words := isolation.runner.inconclusive(completed):
        return lambda check: inconclusive(check, "the interpreter", words, details)
    place = isolation.runner.place
    message = f"does not start in {place}: exit code {completed.code}."
    remedy = "Build the bundle anew; `bundle interpreters` shows where its interpreter comes from."
    if older := too_old(completed.errors):
        message = f"does not start in {place}: it needs a system with {older[0]} or newer."
        remedy = "Take an interpreter that was made for older systems, such as python-build-standalone's; or say that "
        remedy += "the bundle's floor is higher."
    return lambda check: Finding(
        check=check, severity="error", subject="the interpreter", message=message, remedy=remedy, details=details
    )
