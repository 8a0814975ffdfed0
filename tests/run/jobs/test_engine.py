from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.base.processes.supervised import Limits
from bundle.run.jobs.command import Job
from bundle.run.jobs.config import JobConfig, Macro, Meaning
from bundle.run.jobs.engine import Engine, Surroundings
from bundle.run.jobs.installation import Installation, Validator
from bundle.run.jobs.keys import Keys, new_key
from bundle.run.jobs.outcome import State, WrittenFile

pytestmark = pytest.mark.real

KEYS = Keys((new_key(),))


def here(_: str) -> Installation:
    return Validator().installed(sys.executable)


class Run:
    """A job in a folder of its own, and what came of it."""

    def __init__(self, folder: Path, script: str, *macros: Macro, **config: Any) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "app.py").write_text(script)
        self.output = bytearray()
        self.states: list[State] = []
        self.warnings: list[str] = []
        config.setdefault("limits", Limits(grace=0.5))
        self.engine = Engine(
            Job(config=JobConfig(job_id="7", package="app.py", macros=macros, **config), folder=folder),
            Surroundings(python=here, environ=dict(os.environ), keys=KEYS),
            output=self.output.extend,
            warn=self.warnings.append,
            changed=self.states.append,
        )

    def wait_for(self, text: bytes) -> None:
        deadline = time.monotonic() + 30
        while text not in self.output:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_job_goes_through_its_states(tmp_path: Path) -> None:
    job = Run(tmp_path, "import json, sys\njson.dump({'rows': 3}, open('result.json', 'w'))\nprint('done')")
    with job.engine as engine:
        outcome = engine.run()
    assert job.states == [State.INITIALIZING, State.RUNNING, State.FINISHED_OK]
    assert (outcome.state, outcome.exit_code, outcome.reason) == ("finished_ok", 0, "")
    assert (outcome.result, outcome.files) == ({"rows": 3}, (WrittenFile(path="result.json", size=11),))
    assert job.output.splitlines() == [b"done"]
    assert outcome.peak_memory > 2**20
    assert outcome.started_at is not None
    assert outcome.ended_at is not None
    assert outcome.ended_at >= outcome.started_at


def test_a_result_that_was_there_before_is_not_taken(tmp_path: Path) -> None:
    job = Run(tmp_path, "print()")
    (tmp_path / "result.json").write_text("{}")
    outcome = job.engine.run()
    assert (outcome.result, outcome.files) == (None, ())


def test_exit_codes_are_mapped(tmp_path: Path) -> None:
    meanings = {3: Meaning(state="finished_ok", text="nothing new")}
    outcome = Run(tmp_path, "raise SystemExit(3)", exit_codes=meanings).engine.run()
    assert (outcome.state, outcome.exit_code, outcome.reason) == ("finished_ok", 3, "nothing new")


@pytest.mark.parametrize("step", ["python", "script"])
def test_a_job_that_cannot_start_is_finished_before(tmp_path: Path, step: str) -> None:
    job = Run(tmp_path, "print()")
    if step == "script":
        (tmp_path / "app.py").unlink()
    else:
        job.engine._surroundings = Surroundings(python=lambda _: Validator().installed(" "), environ={})
    with pytest.raises(ConfigError), job.engine as engine:
        engine.run()
    assert job.states == [State.INITIALIZING, State.FINISHED_ERROR]
    assert job.engine.outcome is not None
    assert job.engine.outcome.exit_code is None
    assert job.output == b""


def test_a_secret_stands_in_nothing_that_comes_out(tmp_path: Path) -> None:
    script = (
        "import base64, json, os, sys\npw = os.environ['PW']\nprint(pw, repr(pw), json.dumps(pw))\n"
        "for sign in pw: sys.stdout.write(sign); sys.stdout.flush()\n"
        "print(base64.b64encode(b'a' + pw.encode()).decode(), pw.encode().hex())\n"
        "open(pw, 'w').close()\njson.dump({'pw': pw}, open('result.json', 'w'))\nraise SystemExit(4)"
    )
    secure = Macro(name="PW", value=KEYS.encrypt("hunter2hunter3"), secure=True)
    meanings = {4: Meaning(state="finished_error", text="see hunter2hunter3")}
    job = Run(tmp_path / "job", script, secure, exit_codes=meanings)
    outcome = job.engine.run()
    for shown in (job.output.decode(), repr(outcome), " ".join(job.warnings)):
        assert "hunter" not in shown
        assert "h1bnRlcj" not in shown
        assert "68756e746572" not in shown
    assert job.output.count(b"***") == 6
    assert outcome.result == {"pw": "***"}


def test_a_job_is_stopped_from_another_thread(tmp_path: Path) -> None:
    job = Run(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(10_000)")

    def stop() -> None:
        job.wait_for(b"ready")
        job.engine.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    outcome = job.engine.run()
    thread.join()
    assert (outcome.state, job.states[-1]) == ("cancelled", State.CANCELLED)
    job.engine.stop()
    job.engine.close()


def test_a_job_that_is_stopped_before_it_runs_never_starts(tmp_path: Path) -> None:
    job = Run(tmp_path, "print()")
    job.engine.init()
    job.engine.stop()
    outcome = job.engine.run()
    assert (outcome.state, outcome.exit_code, bytes(job.output)) == ("cancelled", None, b"")


def test_closing_ends_a_job_that_ignores_all_requests(tmp_path: Path) -> None:
    script = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(10_000)"
    job = Run(tmp_path, script, limits=Limits(grace=3600))
    thread = threading.Thread(target=job.engine.run)
    thread.start()
    job.wait_for(b"ready")
    job.engine.close()
    thread.join(30)
    assert not thread.is_alive()
    assert job.states[-1] is State.CANCELLED


def test_much_output_is_streamed_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import os\nfor _ in range(800): os.write(1, os.urandom(2**16))")
    program = f"""
import os, resource, sys
from pathlib import Path
from bundle.run.jobs.command import Job
from bundle.run.jobs.config import JobConfig
from bundle.run.jobs.engine import Engine, Surroundings
from bundle.run.jobs.installation import Validator
from bundle.run.jobs.keys import Keys, new_key
from bundle.run.jobs.config import Macro
from bundle.run.jobs.log import JobLog
keys = Keys((new_key(),))
macros = (Macro(name="PW", value=keys.encrypt("hunter2hunter2"), secure=True),)
folder = Path({str(tmp_path)!r})
log = JobLog(folder / "log")
job = Job(config=JobConfig(job_id="1", package="app.py", macros=macros), folder=folder)
surroundings = Surroundings(python=lambda _: Validator().installed(sys.executable), environ=os.environ, keys=keys)
engine = Engine(job, surroundings, output=log)
engine.init()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert engine.run().state == "finished_ok"
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (tmp_path / "log").stat().st_size >= 50_000_000
    assert int(done.stdout) < 20_000
