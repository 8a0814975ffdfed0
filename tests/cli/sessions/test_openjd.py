from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from bundle.cli.sessions.openjd import execute
from tests.base.processes.children import assert_dies
from tests.run.sessions.suite import CASES, problem_of
from tests.run.sessions.templates import environment, numbers, script, step, written

pytestmark = pytest.mark.real

ALL = sorted(path for path in CASES.rglob("*") if path.suffix == ".yaml")


class Tool:
    """`bundle-openjd` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        code = execute(arguments)
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tool:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("BUNDLE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return Tool(capsys)


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.name.partition('.')[0]}")
def test_a_case_of_the_suite_holds(path: Path, tool: Tool, tmp_path: Path) -> None:
    assert problem_of(path, tmp_path, tool) is None


def test_the_suite_is_found() -> None:
    assert len(ALL) > 25


def test_results_can_be_documents(tool: Tool, tmp_path: Path) -> None:
    path = written(tmp_path, step("S", script("print('hello')"), space=numbers("1-2")))
    code, output = tool(["run", str(path), "--output", "json"])
    found = json.loads(output)
    assert (code, found["status"], found["job_name"], found["step_name"], found["chunks_run"]) == (
        0, "success", "Test", "S", 2,
    )  # fmt: skip
    assert sum(one["message"] == "hello" for one in found["logs"]) == 2
    code, output = tool(["check", str(path), "--output", "yaml"])
    assert (code, yaml.safe_load(output)["status"]) == (0, "success")
    code, output = tool(["summary", str(path)])
    assert code == 0
    assert "Total tasks: 2" in output


def test_some_tasks_of_a_step_run(tool: Tool, tmp_path: Path) -> None:
    first = step("A", script("print('a')"))
    second = step("B", script("print('n', '{{Task.Param.N}}')"), needs=["A"], space=numbers("1-5"))
    path = str(written(tmp_path, first, second))

    def told(*words: str) -> list[str]:
        code, output = tool(["run", path, "--step", "B", *words])
        assert code == 0, output
        texts = [line.partition("\t")[2] for line in output.splitlines()]
        return [text for text in texts if text == "a" or text.startswith("n ")]

    assert told("--maximum-tasks", "2") == ["n 1", "n 2"]
    assert told("--task-param", "N=4", "--run-dependencies") == ["a", "n 4"]
    assert told("--tasks", '[{"N": 5}, {"N": "3"}]') == ["n 5", "n 3"]


@pytest.mark.parametrize(
    "words",
    [
        ["--step", "missing"],
        ["--task-param", "M=1"],
        ["--task-param", "N=77"],
        ["--tasks", "nonsense"],
        ["--env", "missing.yaml"],
        ["--extensions", "FUTURE"],
        ["--path-mapping-rules", "{}"],
        ["-p", "file://missing.json"],
        ["-p", "A=1"],
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(tool: Tool, tmp_path: Path, words: list[str]) -> None:
    path = written(tmp_path, step("S", script("print('ran')"), space=numbers("1-2")))
    code, output = tool(["run", str(path), *words])
    assert code == 1
    assert output.startswith("ERROR: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_and_exits_environments(tmp_path: Path, number: int) -> None:
    code = (
        "import subprocess,sys,time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
        "start_new_session=True, env={}); print('child', p.pid, flush=True); time.sleep(600)"
    )
    around = environment("e", script(""), script("print('left it')"))
    path = written(tmp_path, step("S", script(code)), jobEnvironments=[around])
    start = "from bundle.cli.sessions.openjd import main; main()"
    environ = {**os.environ, "BUNDLE_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen(
        [sys.executable, "-c", start, "run", str(path)], env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = next(int(line.split()[-1]) for line in process.stdout if "\tchild " in line)
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 1
    assert "left it" in rest
    assert_dies(child)
    assert list((tmp_path / "data" / "sessions").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes of POSIX")
def test_an_output_that_nobody_reads_ends_the_run(tmp_path: Path) -> None:
    path = written(tmp_path, step("S", script("import time\nfor n in range(50_000): print(n)\ntime.sleep(600)")))
    start = "from bundle.cli.sessions.openjd import main; main()"
    environ = {**os.environ, "BUNDLE_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen(
        [sys.executable, "-c", start, "run", str(path)],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 1
    assert told == ""
    assert list((tmp_path / "data" / "sessions").iterdir()) == []
