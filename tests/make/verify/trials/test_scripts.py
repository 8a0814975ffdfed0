from __future__ import annotations

import pytest

from bundle.base.processes.run import Completed
from bundle.make.verify.trials.scripts import failure_of

TRACEBACK = "Traceback (most recent call last):\n  File 'x', line 1, in <module>\n"


def completed(code: int, errors: str = "", *, timed_out: bool = False) -> Completed:
    return Completed(arguments=("run", "--help"), code=code, output="", errors=errors, seconds=0.1, timed_out=timed_out)


@pytest.mark.parametrize(
    "ended",
    [
        completed(0),
        completed(2, "unrecognized option --help\n"),
        completed(1, TRACEBACK + "ValueError: --help is no number\n"),
        completed(1, TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: 'settings.toml'\n"),
        completed(1, "ImportError is what this program explains\n"),
        completed(-15, timed_out=True),
    ],
)
def test_a_program_that_ran_has_started_whatever_it_says(ended: Completed) -> None:
    assert failure_of(ended) is None


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (completed(127, "sh: python3.12: not found\n"), "names a program that does not exist (exit code 127)."),
        (completed(126), "cannot be executed (exit code 126)."),
        (completed(-11), "was killed by SIGSEGV."),
        (completed(1, TRACEBACK + "ModuleNotFoundError: No module named 'x'\n"), "stops with an import error."),
        (completed(1, TRACEBACK + "ImportError: libx.so\n"), "stops with an import error."),
        (completed(1, "  File 'x', line 3\n    !\nSyntaxError: invalid syntax\n"), "stops with an import error."),
        (
            completed(1, TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: '/b/bin/python3.12'\n"),
            "does not find its interpreter or its files.",
        ),
    ],
)
def test_a_program_that_could_not_run_has_not(ended: Completed, expected: str) -> None:
    failure = failure_of(ended)
    assert failure is not None
    assert failure.message == expected
