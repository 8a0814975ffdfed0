from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions.job import Job
from bundle.run.sessions.log import Line
from bundle.run.sessions.session import Session, Settings
from tests.base.processes.children import assert_dies, until
from tests.run.sessions.templates import environment, job, numbers, script, step

pytestmark = pytest.mark.real

NOTHING = script("")


class Opened:
    """A session with its output."""

    def __init__(self, found: Job, root: Path, **settings: Any) -> None:
        self.lines: list[str] = []
        environ: Mapping[str, str] = settings.pop("environ", os.environ)
        self.session = Session(found, Settings(root=root, environ=environ, **settings), f"s-{root.name}", self._take)

    def _take(self, line: Line) -> None:
        if line.output:
            self.lines.append(line.text)

    def begin(self, name: str, task: int = 0) -> threading.Thread:
        thread = threading.Thread(target=lambda: setattr(self, "ended", self.session.run(name, task)))
        thread.start()
        return thread


def test_environments_are_entered_once_and_exited_in_reverse(tmp_path: Path) -> None:
    found = job(
        step("A", script("print('A', {{Task.Param.N}})"), space=numbers("1-2"),
             stepEnvironments=[environment("of-a", script("print('in a')"), script("print('out a')"))]),
        step("B", script("import os; print('B', os.environ['SET'], os.environ['OWN'])")),
        jobEnvironments=[
            environment("outer", script("print('openjd_env: SET=x')"), script("print('out outer')")),
            environment("inner"),
        ],
    )  # fmt: skip
    opened = Opened(found, tmp_path)
    with opened.session as session:
        results = [session.run("A", 0), session.run("A", 1), session.run("B", 0)]
        assert session.usable
    assert [(one.step, one.task, one.state, one.exit_code) for one in results] == [
        ("A", 0, "ok", 0), ("A", 1, "ok", 0), ("B", 0, "ok", 0),
    ]  # fmt: skip
    assert results[1].parameters == {"N": "2"}
    assert opened.lines == ["openjd_env: SET=x", "in a", "A 1", "A 2", "out a", "B x inner", "out outer"]
    assert list(tmp_path.iterdir()) == []


def test_after_a_failure_environments_are_exited_all_the_same(tmp_path: Path) -> None:
    found = job(
        step("A", script("import sys; print('openjd_fail: too hot'); sys.exit(7)")),
        jobEnvironments=[environment(name, script(""), script(f"print('out {name}')")) for name in ("one", "two")],
    )
    opened = Opened(found, tmp_path)
    result = opened.session.run("A", 0)
    assert (result.state, result.exit_code, result.message) == ("failed", 7, "too hot")
    assert not opened.session.usable
    assert opened.session.close() == ()
    assert opened.lines[-2:] == ["out two", "out one"]


def test_an_environment_that_fails_is_exited_too(tmp_path: Path) -> None:
    broken = environment("broken", script("import sys; sys.exit(3)"), script("print('out broken')"))
    found = job(step("A", NOTHING, stepEnvironments=[broken]))
    opened = Opened(found, tmp_path)
    result = opened.session.run("A", 0)
    assert (result.state, result.exit_code) == ("failed", 3)
    assert "broken" in result.message
    assert opened.session.failed_environment == ("broken", "A")
    opened.session.close()
    assert opened.lines == ["out broken"]


def test_an_exit_that_fails_is_told(tmp_path: Path) -> None:
    leave = script("import sys; sys.exit(4)")
    found = job(step("A", NOTHING), jobEnvironments=[environment("e", script(""), leave)])
    opened = Opened(found, tmp_path)
    assert opened.session.run("A", 0).state == "ok"
    assert [(one.environment, one.exit_code) for one in opened.session.close()] == [("e", 4)]


def test_a_task_may_take_only_its_time(tmp_path: Path) -> None:
    opened = Opened(job(step("A", script("import time; time.sleep(600)", timeout=1))), tmp_path)
    with opened.session as session:
        assert session.run("A", 0).state == "timeout"


