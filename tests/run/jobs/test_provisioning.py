from __future__ import annotations

import json
import signal
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.run.environments.apps import BUNDLE, PYTHON, App, simple

pytestmark = pytest.mark.real

SCRIPT = "import sys, greeter; print(sys.prefix); print(greeter.__file__)\n"


@pytest.fixture
def app(tmp_path: Path) -> App:
    found = simple(tmp_path)
    (found.folder / "app.py").write_text(SCRIPT)
    return found


def configured(app: App, environment: Any, *macros: dict[str, Any], folder: Path | None = None, **more: Any) -> None:
    runtime = {"environment": environment, "macros": list(macros), **more}
    document = {"jobId": "7", "engineType": "python", "packageName": "app.py", "runtimeConfig": runtime}
    ((folder or app.folder) / "job.json").write_text(json.dumps(document))


def sources(app: App, **more: str) -> tuple[dict[str, Any], ...]:
    """Return macros by which uv finds packages among the test's own wheels."""
    found = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(app.folder / "wheels"), **more}
    return tuple({"key": key, "value": value} for key, value in found.items())


def run(app: App, folder: Path | None = None) -> tuple[dict[str, Any], str]:
    _, output, messages = app.run("job", "run", str(folder or app.folder), "--json")
    assert output, messages
    return json.loads(output), messages


def test_jobs_with_the_same_lock_share_an_environment(app: App, tmp_path: Path) -> None:
    configured(app, "pylock.toml")
    outcome, messages = run(app)
    assert outcome["state"] == "finished_ok", messages
    (made,) = app.made()
    assert f"{made}\n" in messages
    # Another job, whose lock lies elsewhere and whose text stands in the configuration.
    other = tmp_path / "other"
    other.mkdir()
    (other / "app.py").write_text(SCRIPT)
    (other / "wheels").mkdir()
    lock = (app.folder / "pylock.toml").read_bytes()
    (other / "pylock.toml").write_bytes(lock)
    wheel = next((app.folder / "wheels").glob("*.whl"))
    (other / "wheels" / wheel.name).write_bytes(wheel.read_bytes())
    configured(app, {"pylock": "pylock.toml"}, folder=other)
    outcome, messages = run(app, other)
    assert outcome["state"] == "finished_ok", messages
    assert app.made() == [made]
    assert "making" not in messages
    # What it leaves is none of the job's files.
    assert outcome["files"] == []


def test_a_list_of_requirements_is_locked_once(app: App) -> None:
    configured(app, ["greeter>=1"], *sources(app))
    for _ in range(2):
        outcome, messages = run(app)
        assert outcome["state"] == "finished_ok", messages
        (made,) = app.made()
        assert f"{made}\n" in messages
    app.wheel("unneeded")
    (lock,) = (app.envs / "locks").glob("*/pylock.toml")
    assert "greeter" in lock.read_text()
    assert [path.name for path in lock.parent.iterdir() if path.suffix != ".yml"] == ["pylock.toml"]
    # Another order of the same, and other sources.
    configured(app, {"requirements": ["greeter>=1"], "python": PYTHON}, *sources(app))
    assert run(app)[0]["state"] == "finished_ok"
    assert len(app.made()) <= 2
    assert app.run("env", "prune", "--older-than", "0h")[0] == 0
    assert not [*(app.envs / "locks").iterdir()]


def test_a_lock_in_the_configuration_needs_no_file(app: App) -> None:
    configured(app, 'lock-version = "1.0"\ncreated-by = "tests"\npackages = []\n')
    (app.folder / "app.py").write_text("import sys; print(sys.prefix != sys.base_prefix)")
    outcome, messages = run(app)
    assert (outcome["state"], "True\n" in messages) == ("finished_ok", True), messages


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (["absent-package>=3"], "absent-package"),
        ("pylock.none.toml", "cannot be read"),
        ("not toml\n", "no lock"),
        ('packages = [{name = "a", wheels = [{path = "../../etc/passwd"}]}]\n', "leads upward"),
        ('packages = [{name = "a", wheels = [{path = "a.whl"}]}]\n', "not beside it"),
        ({"requirements": ["greeter"], "python": "3.39"}, "no Python 3.39"),
        ("bundle:9.9.9-none", "not installed"),
    ],
)
def test_what_cannot_be_made_is_a_failed_job_with_the_reason(app: App, environment: Any, words: str) -> None:
    configured(app, environment, *sources(app))
    code, output, messages = app.run("job", "run", str(app.folder), "--json")
    assert code in (1, 2)
    assert words in messages
    assert app.made() == []
    if code == 1:
        outcome = json.loads(output)
        assert outcome["state"] == "finished_error"
        assert "could not be made" in outcome["reason"]
        assert outcome["exitCode"] is None


def test_secrets_are_masked_in_what_the_installer_says(app: App) -> None:
    command = [*BUNDLE, "job", "encrypt"]
    done = subprocess.run(command, input="hunter2hunter2", env=app.environ, capture_output=True, text=True, check=True)
    secret = {"key": "UV_FIND_LINKS", "value": done.stdout.strip(), "secure": True}
    configured(app, ["greeter"], secret, {"key": "UV_NO_INDEX", "value": "1"})
    outcome, messages = run(app)
    assert outcome["state"] == "finished_error"
    assert "***" in messages
    assert "hunter2" not in messages
    assert not [path for path in app.cache.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_a_changed_wheel_is_refused(app: App) -> None:
    configured(app, "pylock.toml")
    lock = app.folder / "pylock.toml"
    text = lock.read_text()
    place = text.index('sha256 = "') + len('sha256 = "')
    lock.write_text(text[:place] + "0" * 64 + text[place + 64 :])
    outcome, messages = run(app)
    assert outcome["state"] == "finished_error"
    assert "Hash mismatch" in messages


def slow(app: App, tmp_path: Path) -> Path:
    """Let the environment take a minute, which its mark tells to have begun."""
    mark = tmp_path / "mark"
    folder = app.slow_source(60.0, mark)
    with tarfile.open(app.folder / "wheels" / "slow-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder, "slow-1.0")
        (tmp_path / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
        archive.add(tmp_path / "PKG-INFO", "slow-1.0/PKG-INFO")
    return mark


def test_the_time_limit_and_a_stop_hold_while_an_environment_is_made(app: App, tmp_path: Path) -> None:
    mark = slow(app, tmp_path)
    app.lock([app.folder / "wheels" / "slow-1.0.tar.gz"])
    configured(app, "pylock.toml", timeout=4)
    started = time.monotonic()
    outcome, messages = run(app)
    assert outcome["state"] == "finished_error", messages
    assert "time limit" in outcome["reason"]
    assert time.monotonic() - started < 50
    assert app.made() == []
    mark.unlink(missing_ok=True)
    configured(app, "pylock.toml")
    with app.start("job", "run", str(app.folder), "--json") as process:
        waiting = threading.Event()
        for _ in range(600):
            if mark.exists():
                break
            waiting.wait(0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=50)
    assert mark.read_text() == "begun\n"
    assert app.made() == []
