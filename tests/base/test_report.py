from __future__ import annotations

import io

import pytest

from bundle.base.report import Logbook, PlainReporter, Reporter, WarningsReporter
from tests.base.telling import tell_everything


class Closed(io.StringIO):
    """A pipe whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(len(text))


def plain(*, verbose: bool = False) -> tuple[PlainReporter, io.StringIO]:
    stream = io.StringIO()
    return PlainReporter(stream, verbose=verbose), stream


def test_the_base_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    tell_everything(Reporter())
    assert capfd.readouterr() == ("", "")


def test_plain_lines_show_steps_and_what_everybody_should_see() -> None:
    reporter, stream = plain()
    tell_everything(reporter)
    assert stream.getvalue() == "an information\nwarning: a problem\n"


def test_plain_lines_leave_steps_out_that_took_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.01, 10.0, 10.0, 12.0, 12.5])
    monkeypatch.setattr("bundle.base.report.time.monotonic", lambda: next(times))
    reporter, stream = plain()
    with reporter.step("quick"):
        pass
    with reporter.step("slow"), reporter.task("part"):
        pass
    assert stream.getvalue() == "slow: 2.5 s\n"


def test_plain_lines_show_details_and_tasks_when_asked() -> None:
    reporter, stream = plain(verbose=True)
    tell_everything(reporter)
    assert "a detail\n" in stream.getvalue()
    assert "  numpy.whl: 0.0 s\n" in stream.getvalue()


def test_square_brackets_and_colons_are_printed_as_they_are() -> None:
    reporter, stream = plain()
    reporter.info("numpy[extra] :warning: [bold]")
    assert stream.getvalue() == "numpy[extra] :warning: [bold]\n"


def test_quiet_shows_warnings_on_stderr_alone(capsys: pytest.CaptureFixture[str]) -> None:
    tell_everything(WarningsReporter())
    assert capsys.readouterr() == ("", "warning: a problem\n")


def test_a_logbook_writes_details_that_the_terminal_does_not_show() -> None:
    behind, shown = plain()
    log = io.StringIO()
    tell_everything(Logbook(behind, log))
    assert "a detail" not in shown.getvalue()
    assert "a detail\n" in log.getvalue()
    assert "an information\n" in log.getvalue()
    assert "warning: a problem\n" in log.getvalue()


def test_a_reader_that_is_gone_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    tell_everything(PlainReporter(Closed()))
    monkeypatch.setattr("sys.stderr", Closed())
    tell_everything(WarningsReporter())
