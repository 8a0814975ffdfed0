from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.processes.started import StartedProgram, Starter, starters
from tests.base.processes.children import assert_dies, until

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")]

DETACHED = (
    "import os,subprocess,sys,time; "
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, env={}, "
    "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(p.pid, flush=True)"
)


@pytest.fixture(params=[1, 3], ids=["alone", "with others"])
def starter(request: pytest.FixtureRequest) -> Iterator[Starter]:
    found = starters(request.param)
    yield found[-1]
    for one in found:
        one.end()


def begin(starter: Starter, *command: str, cwd: Path | None = None) -> StartedProgram:
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return starter.start(command, env=env, cwd=str(cwd) if cwd else None, encoding="utf-8", errors="backslashreplace")


def close(*programs: StartedProgram) -> None:
    for program in programs:
        assert program.stdout is not None
        program.stdout.close()


def start(starter: Starter, *command: str, cwd: Path | None = None) -> tuple[str, int | None]:
    program = begin(starter, *command, cwd=cwd)
    assert program.stdout is not None
    with program.stdout as output:
        return output.read(), program.wait(60)


def test_output_and_errors_come_together(starter: Starter, tmp_path: Path) -> None:
    code = "import os,sys; print(os.getcwd(), flush=True); print('bad', file=sys.stderr); sys.exit(3)"
    assert start(starter, sys.executable, "-c", code, cwd=tmp_path) == (f"{tmp_path}\nbad\n", 3)


def test_many_programs_run_beside_each_other(starter: Starter) -> None:
    programs = [begin(starter, "sleep", "0.5") for _ in range(20)]
    assert all(program.poll() is None for program in programs)
    assert [program.wait(60) for program in programs] == [0] * 20
    close(*programs)


def test_a_signal_is_the_exit_code(starter: Starter) -> None:
    program = begin(starter, "sleep", "600")
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.01)
    os.killpg(program.pid, signal.SIGTERM)
    assert program.wait(60) == -signal.SIGTERM
    close(program)


def test_what_cannot_be_started_says_why(starter: Starter, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        start(starter, "/nonexistent")
    with pytest.raises(PermissionError):
        start(starter, str(tmp_path))
    with pytest.raises(ValueError, match="null"):
        start(starter, "a\0b")
    assert start(starter, "echo", "still") == ("still\n", 0)


def test_large_requests_arrive(starter: Starter) -> None:
    text = "x" * 100_000
    assert start(starter, "echo", text) == (f"{text}\n", 0)


def test_a_detached_process_outlives_its_program_and_not_the_starter(starter: Starter) -> None:
    output, code = start(starter, sys.executable, "-c", DETACHED)
    assert code == 0
    os.kill(int(output), 0)
    assert starter.end() == ()
    assert_dies(int(output))


def test_what_ignores_the_request_is_killed(starter: Starter) -> None:
    program = begin(
        starter,
        sys.executable,
        "-c",
        "import signal,time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)",
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "1\n"
    starter.end()
    assert program.wait(60) == -signal.SIGKILL
    close(program)


@pytest.mark.parametrize("count", [1, 3])
def test_all_ends_with_the_client(count: int, tmp_path: Path) -> None:
    code = (
        "import os,sys,time; from bundle.base.processes.started import starters; "
        f"s = starters({count})[-1]; p = s.start([sys.executable, '-c', {DETACHED!r}], env=dict(os.environ), cwd=None, "
        "encoding='utf-8', errors='strict'); print(p.stdout.read(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path) as client:
        assert client.stdout is not None
        detached = json.loads(client.stdout.readline())
        os.kill(detached, 0)
        client.kill()
    assert_dies(detached)


def test_a_lost_starter_ends_its_programs(starter: Starter) -> None:
    program = begin(starter, "sleep", "600")
    until(lambda: starter._pid > 0)
    os.kill(starter._pid, signal.SIGKILL)
    assert program.wait(60) == -9
    close(program)
    with pytest.raises(OSError, match=r"."):
        start(starter, "echo")
    starter.end()
    until(lambda: not _lives(program.pid))


def test_the_end_of_one_leaves_the_others_alone() -> None:
    first, second = starters(2)
    program, other = begin(first, "sleep", "600"), begin(second, "sleep", "600")
    assert first.end() == ()
    assert program.wait(60) != 0
    assert other.poll() is None
    assert start(second, "echo", "yes") == ("yes\n", 0)
    assert second.end() == ()
    close(program, other)
    until(lambda: not _lives(second._launched.process.pid))


def _lives(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
