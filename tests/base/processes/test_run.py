from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bundle.base.errors import WorkError
from bundle.base.processes.run import Completed, check, run
from tests.base.processes.children import assert_dies, python, within

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


def ended(**changes: object) -> Completed:
    given: dict[str, object] = {
        "arguments": ("/opt/tools/compile", "a file"),
        "code": 1,
        "output": "",
        "errors": "",
        "seconds": 2.0,
        "timed_out": False,
    }
    return Completed(**(given | changes))  # type: ignore[arg-type]  # a test's shorthand


def test_a_program_that_ended_well_passes_the_check() -> None:
    done = ended(code=0)
    assert check(done, "Compiling") is done


def test_a_failure_names_the_task_the_program_and_its_last_lines() -> None:
    errors = "".join(f"line {number}\n\n" for number in range(100))
    with pytest.raises(WorkError) as failed:
        check(ended(errors=errors), "Building freesasa")
    assert failed.value.what == "Building freesasa failed: compile exited with code 1."
    assert failed.value.details == tuple(f"line {number}" for number in range(80, 100))
    assert failed.value.remedy is not None
    assert "/opt/tools/compile 'a file'" in failed.value.remedy


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100_000 + b"\nwarning\nerror: \xff\n")
    with pytest.raises(WorkError) as failed:
        check(ended(), "Building freesasa", log=log)
    assert failed.value.details[-3:] == ("warning", "error: \N{REPLACEMENT CHARACTER}", f"(the whole log: {log})")


def test_a_failure_by_time_says_which_setting_allows_more() -> None:
    with pytest.raises(WorkError, match=r"timed out after 30 s \(build.timeout\)"):
        check(ended(code=-15, seconds=30.2, timed_out=True), "Building freesasa")


def test_a_failure_by_signal_says_so() -> None:
    with pytest.raises(WorkError, match="signal 9") as failed:
        check(ended(code=-9), "Building freesasa")
    assert failed.value.cause is not None
    assert "memory" in failed.value.cause


@pytest.mark.real
def test_a_program_gets_what_it_is_given_and_what_it_says_comes_back(tmp_path: Path) -> None:
    code = (
        "import os, sys; print(sys.argv[1], os.environ.get('GIVEN'), 'PATH' in os.environ, os.getcwd()); "
        "sys.stderr.write(sys.stdin.read()); sys.exit(3)"
    )
    environment = {"GIVEN": "value"} | ({"SYSTEMROOT": os.environ["SYSTEMROOT"]} if os.name == "nt" else {})
    done = run(python(code, "ü b"), env=environment, cwd=tmp_path, stdin=b"to read")
    assert done.output.split() == ["ü", "b", "value", "False", str(tmp_path)]
    assert done.errors == "to read"
    assert done.code == 3
    assert not done.timed_out
    assert done.seconds > 0
    assert done.arguments[0] == sys.executable


@pytest.mark.real
def test_a_program_that_is_given_nothing_to_read_finds_the_end(tmp_path: Path) -> None:
    assert run(python("import sys; print(repr(sys.stdin.read()))")).output == "''\n"


@pytest.mark.real
def test_much_output_and_much_input_do_not_block_each_other() -> None:
    code = "import sys; sys.stderr.write('e' * 3000000); data = sys.stdin.read(); sys.stdout.write(data)"
    done = run(python(code), stdin=b"i" * 3_000_000, timeout=60)
    assert (len(done.output), len(done.errors), done.code) == (3_000_000, 3_000_000, 0)


@pytest.mark.real
def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert run(python("pass"), stdin=b"i" * 3_000_000).code == 0


@pytest.mark.real
def test_output_that_is_no_text_comes_back_all_the_same() -> None:
    done = run(python("import sys; sys.stdout.buffer.write(b'a\\r\\n\\xff')"))
    assert done.output == "a\n\N{REPLACEMENT CHARACTER}"


@pytest.mark.real
def test_a_log_gets_both_outputs_in_order_behind_what_it_has(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "build.log"
    code = "import sys\nfor i in range(3): print('out', i, flush=True); print('err', i, file=sys.stderr, flush=True)"
    for _ in range(2):
        done = run(python(code), log=log)
        assert (done.output, done.errors) == ("", "")
    assert log.read_text().split("\n")[:-1] == [
        f"{name} {i}" for _ in range(2) for i in range(3) for name in ("out", "err")
    ]


@pytest.mark.real
def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"no-such-program does not exist") as failed:
        run(["no-such-program", "--help"])
    assert failed.value.cause is not None
    with pytest.raises(WorkError, match="the folder does not exist"):
        run(python("pass"), cwd=tmp_path / "absent")


@pytest.mark.real
@POSIX
def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(WorkError, match=r"data cannot be started: Permission denied"):
        run([tmp_path / "data"])


@pytest.mark.real
@POSIX
def test_a_log_that_cannot_be_written_is_an_error_of_its_own(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    (tmp_path / "log").symlink_to("/dev/full")
    with pytest.raises(OSError, match="space"):
        run(python("print('x' * 100000)"), log=tmp_path / "log")


@pytest.mark.real
@POSIX
def test_a_child_that_outlives_the_program_does_not_hold_up_the_wait(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(10_000)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
        "print('done')"
    )
    done = within(60, lambda: run(python(code, str(note)), timeout=60))
    assert (done.code, done.output, done.timed_out) == (0, "done\n", False)
    assert_dies(int(note.read_text()))


@pytest.mark.real
@POSIX
def test_a_program_ended_by_a_signal_tells_which() -> None:
    assert run(python("import os; os.kill(os.getpid(), 9)")).code == -9
