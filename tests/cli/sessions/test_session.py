from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bundle.model.manifest import MANIFEST, Manifest, PythonRecord
from bundle.model.platforms import platform_of
from tests.base.processes.children import assert_dies, until
from tests.run.sessions.templates import SPEC, environment, numbers, script, step, written

pytestmark = pytest.mark.real

CODE = "import sys; from bundle.cli.main import main; main(sys.argv[1:])"


class Bundle:
    """The command line in processes of its own."""

    def __init__(self, root: Path) -> None:
        self.environ = {**os.environ, "BUNDLE_DATA_DIR": str(root / "data"), "BUNDLE_CACHE_DIR": str(root / "cache")}

    def __call__(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(words), env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command(words), env=self.environ, stdout=subprocess.PIPE, text=True)

    def json(self, *words: str | Path) -> dict[str, Any]:
        done = self(*words, "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        return {**found, "code": done.returncode}

    @staticmethod
    def _command(words: Sequence[str | Path]) -> list[str]:
        return [sys.executable, "-c", CODE, "session", *map(str, words)]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


def touches(folder: Path, code: str = "") -> dict[str, Any]:
    """A task that leaves a line in a file of its own."""
    folder.mkdir(exist_ok=True)
    return script(
        f"import pathlib,sys,time\nwith open(pathlib.Path(sys.argv[1]) / sys.argv[2], 'a') as f: f.write('x')\n{code}",
        str(folder),
        "{{Task.Param.N}}",
    )


def counts(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_a_template_is_checked_and_summarised(bundle: Bundle, tmp_path: Path) -> None:
    path = written(tmp_path, step("S", script(""), space=numbers("1-3")))
    assert bundle.json("check", path)["kind"] == "job template"
    assert bundle.json("summary", path)["tasks"] == 3
    path.write_text(json.dumps({"specificationVersion": SPEC, "name": "x", "steps": []}))
    done = bundle("check", path)
    assert done.returncode == 2
    assert "not valid" in done.stderr


def test_the_demo_of_the_library_runs_to_its_end(bundle: Bundle, tmp_path: Path) -> None:
    """Ten tasks in an environment that has nothing to run at its exit."""
    path = written(
        tmp_path,
        step("Greet", script("print('Bonjour {{Task.Param.N}}')"), space=numbers("1-10")),
        jobEnvironments=[environment("Prepared", script("print('prepared')"))],
    )
    done = bundle("run", path)
    assert (done.returncode, done.stdout.splitlines()[:11]) == (
        0, ["prepared", *(f"Bonjour {n}" for n in range(1, 11))],
    )  # fmt: skip


def test_a_result_tells_of_every_task(bundle: Bundle, tmp_path: Path) -> None:
    fails = script("import sys; print('openjd_fail: no'); sys.exit({{Task.Param.N}} == 2)")
    path = written(tmp_path, step("S", fails, space=numbers("1-3")))
    found = bundle.json("run", path, "--keep-going")
    assert (found["code"], found["state"]) == (1, "failed")
    assert [
        (one["task"], one["state"], one["exitCode"], one["session"], one["attempts"]) for one in found["tasks"]
    ] == [
        (0, "ok", 0, "session-1", 1),
        (1, "failed", 1, "session-1", 1),
        (2, "ok", 0, "session-2", 1),
    ]
    assert found["tasks"][1]["message"] == "no"


def test_lines_have_a_prefix_or_files_of_their_own(bundle: Bundle, tmp_path: Path) -> None:
    path = written(tmp_path, step("S", script("print('n{{Task.Param.N}}')"), space=numbers("1-6")))
    done = bundle("run", path, "--parallel", "2")
    assert {line.split()[1] for line in done.stdout.splitlines() if line.startswith("[session-")} == {
        f"n{n}" for n in range(1, 7)
    }
    done = bundle("run", path, "--parallel", "2", "--logs", tmp_path / "logs")
    assert "n1" not in done.stdout
    logged = [path.read_text().splitlines() for path in (tmp_path / "logs").iterdir()]
    assert sorted(line for lines in logged for line in lines) == [f"n{n}" for n in range(1, 7)]


def test_a_failed_run_goes_on_with_the_rest(bundle: Bundle, tmp_path: Path) -> None:
    fails = touches(
        tmp_path / "done", f"sys.exit(sys.argv[2] == '3' and not pathlib.Path({str(tmp_path / 'mended')!r}).exists())"
    )
    path = written(tmp_path, step("S", fails, space=numbers("1-5")), step("T", script("print('t')"), needs=["S"]))
    state = tmp_path / "state"
    assert bundle("run", path, "--state", state).returncode == 1
    assert counts(tmp_path / "done") == {"1": 1, "2": 1, "3": 1}
    path.unlink()
    (tmp_path / "mended").touch()
    found = bundle.json("resume", state)
    assert (found["code"], found["state"]) == (0, "ok")
    assert counts(tmp_path / "done") == {"1": 1, "2": 1, "3": 2, "4": 1, "5": 1}
    assert {(one["step"], one["task"]): one["attempts"] for one in found["tasks"]} == {
        ("S", 0): 1, ("S", 1): 1, ("S", 2): 2, ("S", 3): 1, ("S", 4): 1, ("T", 0): 1,
    }  # fmt: skip
    assert json.loads((state / "result.json").read_text())["state"] == "ok"
    assert bundle("run", tmp_path / "template.json", "--state", state).returncode == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems find detached processes more slowly")
def test_a_killed_run_leaves_no_process_and_goes_on(bundle: Bundle, tmp_path: Path) -> None:
    waits = touches(
        tmp_path / "done",
        "import subprocess\n"
        "if sys.argv[2] == '3':\n"
        "    p = subprocess.Popen(['sleep', '600'], start_new_session=True, env={})\n"
        f"    if not pathlib.Path({str(tmp_path / 'mended')!r}).exists():\n"
        "        print('child', p.pid, flush=True); time.sleep(600)",
    )
    path = written(tmp_path, step("S", waits, space=numbers("1-5")))
    with bundle.start("run", path, "--state", tmp_path / "state") as process:
        assert process.stdout is not None
        child = next(int(line.split()[1]) for line in process.stdout if line.startswith("child"))
        process.kill()
    assert_dies(child)
    (tmp_path / "mended").touch()
    found = bundle.json("resume", tmp_path / "state")
    assert (found["code"], len(found["tasks"])) == (0, 5)
    assert counts(tmp_path / "done") == {"1": 1, "2": 1, "3": 2, "4": 1, "5": 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_exits_environments_and_goes_on(bundle: Bundle, tmp_path: Path, number: int) -> None:
    waits = touches(
        tmp_path / "done",
        f"print('up', flush=True)\nif not pathlib.Path({str(tmp_path / 'mended')!r}).exists(): time.sleep(600)",
    )
    around = environment("e", script(""), script("print('left it')"))
    path = written(tmp_path, step("S", waits, space=numbers("1-4")), jobEnvironments=[around])
    with bundle.start("run", path, "--state", tmp_path / "state", "--parallel", "2") as process:
        assert process.stdout is not None
        until(lambda: len(counts(tmp_path / "done")) == 2)
        process.send_signal(number)
        output = process.stdout.read()
    assert process.returncode == 130
    assert output.count("left it") == 2
    (tmp_path / "mended").touch()
    assert bundle("resume", tmp_path / "state").returncode == 0
    assert sorted(counts(tmp_path / "done")) == ["1", "2", "3", "4"]


def test_secret_parameters_are_masked_and_not_kept(bundle: Bundle, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        step("S", script("print('got {{Param.Password}}')")),
        parameterDefinitions=[{"name": "Password", "type": "STRING"}],
    )
    state = tmp_path / "state"
    given = ("-p", "Password=open-sesame-7")
    done = bundle("run", path, *given, "--secret", "Password", "--state", state, "--verbose")
    assert done.returncode == 0
    assert "got ***" in done.stdout
    assert "open-sesame" not in done.stdout + done.stderr
    assert all("open-sesame" not in path.read_text() for path in state.iterdir())
    assert bundle("resume", state).returncode == 2
    assert bundle("resume", state, *given).returncode == 0
    assert bundle("resume", state, *given, "-p", "Other=1").returncode == 2


def test_a_secret_that_nothing_has_is_told(bundle: Bundle, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        step("S", script("")),
        parameterDefinitions=[{"name": "Password", "type": "STRING", "default": "x"}],
        jobEnvironments=[{"name": "E", "variables": {"TOKEN": "of-the-environment"}}],
    )
    done = bundle("run", path, "--secret", "Pasword", "--secret", "Password", "--secret", "TOKEN", "--secret", "PATH")
    assert done.returncode == 0
    (told,) = (line for line in done.stderr.splitlines() if "--secret" in line)
    assert "--secret Pasword is neither" in told
    assert 'Did you mean "Password"?' in told


def test_an_unknown_runtime_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    path = written(tmp_path, step("S", script("")))
    done = bundle("run", path, "--runtime", "3.99.0")
    assert done.returncode == 2
    assert "3.99.0" in done.stderr


def test_working_folders_may_stay(bundle: Bundle, tmp_path: Path) -> None:
    path = written(tmp_path, step("S", script("open('made', 'w').write('x')")))
    found = bundle.json("run", path, "--preserve", "--root", tmp_path / "root")
    (folder,) = map(Path, found["folders"])
    assert folder.is_relative_to(tmp_path / "root")
    assert (folder / "made").read_text() == "x"
    assert bundle("run", path, "--root", tmp_path / "other").returncode == 0
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="the interpreter is a shell script")
def test_the_programs_of_a_bundle_come_first(bundle: Bundle, tmp_path: Path) -> None:
    machine = platform_of(platform.system(), platform.machine())
    assert machine is not None
    root = tmp_path / "a bundle"
    manifest = Manifest(
        version="3.12.10",
        platform=machine.key,
        python=PythonRecord(requested="3.12.10", actual="3.12.10", source="host"),
        layers=(),
        environment={"HOME_OF_BUNDLE": "{bundle}"},
    )
    program = root / machine.executable("3.12.10")
    program.parent.mkdir(parents=True)
    (root / MANIFEST).write_text(json.dumps(manifest.as_json()))
    for name in (program, program.with_name("python")):
        name.write_text('#!/bin/sh\necho "the bundle: $HOME_OF_BUNDLE"\n')
        name.chmod(0o755)
    path = written(tmp_path, step("S", {"command": "python", "args": ["-V"]}))
    done = bundle("run", path, "--runtime", root)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"the bundle: {root}"), done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--step", "missing"], "no step 'missing'"),
        (["--tasks", '[{"N": 1}'], "not usable JSON"),
        (["--tasks", '{"N": 1}'], "no list of mappings"),
        (["--tasks", '[{"M": 1}]'], "are N, not M"),
        (["--tasks", '[{"N": 77}]'], "no such task"),
        (["--task-param", "N"], "NAME=VALUE"),
        (["--env", "template.json"], "no environment template but a job template"),
        (["--path-mapping-rules", "[]"], "pathmapping-1.0"),
        (["--user", "nobody-of-this-name"], "no user 'nobody-of-this-name'"),
    ],
)
def test_what_is_wrong_runs_nothing(bundle: Bundle, tmp_path: Path, words: list[str], why: str) -> None:
    written(tmp_path, step("S", touches(tmp_path / "ran"), space=numbers("1-2")))
    done = bundle(
        "run", tmp_path / "template.json", *(str(tmp_path / one) if "template" in one else one for one in words)
    )
    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert "to do: " in done.stderr
    assert "bundle check" not in done.stderr
    assert list((tmp_path / "ran").iterdir()) == []


