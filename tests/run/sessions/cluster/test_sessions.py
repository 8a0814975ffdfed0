from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bundle.model.platforms import PLATFORMS
from tests.artifacts.trees import File
from tests.make.projects import leftovers
from tests.run.cluster.clusters import Grid, environ_of, grid
from tests.run.install.shipped import SITE, VERSION, Shop

pytestmark = pytest.mark.real


def template(folder: Path, script: str, *, tasks: int, environment: bool = True) -> Path:
    """Write a job whose tasks run a shell script each, in sessions that note their environment's enter and exit."""
    note = f"echo $1 $2 >> {folder}/environments"
    actions = {one: {"command": "sh", "args": ["-c", note, "sh", one, "job"]} for one in ("onEnter", "onExit")}
    job: dict[str, Any] = {
        "specificationVersion": "jobtemplate-2023-09",
        "name": "Effects",
        "jobEnvironments": [{"name": "Job", "script": {"actions": actions}}] if environment else None,
        "steps": [
            {
                "name": "First",
                "parameterSpace": {"taskParameterDefinitions": [{"name": "N", "type": "INT", "range": f"1-{tasks}"}]},
                "script": {"actions": {"onRun": {"command": "sh", "args": ["-c", script, "sh", "{{Task.Param.N}}"]}}},
            },
            {
                "name": "Second",
                "dependencies": [{"dependsOn": "First"}],
                "script": {"actions": {"onRun": {"command": "sh", "args": ["-c", script, "sh", "last"]}}},
            },
        ],
    }
    path = folder / "job.json"
    path.write_text(json.dumps({key: value for key, value in job.items() if value is not None}))
    return path


