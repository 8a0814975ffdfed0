"""Scripts, configurations and results of jobs that mean harm."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.errors import ConfigError
from bundle.base.processes.supervised import Limits, sweep
from bundle.run.jobs.command import Job
from bundle.run.jobs.config import JobConfig, parse_job_config
from bundle.run.jobs.engine import Engine, Surroundings
from bundle.run.jobs.installation import Validator
from bundle.run.jobs.outcome import Outcome
from bundle.run.jobs.properties import parse_properties
from tests.examples import examples

VALID = {
    "jobId": "1",
    "engineType": "python",
    "packageName": "app",
    "runtimeConfig": {
        "macros": [{"key": "A", "value": "hunter2", "secure": True}],
        "exitCodes": {"3": "ok"},
        "timeout": 3,
        "memoryLimit": "1 GiB",
        "environment": "bundle:3.12",
    },
}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("hunter2"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def refused(call: Callable[[], object]) -> str:
    """Return how a call is refused; empty if it is not."""
    try:
        call()
    except ConfigError as error:
        return error.as_text()
    return ""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values within one."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in below for place in places(item, (*path, key)))]


@given(place=st.sampled_from(places(VALID)[1:]), value=VALUES)
@examples(300)
def test_a_changed_configuration_is_read_or_refused_without_its_values(place: tuple[Any, ...], value: Any) -> None:
    document = json.loads(json.dumps(VALID))
    part = document
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    refusal = refused(lambda: parse_job_config(json.dumps(document)))
    if place[:3] == ("runtimeConfig", "macros", 0):
        assert "hunter2" not in refusal


@given(st.text(st.sampled_from("ab=: \\\n\r\tu0#!$é{}"), max_size=40))
@examples(500)
def test_any_text_is_read_as_properties_or_refused(text: str) -> None:
    refusal = refused(lambda: parse_properties(text))
    assert not refusal or "\\u" in refusal


def ran(folder: Path, script: str, **config: Any) -> tuple[Outcome, bytes]:
    (folder / "app.py").write_text(script)
    output = bytearray()
    limits = Limits(timeout=60, grace=0.3, processes=200)
    engine = Engine(
        Job(config=JobConfig(job_id="1", package="app.py", limits=limits, **config), folder=folder),
        Surroundings(python=lambda _: Validator().installed(sys.executable), environ=dict(os.environ)),
        output=output.extend,
    )
    with engine:
        outcome = engine.run()
    assert sweep(engine.mark) == 0
    return outcome, bytes(output)


POSIX = pytest.mark.skipif(os.name == "nt", reason="these scripts fork")


@POSIX
@pytest.mark.real
@pytest.mark.parametrize(
    "left",
    [
        "os.mkfifo('result.json')",
        "os.symlink('/etc/passwd', 'result.json')",
        "os.symlink('result.json', 'result.json')",
        "os.mkdir('result.json')",
        "open('result.json', 'w').truncate(2**33)",
        "open('result.json', 'w').write('[' * 1_000_000)",
        "open('result.json', 'wb').write(b'\\xff\\xfe')",
        "open('result.json', 'w').write('1' * 100_000)",
    ],
)
def test_a_result_that_is_none_does_no_harm(tmp_path: Path, left: str) -> None:
    outcome, _ = ran(tmp_path, f"import os\n{left}")
    assert (outcome.state, outcome.result) == ("finished_ok", None)


@POSIX
@pytest.mark.real
@pytest.mark.parametrize(
    "script",
    [
        # It closes its output, and goes on in the background.
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.closerange(0, 100)\n    time.sleep(10_000)",
        # A chain of processes, each of which leaves its session and ends.
        "import os, sys, time\nfor _ in range(50):\n    if os.fork(): os._exit(0)\n    os.setsid()\ntime.sleep(10_000)",
        # A process that starts another one whenever it is asked to end.
        (
            "import os, signal, time\ndef again(*_):\n    if os.fork(): os._exit(0)\n    os.setsid()\n"
            "signal.signal(signal.SIGTERM, again)\nif os.fork() == 0:\n    while True: time.sleep(1)"
        ),
        # Zombies that nothing waits for.
        "import os\nfor _ in range(50):\n    if os.fork() == 0: os._exit(0)",
        # A child that is stopped, and does not hear the request.
        "import os, signal, time\npid = os.fork()\nif pid == 0: time.sleep(10_000)\nos.kill(pid, signal.SIGSTOP)",
        # A variable that would find it is removed.
        (
            "import os, sys\nif os.fork() == 0:\n    os.setsid()\n"
            "    os.execve(sys.executable, ['python', '-c', 'import time; time.sleep(10_000)'], {})"
        ),
    ],
)
def test_what_a_script_leaves_behind_ends_with_it(tmp_path: Path, script: str) -> None:
    outcome, _ = ran(tmp_path, script)
    assert outcome.state == "finished_ok"
    assert outcome.warnings == ()


@POSIX
@pytest.mark.real
def test_a_script_that_removes_its_folder_has_an_outcome(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    outcome, _ = ran(folder, "import os, shutil\nshutil.rmtree(os.getcwd())\nprint('gone')")
    assert (outcome.state, outcome.files) == ("finished_ok", ())


@pytest.mark.real
def test_many_files_are_counted_and_few_listed(tmp_path: Path) -> None:
    outcome, _ = ran(tmp_path, "for number in range(3000): open(f'{number}', 'w').close()")
    assert (len(outcome.files), outcome.files_total) == (1000, 3000)


@POSIX
@pytest.mark.real
def test_names_that_deceive_on_a_terminal_are_escaped(tmp_path: Path) -> None:
    outcome, _ = ran(tmp_path, "open('a\\x1b[2Jb', 'w').close()")
    assert [file.path for file in outcome.files] == ["a\\x1b[2Jb"]