def test_logs_that_cannot_be_written_are_told_of(bundle: Bundle, tmp_path: Path) -> None:
    path = written(tmp_path, step("S", touches(tmp_path / "ran", "print('x')"), space=numbers("1-2")))
    (tmp_path / "file").touch()
    done = bundle("run", path, "--logs", tmp_path / "file")
    assert done.returncode == 1
    assert "The logs cannot be written" in done.stderr
    assert "--logs" in done.stderr
    assert list((tmp_path / "ran").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("where", ["logs", "output"])
def test_a_full_disk_ends_a_run_that_goes_on(bundle: Bundle, tmp_path: Path, where: str) -> None:
    path = written(tmp_path, step("S", touches(tmp_path / "ran", "print('x')"), space=numbers("1-3")))
    state = tmp_path / "state"
    if where == "logs":
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "session-1.log").symlink_to("/dev/full")
        done = bundle("run", path, "--state", state, "--logs", tmp_path / "logs")
    else:
        with Path("/dev/full").open("w") as full:
            command = [sys.executable, "-c", CODE, "session", "run", str(path), "--state", str(state)]
            done = subprocess.run(
                command, env=bundle.environ, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
            )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr
    assert bundle.json("resume", state)["state"] == "ok"
    assert sorted(one.name for one in (tmp_path / "ran").iterdir()) == ["1", "2", "3"]


