"""The start of a bundle's interpreter, on this machine or in an emulator."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from bundle.base.errors import WorkError
from bundle.base.text import last_lines
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.emulators.loader_errors import lacking, too_old
from bundle.make.verify.emulators.protocol import Emulator, EmulatorWorkspace, Missing
from bundle.make.verify.trials.failure import inconclusive, no_interpreter
from bundle.make.verify.trials.isolation import Isolation

_TIMEOUT = 120.0

Refusal = Callable[[str], Finding]
"""Makes the finding of a check, by its name, that cannot run anything."""


def enter(
    stack: ExitStack, emulator: Emulator | Missing, isolation: Isolation, workspace: EmulatorWorkspace
) -> Isolation | Refusal:
    """Prepare an emulator, and start a bundle's interpreter in it.

    Args:
        stack: ends the emulator when it is closed.

    Returns:
        the bundle in the emulator, or the finding of every check that runs programs.
    """
    if isinstance(emulator, Missing):
        return _missing(emulator)
    try:
        runner = stack.enter_context(emulator.ready(workspace))
    except WorkError as error:
        remedy = error.remedy or f"Repair {emulator.name}, then run the same command again."
        return _missing(Missing(what=f"{emulator.name} cannot be prepared: {error.what}", remedy=remedy))
    isolation = replace(isolation, runner=runner)
    return _trial(isolation) or isolation


def _missing(missing: Missing) -> Refusal:
    def finding(check: str) -> Finding:
        message = f"not run: {missing.what}"
        return RULES["not-run"].about(
            "the emulator", message, check=check, severity="inconclusive", remedy=missing.remedy
        )

    return finding


def _trial(isolation: Isolation) -> Refusal | None:
    try:
        completed = isolation.run_python(["-c", "print('started')"], timeout=_TIMEOUT)
    except WorkError as error:
        refused = error
        return lambda check: no_interpreter(check, refused)
    if completed.code == 0 and completed.output.strip() == "started":
        return None
    details = last_lines(completed.errors or completed.output)
    rule, place = RULES["interpreter-fails"], isolation.runner.place
    # No code of the bundle has run yet: these are the loader's own words.
    if words := isolation.inconclusive(completed) or lacking(completed.errors, place):
        return lambda check: inconclusive(rule.name, "the interpreter", words, details, check=check)
    message, remedy = f"does not start in {place}: exit code {completed.code}.", rule.remedy
    if older := too_old(completed.errors):
        message = f"does not start in {place}: it needs a system with {older[0]} or newer."
        remedy = (
            "Take an interpreter for older systems, such as python-build-standalone's, or raise the bundle's floor."
        )
    return lambda check: rule.about("the interpreter", message, details=details, check=check, remedy=remedy)
