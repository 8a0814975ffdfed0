from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bundle.base.errors import InterruptedRunError
from bundle.base.processes import stop
from bundle.base.processes.run import run
from bundle.base.processes.stop import end_all
from tests.base.processes.children import assert_dies, python, wait_for, within

pytestmark = pytest.mark.real

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")

STUBBORN = """
import os, signal, subprocess, sys, time
if sys.argv[2] == "child":
    signal.signal(signal.SIGTERM, signal.SIG_IGN) if sys.argv[3] == "stubborn" else None
    open(sys.argv[1], "w").write(str(os.getpid()))
    time.sleep(10_000)
else:
    print("started", flush=True)
    subprocess.run([sys.executable, "-I", "-c", sys.argv[4], sys.argv[1], "child", sys.argv[3]])
"""


@pytest.mark.parametrize("manner", ["polite", pytest.param("stubborn", marks=POSIX)])
def test_a_program_that_takes_too_long_is_ended_with_all_its_children(tmp_path: Path, manner: str) -> None:
    note = tmp_path / "pid"
    done = within(60, lambda: run(python(STUBBORN, str(note), "parent", manner, STUBBORN), timeout=2))
    assert done.timed_out
    assert done.code != 0
    assert done.output == "started\n"
    assert_dies(int(wait_for(note)))


@POSIX
def test_an_interrupt_ends_the_program_with_all_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def interrupt() -> None:
        wait_for(note)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(python(STUBBORN, str(note), "parent", "polite", STUBBORN))
    assert_dies(int(note.read_text()))


@POSIX
def test_programs_that_other_threads_wait_for_can_be_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(run, python(STUBBORN, str(note), "parent", "polite", STUBBORN))
        pid = int(wait_for(note))
        end_all()
        assert waiting.result().code == -signal.SIGTERM
    assert_dies(pid)


@POSIX
def test_other_threads_start_nothing_while_the_run_is_being_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "_closing", threading.Event())
    end_all(closing=True)
    with ThreadPoolExecutor(1) as pool, pytest.raises(InterruptedRunError):
        pool.submit(run, python("pass")).result()
    assert run(python("pass")).code == 0


FORGETFUL = """
import sys, threading
from bundle.base.processes.run import run
code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(100)"
threading.Thread(target=run, args=([sys.executable, "-I", "-c", code, sys.argv[1]],), daemon=True).start()
sys.stdin.readline()
"""


@POSIX
def test_programs_do_not_outlive_a_process_that_exits(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", FORGETFUL, str(note)], stdin=subprocess.PIPE) as process:
        pid = int(wait_for(note))
        process.communicate(b"\n", timeout=20)
    assert_dies(pid)


@POSIX
def test_a_descendant_that_left_the_process_group_is_ended_as_well(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "wait = 'import os, sys, time; open(sys.argv[1], \"w\").write(str(os.getpid())); time.sleep(100)'\n"
        "subprocess.run([sys.executable, '-I', '-c', wait, sys.argv[1]], start_new_session=True)"
    )
    assert run(python(code, str(tmp_path / "pid")), timeout=2).timed_out
    assert_dies(int(wait_for(tmp_path / "pid")))