@pytest.fixture
def other_user() -> Iterator[str]:
    """A user that is made for a test."""
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, ("sudo", "useradd", "userdel"))):
        pytest.skip("needs sudo, and the right to make a user")
    name = f"bundle-{os.getpid()}"
    made = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", name]
    subprocess.run(made, check=True)
    try:
        yield name
    finally:
        subprocess.run(["userdel", name], check=True)


def test_a_session_of_another_user_leaves_nothing(bundle: Bundle, tmp_path: Path, other_user: str) -> None:
    own = {"command": "sh", "args": ["-c", "id -un; echo told > made; setsid sleep 600 & echo child $!"]}
    path = written(tmp_path, step("S", own, space=numbers("1-2")))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        Path(place).chmod(0o755)
        done = bundle("run", path, "--user", other_user, "--root", f"{place}/new", "--parallel", "2")
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(Path(place, "new").iterdir()) == []
    assert done.stdout.count(f"] {other_user}\n") == 2
    children = [int(line.split()[-1]) for line in done.stdout.splitlines() if "] child " in line]
    assert len(children) == 2
    for child in children:
        assert_dies(child)


def test_a_user_that_cannot_reach_the_folder_is_told(bundle: Bundle, tmp_path: Path, other_user: str) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    path = written(tmp_path, step("S", touches(tmp_path / "ran"), space=numbers("1-2")))
    done = bundle("run", path, "--user", other_user, "--root", tmp_path / "closed" / "root")
    assert done.returncode == 2
    assert "cannot reach" in done.stderr
    assert "--root" in done.stderr
