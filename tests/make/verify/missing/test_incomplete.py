"""Failures for the lack of a library are told from others by a second run; see also `test_start.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.processes.run import Completed
from bundle.make.verify.missing.incomplete import Incomplete, Lacking
from bundle.make.verify.trials import isolation as module
from bundle.make.verify.trials.isolation import Start, Tried
from tests.make.verify.emulators.fakes import TRACEBACK, X64, ended

LACKING = Lacking(
    libraries=("libGL.so.1", "libz.so.1"),
    files={"lib/drawing/_a.so": "libGL.so.1", "bin/native": "libz.so.1"},
    modules={"drawing._a": "libGL.so.1"},
)

ROOT = Path("/srv/python")

PYTHON = ROOT / "bin/python3.12"


def here(**changes: Any) -> Incomplete:
    incomplete = Incomplete(root=ROOT, python="3.12.10", platform=X64, scratch=Path("/scratch"), lacking=LACKING)
    return replace(incomplete, **changes)


FAILED = TRACEBACK + "ImportError: needs a display\n"


class Answers:
    """Takes the place of `run`: the same answer to every program, and the command lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Completed) -> None:
        self.commands: list[Sequence[str]] = []
        self._answer = answer
        monkeypatch.setattr(module, "run", self._run)

    def _run(self, command: Sequence[str], **_: Any) -> Completed:
        self.commands.append(command)
        return self._answer


def tried(completed: Completed, *arguments: str | Path) -> Tried:
    start = Start(arguments=arguments, timeout=1.0, stdin=None, variables={}, folder=ROOT)
    return Tried(**vars(completed), start=start)


def imported(name: str, errors: str = FAILED) -> Tried:
    return tried(ended(errors), PYTHON, "-I", "-c", "__import__(sys.argv[1])", name)


def test_a_program_that_works_with_stand_ins_lacks_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, ended(code=0))
    assert here().inconclusive(imported("drawing._a")) == " lacks libGL.so.1"
    (command,) = answers.commands
    assert command[-2].startswith("STAND_INS = ")
    assert command[-2].endswith("__import__(sys.argv[1])")


def test_a_program_that_fails_alike_with_stand_ins_has_failed_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, ended(FAILED))
    assert here().inconclusive(imported("other._b")) is None


def test_numbers_that_change_with_each_run_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, ended(TRACEBACK + "ValueError: at 0x7f12 in process 12\n"))
    assert here().inconclusive(imported("other._b", TRACEBACK + "ValueError: at 0xabcd in process 345\n")) is None


def test_a_failure_is_judged_once_for_all_modules_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    place = here(unusable={"drawing": True})
    answers = Answers(monkeypatch, ended(code=0))
    for name in ("chained._a", "chained._b"):
        assert place.inconclusive(imported(name)) is not None
    assert len(answers.commands) == 1
    assert '"packages": ["drawing"]' in answers.commands[0][-2]


def test_a_script_gets_stand_ins_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/usr/bin/env python3\n")
    binary = tmp_path / "native"
    binary.write_bytes(b"\x7fELF")
    place = here(unusable={"drawing": True})
    answers = Answers(monkeypatch, ended(code=0))
    for number, arguments in enumerate([(script, "--help"), (PYTHON, script, "--help"), (PYTHON, "-m", "tool", "-h")]):
        assert place.inconclusive(tried(ended(FAILED, code=number + 1), *arguments)) is not None
    assert [list(command[-2:]) for command in answers.commands] == [[str(script), "--help"]] * 2 + [["tool", "-h"]]
    assert all("runpy" in command[-3] for command in answers.commands)
    assert place.inconclusive(tried(ended(FAILED, code=9), binary)) is None


def test_a_crash_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, ended(code=0))
    assert here().inconclusive(tried(ended(code=-11), PYTHON, "-c", "1")) is None
    assert here().inconclusive(tried(ended(code=0), PYTHON, "-c", "1")) is None
    assert answers.commands == []


def test_a_program_that_needs_the_library_itself_cannot_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, ended(code=0))
    assert here().inconclusive(tried(ended(code=127), ROOT / "bin/native", "--help")) == " lacks libz.so.1"
    assert here().inconclusive(tried(ended(code=127), ROOT / "bin/other", "--help")) is None


def test_a_script_that_has_started_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, ended(code=0))
    usage = ended("tool: error: a command is required\n", code=2)
    assert here().inconclusive(tried(usage, PYTHON, "-c", "1"), started=True) is None
    assert answers.commands == []
    # A program that cannot be loaded may end with any code, and without a word.
    assert here().inconclusive(tried(ended(code=53), ROOT / "bin/native"), started=True) == " lacks libz.so.1"


USES = """
import drawing._a as a, ctypes, sys
class Mine(a.Base): pass
try:
    Mine(1).draw(2)[3]
except a.Error: pass
@a.decorator
def function(): return 5
assert function() == 5 and list(a.things) == [] and int(a.count()) == 0
ctypes.CDLL("libGL.so.1").glBegin(1)
from drawing._a import anything
print("done")
"""


@pytest.mark.real
def test_stand_ins_take_the_place_of_what_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "drawing").mkdir()
    (tmp_path / "drawing/__init__.py").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.12").symlink_to(sys.executable)
    place = here(root=tmp_path, scratch=tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{USES}"
    failed = place.run([place.executable, "-c", code], timeout=60.0)
    assert "No module named 'drawing._a'" in failed.errors
    assert place.inconclusive(failed) == " lacks libGL.so.1, libz.so.1"
