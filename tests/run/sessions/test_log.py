from __future__ import annotations

import base64
import logging
from typing import Any

from bundle.run.sessions.log import Line, Masking
from tests.run.sessions.templates import job, script, step


def masking(lines: list[Line], *names: str, **environ: str) -> Masking:
    found = job(
        step("S", script("")),
        parameterDefinitions=[{"name": "Secret", "type": "STRING"}],
        parameters={"Secret": "hunter-two"},
    )
    return Masking(found, names, environ, lines.append, "s")


def record(message: str, *arguments: Any) -> logging.LogRecord:
    return logging.LogRecord("openjd", logging.INFO, "f", 1, message, arguments or None, None)


def test_named_parameters_and_variables_are_masked() -> None:
    lines: list[Line] = []
    masked = masking(lines, "Secret", "PW", "ABSENT", PW="swordfish")
    masked.take(record("a hunter-two b swordfish"))
    masked.take(record(base64.b64encode(b"hunter-two").decode()))
    assert [line.text for line in lines] == ["a *** b ***", "***"]


def test_a_variable_of_an_environment_is_masked_from_its_own_line_on() -> None:
    lines: list[Line] = []
    masked = masking(lines, "PW")
    masked.take(record("Setting: %s=%s", "PW", "open-sesame"))
    masked.take(record("Setting: %s=%s", "OTHER", "clear"))
    masked.take(record("open-sesame"))
    assert [line.text for line in lines] == ["Setting: PW=***", "Setting: OTHER=clear", "***"]


def test_what_actions_hide_is_masked_in_other_forms() -> None:
    lines: list[Line] = []
    masked = masking(lines)
    masked.redacted = lambda: {"open-sesame"}
    masked.take(record(base64.b64encode(b"open-sesame").decode()))
    assert masked.text("x open-sesame") == "x ***"
    assert [line.text for line in lines] == ["***"]


def test_nothing_comes_after_the_end() -> None:
    lines: list[Line] = []
    masked = masking(lines)
    masked.close()
    masked.take(record("late"))
    assert lines == []