def test_a_cancelled_task_leaves_no_process(tmp_path: Path) -> None:
    code = (
        "import subprocess,sys,time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
        "start_new_session=True, env={}); print('child', p.pid, flush=True); time.sleep(600)"
    )
    found = job(step("A", script(code)), jobEnvironments=[environment("e", script(""), script("print('out e')"))])
    opened = Opened(found, tmp_path)
    running = opened.begin("A")
    until(lambda: any(line.startswith("child") for line in opened.lines))
    opened.session.cancel()
    running.join(60)
    assert opened.session.run("A", 0).state == "cancelled"
    opened.session.close()
    assert opened.lines[-1] == "out e"
    assert_dies(int(opened.lines[0].split()[1]))


def test_a_task_may_end_by_itself_when_it_is_cancelled(tmp_path: Path) -> None:
    code = (
        "import signal,sys,time\n"
        "def ended(*_): print('asked', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, ended); print('ready', flush=True); time.sleep(600)"
    )
    notify = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 100}
    opened = Opened(job(step("A", script(code, cancelation=notify))), tmp_path)
    running = opened.begin("A")
    until(lambda: "ready" in opened.lines)
    opened.session.cancel()
    running.join(60)
    assert not running.is_alive()
    assert "asked" in opened.lines
    opened.session.close()


def test_one_that_does_not_end_is_killed_at_the_second_request(tmp_path: Path) -> None:
    code = "import signal,time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    notify = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": 500}
    opened = Opened(job(step("A", script(code, cancelation=notify))), tmp_path)
    running = opened.begin("A")
    until(lambda: "ready" in opened.lines)
    opened.session.cancel()
    opened.session.cancel(0.0)
    running.join(60)
    assert not running.is_alive()
    opened.session.close()


def test_what_holds_the_output_open_does_not_hold_the_task(tmp_path: Path) -> None:
    code = (
        "import subprocess,sys; "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)"
    )
    with Opened(job(step("A", script(code))), tmp_path).session as session:
        started = time.monotonic()
        assert session.run("A", 0).state == "ok"
    assert time.monotonic() - started < 60


