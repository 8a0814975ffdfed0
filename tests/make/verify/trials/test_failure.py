"""A failed program becomes a finding with the reason that its output gives."""

from __future__ import annotations

from bundle.make.verify.trials.failure import Failure, signal_name
from tests.make.verify.emulators.fakes import TRACEBACK

MISSING = TRACEBACK + "ModuleNotFoundError: No module named 'mdurl'\n"

LEFT_OUT = {"mdurl": "Not needed here."}


def test_the_reason_for_a_missing_module_ends_the_sentence() -> None:
    failure = Failure(message="cannot be imported.", output=MISSING)
    finding = failure.finding("import-fails", "rich: rich._x", LEFT_OUT, file="lib/rich/_x.so")
    assert finding.message == "cannot be imported: mdurl was left out: Not needed here."
    assert (finding.severity, finding.file) == ("error", "lib/rich/_x.so")
    assert finding.details[-1] == "ModuleNotFoundError: No module named 'mdurl'"
    assert finding.output == MISSING


def test_other_failures_say_only_what_happened() -> None:
    finding = Failure(message="stops with an import error.", output=MISSING).finding("script-fails", "x", {})
    assert finding.message == "stops with an import error."


def test_a_failure_of_the_emulator_proves_nothing() -> None:
    failure = Failure(message="cannot be imported.", output="", emulator="qemu: unhandled signal")
    finding = failure.finding("import-fails", "rich: rich._x", LEFT_OUT)
    assert finding.severity == "inconclusive"
    assert finding.message == "inconclusive on this machine: qemu: unhandled signal"
    assert finding.details == ("qemu: unhandled signal",)


def test_a_signal_without_a_name_has_its_number() -> None:
    assert (signal_name(-11), signal_name(-99)) == ("SIGSEGV", "signal 99")
