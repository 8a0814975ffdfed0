from __future__ import annotations

import threading

import pytest

from bundle.base.terminal import TerminalReporter
from tests.base.telling import tell_everything


def test_a_terminal_shows_steps_warnings_and_nothing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    tell_everything(TerminalReporter(verbose=True))
    out, err = capsys.readouterr()
    assert out == ""
    for text in ("an information", "a detail", "warning: a problem", "lock"):
        assert text in err


def test_tasks_of_many_threads_can_run_at_once_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = TerminalReporter()

    def work(number: int) -> None:
        for _ in range(3):
            with reporter.task(f"task {number}", total=10) as task:
                for _ in range(10):
                    task.advance()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "Traceback" not in capsys.readouterr().err