SERVER = (
    "import os,sys,time\n"
    "if os.fork(): print('ready'); sys.exit()\n"
    "os.setsid()\n"
    "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
    "for _ in range(3): print('openjd_env: LATE=x', flush=True)\n"
    "open(sys.argv[1] + '-told', 'w').close()\n"
    "time.sleep(600)"
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_is_left_running_may_write_and_tells_the_session_nothing(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    found = job(
        step("A", script("import os; print('LATE' in os.environ)")),
        jobEnvironments=[environment("server", script(SERVER, str(sign)))],
    )
    (tmp_path / "root").mkdir()
    opened = Opened(found, tmp_path / "root")
    with opened.session as session:
        assert session.run("A", 0).state == "ok"
        sign.touch()
        until((tmp_path / "sign-told").exists)
        assert session.run("A", 0).state == "ok"
        until(lambda: len(opened.lines) == 6)
    assert sorted(opened.lines) == ["False", "False", *["openjd_env: LATE=x"] * 3, "ready"]


def test_a_log_that_takes_its_time_loses_nothing(tmp_path: Path) -> None:
    found = job(
        step("A", script("import os; print(len(os.environ['TOLD']))")),
        jobEnvironments=[
            environment("many", script("for n in range(3000): print('x' * 10)\nprint('openjd_env: TOLD=yes')"))
        ],
    )
    opened = Opened(found, tmp_path)
    slow = threading.Event()

    def take(line: Line) -> None:
        opened.lines.append(line.text)
        if len(opened.lines) == 2000:
            slow.wait(2.5)

    opened.session = Session(found, Settings(root=tmp_path, environ=os.environ), "slow", take)
    with opened.session as session:
        assert session.run("A", 0).state == "ok"
    assert "3" in opened.lines


def test_actions_have_the_variables_that_are_given(tmp_path: Path) -> None:
    os.environ["ONLY_OURS"] = "x"
    try:
        code = "import os; print(sorted(set(os.environ) & {'ONLY_OURS', 'GIVEN'}))"
        opened = Opened(job(step("A", script(code))), tmp_path, environ={"GIVEN": "1", "PATH": os.environ["PATH"]})
        with opened.session as session:
            session.run("A", 0)
    finally:
        del os.environ["ONLY_OURS"]
    assert opened.lines == ["['GIVEN']"]


def test_secrets_are_masked_in_every_form(tmp_path: Path) -> None:
    code = (
        "import base64,json; s='hunter-\"two\"'; print(s); print(base64.b64encode(s.encode()).decode()); "
        "print(json.dumps(s)); print('clear')"
    )
    found = job(
        step("A", script(code)),
        parameterDefinitions=[{"name": "Secret", "type": "STRING"}],
        jobEnvironments=[{"name": "e", "variables": {"PW": "swordfish-9"}}],
        parameters={"Secret": 'hunter-"two"'},
    )
    lines: list[str] = []
    settings = Settings(root=tmp_path, environ=os.environ, secrets=("Secret", "PW"))
    with Session(found, settings, "s-secrets", lambda line: lines.append(line.text)) as session:
        session.run("A", 0)
    text = "\n".join(lines)
    for secret in ("hunter", "aHVudGVy", "swordfish"):
        assert secret not in text
    assert "Setting: PW=***" in text
    assert "clear" in text


def test_redacted_variables_are_masked_in_other_forms_too(tmp_path: Path) -> None:
    enter = script("print('openjd_redacted_env: PW=open-sesame-7')")
    code = "import base64,os; pw = os.environ['PW']; print('X', pw, base64.b64encode(pw.encode()).decode())"
    found = job(step("A", script(code)), jobEnvironments=[environment("e", enter)], extensions=["REDACTED_ENV_VARS"])
    opened = Opened(found, tmp_path)
    with opened.session as session:
        assert session.run("A", 0).state == "ok"
    assert opened.lines[-1] == "X ******** ***"


def test_a_session_of_another_folder_does_not_mix(tmp_path: Path) -> None:
    found = job(step("A", script("print('{{Session.WorkingDirectory}}')")))
    opened = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        opened.append(Opened(found, tmp_path / name, keep=True))
    threads = [one.begin("A") for one in opened]
    for thread in threads:
        thread.join(60)
    for one in opened:
        one.session.close()
        assert one.lines == [str(one.session.folder)]
        assert one.session.folder is not None
        assert one.session.folder.is_dir()


def test_unknown_steps_and_tasks_are_refused(tmp_path: Path) -> None:
    opened = Opened(job(step("A", NOTHING, space=numbers([1, 2]))), tmp_path)
    with opened.session as session:
        with pytest.raises(ConfigError):
            session.run("B", 0)
        with pytest.raises(ConfigError):
            session.run("A", {"N": "3"})
        with pytest.raises(ConfigError):
            session.run("A", {"M": "1"})
        assert session.run("A", {"N": "2"}).parameters == {"N": "2"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_user_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    opened = Opened(job(step("A", NOTHING)), tmp_path, user="nobody-of-this-name")
    with opened.session as session, pytest.raises(ConfigError, match="no user 'nobody-of-this-name'"):
        session.run("A", 0)


def test_inherited_variables_are_in_no_file_and_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_TOKEN", "of-the-host-77")
    code = (
        "import os,pathlib; print('openjd_session_runtime_loglevel: DEBUG'); "
        "print('has', 'HOST_TOKEN' in os.environ, "
        "any(os.environ['HOST_TOKEN'] in p.read_text() for p in pathlib.Path.cwd().rglob('*') if p.is_file()))"
    )
    lines: list[Line] = []
    found = job(step("A", script(code), space=numbers("1-2")))
    with Session(found, Settings(root=tmp_path, environ=dict(os.environ)), "s-debug", lines.append) as session:
        assert [session.run("A", place).state for place in range(2)] == ["ok", "ok"]
    assert [line.text for line in lines if line.text.startswith("has")] == ["has True False"] * 2
    assert not any("of-the-host-77" in line.text for line in lines)
