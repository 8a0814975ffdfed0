from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.base.errors import WorkError
from bundle.base.processes.become import accompany, become

pytestmark = pytest.mark.real

ENTER = "import os, sys; from bundle.base.processes.become import {name} as start, end_as; "
CODE = "end_as(start([sys.executable, '-c', sys.argv[1]], env=dict(os.environ)))"


def program(name: str, code: str) -> list[str]:
    return [sys.executable, "-c", ENTER.format(name=name) + CODE, code]


@pytest.mark.parametrize("name", ["become", "accompany"])
@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 6)", -6),
        ("import signal; print(signal.getsignal(signal.SIGPIPE) == 0)", 0),
    ],
)
def test_the_end_is_that_of_the_program(name: str, code: str, ended: int) -> None:
    done = subprocess.run(program(name, code), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (ended, "")


@pytest.mark.parametrize("name", ["become", "accompany"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_program(name: str, number: signal.Signals) -> None:
    waits = f"""
import signal, sys, time
signal.signal({number.value}, lambda *_: sys.exit(11))
print(1, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(program(name, waits), stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(60) == 11


def test_what_is_ignored_stays_ignored() -> None:
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); " + ENTER.format(name="accompany") + CODE
    shows = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run([sys.executable, "-c", ignore, shows], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    for start in (become, accompany):
        with pytest.raises(WorkError, match="cannot be started"):
            start([str(script)], env=dict(os.environ))
        assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
