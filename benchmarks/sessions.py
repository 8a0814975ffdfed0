"""Sessions: the cost of a task beside the bare library's, and of sessions beside each other.

Run it from the repository: `.venv/bin/python -m benchmarks.sessions [ROUNDS]`. A job of 100 tasks that do nothing runs
in the bare library as its own documentation does it, and in one session of ours; both take turns in this process. Then
the command line runs 8 tasks of half a second with `--parallel 4`, as a person does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bundle.run.sessions.job import Job, JobInput, load
from bundle.run.sessions.run import Plan, Run
from bundle.run.sessions.schedule import StepWork
from bundle.run.sessions.session import Settings

TASKS = 100


def job(command: str, tasks: int, *arguments: str) -> dict[str, Any]:
    """Return a template with one step of tasks."""
    space = {"taskParameterDefinitions": [{"name": "N", "type": "INT", "range": f"1-{tasks}"}]}
    script = {"actions": {"onRun": {"command": command, "args": list(arguments)}}}
    steps = [{"name": "S", "parameterSpace": space, "script": script}]
    return {"specificationVersion": "jobtemplate-2023-09", "name": "Benchmark", "steps": steps}


def bare(found: Job, root: Path) -> None:
    """Run all tasks with the library alone."""
    from openjd.sessions import ActionStatus, Session

    ended = threading.Event()

    def told(_: str, status: ActionStatus) -> None:
        if status.state.value != "running":
            ended.set()

    step = found.steps[0]
    with Session(
        session_id="bare", job_parameter_values=found.created.values, callback=told, session_root_directory=root
    ) as session:
        for place in range(step.count):
            ended.clear()
            session.run_task(step_script=step.library.script, task_parameter_values=step.values(place))
            ended.wait()


def ours(found: Job, root: Path) -> None:
    """Run all tasks in one session of ours."""
    plan = Plan(
        work=[StepWork(found.steps[0], range(found.steps[0].count))], settings=Settings(root=root, environ=os.environ)
    )
    result = Run(found, plan, output=lambda _: None).run()
    assert result.state == "ok", result


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(rounds: int) -> None:
    """Print the times."""
    found = load(JobInput(template=job("true", TASKS, "-"), folder="/", cwd="/"))
    times: dict[str, list[float]] = {"the library alone": [], "a session of ours": [], "--parallel 4": []}
    with tempfile.TemporaryDirectory(prefix="bundle-sessions-") as place:
        template = Path(place) / "template.json"
        template.write_text(json.dumps(job("sleep", 8, "0.5")))
        command = [sys.executable, "-m", "bundle", "session", "run", str(template), "--parallel", "4", "--quiet"]
        environ = {**os.environ, "BUNDLE_DATA_DIR": str(Path(place) / "data")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)  # Users do not set it.
        for _ in range(rounds):
            times["the library alone"].append(seconds_of(lambda: bare(found, Path(place))) / TASKS)
            times["a session of ours"].append(seconds_of(lambda: ours(found, Path(place))) / TASKS)
            times["--parallel 4"].append(
                seconds_of(lambda: subprocess.run(command, env=environ, check=True, capture_output=True))
            )
    for what in ("the library alone", "a session of ours"):
        print(f"{what}: {statistics.median(times[what]) * 1000:.2f} ms per task (best {min(times[what]) * 1000:.2f})")
    whole = times["--parallel 4"]
    print(f"8 tasks of 0.5 s, --parallel 4: {statistics.median(whole):.2f} s (best {min(whole):.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