def started(grid: Grid, folder: Path, *words: str | Path) -> subprocess.Popen[bytes]:
    """Start a run on the cluster."""
    command = [sys.executable, "-P", "-m", "bundle", "--json", "session", *map(str, words), "--scheduler", grid.address]
    return subprocess.Popen(
        command, env=environ_of(folder / "own"), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_job_runs_on_all_workers_and_loses_nothing_when_one_is_killed(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    path = template(tmp_path, f'sleep 0.1; echo "$1" >> {effects}', tasks=200)
    with grid(tmp_path, 3) as started_grid:
        process = started(started_grid, tmp_path, "run", path)
        while len(lines_of(effects)) < 60:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        started_grid.workers["worker-2"].kill()
        output, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors.decode()
    result = json.loads(output)
    assert [one["ok"] for one in result["steps"]] == [200, 1]
    had = Counter(lines_of(effects))
    assert set(had) == {*map(str, range(1, 201)), "last"}
    again = {one["parameters"].get("N") for one in result["tasks"] if one["attempts"] > 1}
    assert {one for one, count in had.items() if count > 1} <= again
    assert len(again) <= 1
    assert lines_of(effects)[-1] == "last"
    # What a worker held that is killed cannot be exited.
    assert Counter(lines_of(tmp_path / "environments")) == {"onEnter job": 3, "onExit job": 2}


def test_cancelling_a_job_ends_its_processes_and_exits_its_environments(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    path = template(tmp_path, f'echo "begun $1" >> {effects}; sleep 4; echo "done $1" >> {effects}', tasks=4)
    with grid(tmp_path, 2) as started_grid:
        process = started(started_grid, tmp_path, "run", path)
        while len(lines_of(effects)) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        time.sleep(4)
    assert process.returncode == 130
    assert {line.split()[0] for line in lines_of(effects)} == {"begun"}
    assert Counter(lines_of(tmp_path / "environments")) == {"onEnter job": 2, "onExit job": 2}


def test_a_worker_that_is_asked_to_end_gives_its_tasks_to_others(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    path = template(tmp_path, f'sleep 0.5; echo "$1" >> {effects}', tasks=12)
    with grid(tmp_path, 2) as started_grid:
        process = started(started_grid, tmp_path, "run", path)
        while len(lines_of(effects)) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        code = started_grid.workers["worker-2"].end()
        output, errors = process.communicate(timeout=60)
    assert (code, process.returncode) == (0, 0), errors.decode()
    result = json.loads(output)
    had = Counter(lines_of(effects))
    assert set(had) == {*map(str, range(1, 13)), "last"}
    # A task may have had its effect when its worker is asked to end, which is reported.
    again = {one["parameters"].get("N") for one in result["tasks"] if one["attempts"] > 1}
    assert {one for one, count in had.items() if count > 1} <= again
    assert [one["ok"] for one in result["steps"]] == [12, 1]
    assert Counter(lines_of(tmp_path / "environments")) == {"onEnter job": 2, "onExit job": 2}


def test_secrets_are_masked_before_they_leave_the_worker(tmp_path: Path) -> None:
    path = template(tmp_path, "echo my-secret-word; echo my-secret-word | base64", tasks=1, environment=False)
    job = json.loads(path.read_text())
    job["parameterDefinitions"] = [{"name": "Pass", "type": "STRING"}]
    path.write_text(json.dumps(job))
    with grid(tmp_path, 1) as started_grid:
        process = started(started_grid, tmp_path, "run", path, "-p", "Pass=my-secret-word", "--secret", "Pass")
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert b"***" in errors
    assert b"my-secret-word" not in output + errors


def test_lines_of_sessions_that_begin_at_once_on_a_worker_come_once(tmp_path: Path) -> None:
    path = template(tmp_path, 'echo "line $1"; sleep 0.3', tasks=8, environment=False)
    with grid(tmp_path) as started_grid:
        started_grid.add("worker", "--slots", "4")
        _, errors = ended(started(started_grid, tmp_path, "run", path))
    had = Counter(line.split("] ")[-1] for line in errors.splitlines() if "] line " in line)
    assert had == Counter({f"line {one}": 1 for one in [*range(1, 9), "last"]})


def which(effects: Path) -> str:
    """Return a script that notes which Python comes first."""
    return f'echo "$(command -v python3)" >> {effects}; sleep 0.2'


def ended(process: subprocess.Popen[bytes], code: int = 0) -> tuple[str, str]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors.decode()
    return output.decode(), errors.decode()


def install(folder: Path, *words: str | Path) -> None:
    """Install a bundle on the submitter's machine."""
    command = [sys.executable, "-P", "-m", "bundle", "install", *map(str, words)]
    subprocess.run(command, env=environ_of(folder / "own"), cwd=folder, check=True, stderr=subprocess.DEVNULL)


def test_workers_install_the_runtime_from_a_remote_once_each(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "dist")
    shop.build()
    effects = tmp_path / "effects"
    path = template(tmp_path, which(effects), tasks=8, environment=False)
    with grid(tmp_path, 1) as started_grid:
        shared = {"BUNDLE_DATA_DIR": str(tmp_path / "shared"), "BUNDLE_CACHE_DIR": str(tmp_path / "cache")}
        for name in ("worker-2", "worker-3"):
            started_grid.add(name, "--slots", "2", environ=shared)
        source = ("--runtime", VERSION, "--runtime-from", shop.publish())
        ended(started(started_grid, tmp_path, "run", path, *source))
        ended(started(started_grid, tmp_path, "run", path, *source))
    folders = [tmp_path / "worker-1" / "data", tmp_path / "shared"]
    assert {*lines_of(effects)} <= {str(one / "installed" / VERSION / "bin" / "python3") for one in folders}
    assert str(folders[1] / "installed" / VERSION / "bin" / "python3") in lines_of(effects)
    assert len(lines_of(effects)) == 18
    assert leftovers(tmp_path / "cache", tmp_path / "shared" / "installed", tmp_path / "worker-1" / "cache") == []


def test_workers_get_the_runtime_of_the_submitter_though_one_is_killed_meanwhile(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "dist")
    shop.build({f"large{one} 1.0": {f"{SITE}/large{one}.py": File(os.urandom(2**24))} for one in range(4)})
    install(tmp_path, VERSION, "--from", shop.folder)
    effects = tmp_path / "effects"
    path = template(tmp_path, which(effects), tasks=4, environment=False)
    with grid(tmp_path, 2) as started_grid:
        process = started(started_grid, tmp_path, "run", path, "--runtime", VERSION)
        while not list((tmp_path / "worker-1" / "cache").glob("work/*/*")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        started_grid.workers["worker-1"].kill()
        ended(process)
        started_grid.add("worker-1")
        ended(started(started_grid, tmp_path, "run", path, "--runtime", VERSION))
    for name in ("worker-1", "worker-2"):
        assert leftovers(tmp_path / name / "cache", tmp_path / name / "data" / "cluster" / "installed") == []
    found = {Path(line).relative_to(tmp_path).parts[:4] for line in lines_of(effects)}
    assert found == {(f"worker-{one}", "data", "cluster", "installed") for one in (1, 2)}
    assert len(lines_of(effects)) == 10


def test_a_runtime_that_no_worker_can_run_is_refused_at_the_start(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "dist")
    shop.build(platform=PLATFORMS["windows-x64"])
    install(tmp_path, VERSION, "--from", shop.folder, "--platform", "windows-x64", "--into", tmp_path / "windows")
    path = template(tmp_path, "true", tasks=1, environment=False)
    with grid(tmp_path, 1) as started_grid:
        _, errors = ended(started(started_grid, tmp_path, "run", path, "--runtime", VERSION), 2)
        assert "runs what the bundle is for: windows-x64" in errors
        _, errors = ended(started(started_grid, tmp_path, "run", path, "--runtime", "3.12.10-other"), 2)
        assert "has no 3.12.10-other, and cannot get it" in errors
        _, errors = ended(started(started_grid, tmp_path, "run", path, "--user", "nobody-of-this-name"), 2)
        assert "no user 'nobody-of-this-name'" in errors
        assert "on the worker worker-" in errors


def test_a_run_whose_submitter_is_killed_goes_on_with_the_rest(tmp_path: Path) -> None:
    effects, state = tmp_path / "effects", tmp_path / "state"
    path = template(tmp_path, f'echo "begun $1" >> {effects}; sleep 1; echo "done $1" >> {effects}', tasks=10)
    with grid(tmp_path, 2) as started_grid:
        process = started(started_grid, tmp_path, "run", path, "--state", state)
        while len(lines_of(state / "tasks.jsonl")) < 4:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.kill()
        process.communicate()
        recorded = {json.loads(line)["parameters"]["N"] for line in lines_of(state / "tasks.jsonl")}
        output, _ = ended(started(started_grid, tmp_path, "resume", state))
    had = Counter(line for line in lines_of(effects))
    assert [one["ok"] for one in json.loads(output)["steps"]] == [10, 1]
    assert {line.split()[1] for line in had if line.startswith("done")} == {*map(str, range(1, 11)), "last"}
    # What had its effect after the submitter was killed had it again, and that is told.
    again = {one["parameters"].get("N") for one in json.loads(output)["tasks"] if one["attempts"] > 1}
    assert {line.split()[1] for line, count in had.items() if count > 1} <= again
    assert again.isdisjoint(recorded)
    assert not had - Counter(2 * list(had))
