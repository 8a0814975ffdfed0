from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from bundle.base.errors import WorkError
from bundle.base.processes.supervised import MARK, Ended, Limits, Supervised, sweep
from tests.base.processes.children import assert_dies, python, wait_for

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name == "nt", reason="the programs here fork")]

DETACHED = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(10_000)
    os._exit(0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"""


def started(tmp_path: Path, code: str, *arguments: str, limits: Limits | None = None) -> tuple[Supervised, bytearray]:
    output = bytearray()
    program = Supervised(
        python(code, *arguments),
        env=dict(os.environ),
        cwd=tmp_path,
        limits=limits or Limits(grace=0.5),
        output=output.extend,
    )
    return program, output


def ended(program: Supervised) -> Ended:
    end = program.wait(60)
    assert end is not None
    return end


def test_output_and_errors_come_in_order_with_the_exit_code(tmp_path: Path) -> None:
    code = "import os, sys\nfor n in range(100): os.write(1 + n % 2, b'%d\\n' % n)\nsys.exit(7)"
    program, output = started(tmp_path, code)
    end = ended(program)
    assert output == b"".join(b"%d\n" % number for number in range(100))
    assert (end.code, end.reason, end.left, end.failure) == (7, None, (), None)
    assert program.wait() is end


def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    program = Supervised(["/nowhere/python"], env={}, cwd=tmp_path, limits=Limits(), output=lambda _: None)
    with pytest.raises(WorkError, match="/nowhere/python cannot be started"):
        program.wait(60)


def test_a_detached_process_ends_with_its_program(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program, _ = started(tmp_path, DETACHED, str(note))
    assert ended(program).code == 0
    assert_dies(int(wait_for(note)))


def test_a_detached_process_ends_when_the_program_is_stopped(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program, _ = started(tmp_path, DETACHED + "time.sleep(10_000)", str(note))
    pid = int(wait_for(note))
    program.stop()
    end = ended(program)
    assert (end.code, end.reason) == (-signal.SIGTERM, "stopped")
    assert_dies(pid)


def test_a_program_has_time_to_end_by_itself(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: (print('clean', flush=True), sys.exit(3)))\n"
        "print('ready', flush=True)\ntime.sleep(10_000)"
    )
    program, output = started(tmp_path, code, limits=Limits(grace=30))
    while b"ready" not in output:
        time.sleep(0.01)
    program.stop()
    end = ended(program)
    assert (end.code, end.reason, bytes(output)) == (3, "stopped", b"ready\nclean\n")


def test_a_program_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(10_000)"
    program, output = started(tmp_path, code, limits=Limits(grace=0.2))
    while not output:
        time.sleep(0.01)
    program.stop()
    assert ended(program).code == -signal.SIGKILL


def test_a_kill_does_not_wait_for_the_grace(tmp_path: Path) -> None:
    code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(10_000)"
    program, output = started(tmp_path, code, limits=Limits(grace=3600))
    while not output:
        time.sleep(0.01)
    program.stop()
    program.stop(kill=True)
    assert ended(program).code == -signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("import time; time.sleep(10_000)", Limits(timeout=0.3), "timeout"),
        ("import time; x = b'x' * 2**28; time.sleep(10_000)", Limits(memory=2**27), "memory"),
        ("x = b'x' * 2**28", Limits(memory=2**27), "memory"),
        ("import os, time\nfor _ in range(6): os.fork()\ntime.sleep(10_000)", Limits(processes=20), "processes"),
        ("import os\nwhile True:\n try: os.fork()\n except OSError: pass", Limits(processes=100), "processes"),
    ],
)
def test_a_limit_ends_the_program_with_all_its_processes(
    tmp_path: Path, code: str, limits: Limits, reason: str
) -> None:
    program, _ = started(tmp_path, code, limits=limits)
    end = ended(program)
    assert (end.reason, end.left) == (reason, ())
    assert sweep(program.mark) == 0


def test_the_most_memory_is_told(tmp_path: Path) -> None:
    program, _ = started(tmp_path, "x = b'x' * 2**27; del x")
    assert 2**27 < ended(program).peak < 2**28


def test_a_program_that_kills_its_supervisor_is_lost_and_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "os.kill(os.getppid(), 9)\ntime.sleep(10_000)"
    )
    program, _ = started(tmp_path, code, str(note))
    end = ended(program)
    assert (end.code, end.reason) == (None, "lost")
    assert_dies(int(wait_for(note)))


def test_all_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    starter = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from bundle.base.processes.supervised import Limits, Supervised\n"
        "Supervised([sys.executable, '-I', '-c', *sys.argv[1:]], env=dict(os.environ), cwd=Path(),\n"
        "           limits=Limits(grace=0.2), output=lambda _: None)\ntime.sleep(10_000)"
    )
    process = subprocess.Popen([sys.executable, "-c", starter, DETACHED + "time.sleep(10_000)", str(note)])
    pid = int(wait_for(note))
    process.kill()
    process.wait()
    assert_dies(pid)


def test_output_is_read_on_when_it_cannot_be_handed_on(tmp_path: Path) -> None:
    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    code = "import os\nfor _ in range(100): os.write(1, bytes(10_000))"
    program = Supervised(python(code), env=dict(os.environ), cwd=tmp_path, limits=Limits(), output=full)
    end = ended(program)
    assert end.code == 0
    assert isinstance(end.failure, OSError)


def test_every_process_carries_the_mark_that_finds_it(tmp_path: Path) -> None:
    program, output = started(tmp_path, f"import os, time; print(os.environ['{MARK}'], flush=True); time.sleep(10_000)")
    while b"\n" not in output:
        time.sleep(0.01)
    assert output.decode().strip() == program.mark
    assert sweep(program.mark) == 1
    assert ended(program).code == -signal.SIGKILL


def test_stops_from_many_threads_are_one(tmp_path: Path) -> None:
    others = set(psutil.Process().children())
    program, _ = started(tmp_path, "import time; time.sleep(10_000)")
    threads = [threading.Thread(target=program.stop) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended(program).reason == "stopped"
    program.stop()
    left = {*psutil.Process().children()} - others
    assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE]
