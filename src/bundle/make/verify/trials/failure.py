"""The failure of a program of a bundle, as a finding."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bundle.base.errors import WorkError
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.trials.tracebacks import details_of, explanation


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The reason why a program failed."""

    message: str
    """One sentence."""
    output: str
    acceptable: bool = False
    """Whether Python itself raised an error, which can be accepted; a crash cannot."""
    timed_out: bool = False
    exited: bool = False
    """Whether it called `sys.exit`."""
    emulator: str | None = None
    """The emulator's error message, if the emulator failed."""

    def finding(self, rule: str, subject: str, left_out: Mapping[str, str], *, file: str = "") -> Finding:
        """Return the finding about a subject.

        Args:
            left_out: as in `explanation`.
        """
        details = details_of(self.output)
        if self.emulator is not None:
            finding = inconclusive(rule, subject, self.emulator, details, file=file)
        else:
            why = explanation(self.output, left_out)
            message = f"{self.message.rstrip('.')}: {why}." if why else self.message
            finding = RULES[rule].about(subject, message, file=file, details=details)
        return replace(finding, output=self.output)


def no_interpreter(check: str, error: WorkError) -> Finding:
    """Return the finding that a bundle's interpreter cannot be started."""
    return RULES["interpreter-fails"].about("the interpreter", error.what, check=check)


def inconclusive(
    rule: str, subject: str, words: str, details: Sequence[str] = (), *, check: str = "", file: str = ""
) -> Finding:
    """Return the finding that an emulator failed, which proves nothing about the bundle.

    Args:
        rule: the rule whose answer stays open.
        words: the emulator's error message.
    """
    return RULES[rule].about(
        subject,
        f"inconclusive on this machine: {words}",
        file=file,
        severity="inconclusive",
        details=tuple(details) or (words,),
        check=check,
        remedy="Run `bundle verify` on a machine of the bundle's platform, or install the missing part here.",
    )


def signal_name(code: int) -> str:
    """Return the name of the signal that ended a process, given its exit code (negative)."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
