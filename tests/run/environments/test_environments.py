from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.run.environments.apps import App

pytestmark = pytest.mark.real


def wait_for(path: Path, text: str = "") -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


def test_a_command_runs_in_an_environment_that_is_made_once(app: App) -> None:
    assert app.run("env", "run", "app.yml", "greet", "a", "--json", "-x", "--")[:2] == (0, "hello a --json -x --\n")
    (made,) = app.made()
    inode = made.stat().st_ino
    code, output, messages = app.run("env", "run", "app.yml", "greet", "b")
    assert (code, output, messages) == (0, "hello b\n", "")
    assert [path.stat().st_ino for path in app.made()] == [inode]


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("greeter one", "hello one x"),
        ("-m greeter", "hello x"),
        ("script.py 'two words'", "['two words', 'x']"),
        ("./script.py", "['x']"),
        ("-c 'import sys; print(sys.argv[1:])'", "['x']"),
    ],
)
def test_the_first_word_is_a_script_an_option_or_a_file(app: App, command: str, printed: str) -> None:
    (app.folder / "script.py").write_text("import sys\nprint(sys.argv[1:])\n")
    app.write(greet={"command": command})
    for _ in range(2):
        assert app.run("env", "run", "app.yml", "greet", "x")[:2] == (0, f"{printed}\n")


def test_variables_and_paths_come_in_their_order(app: App) -> None:
    show = '-c \'import os; print(os.environ["PATH"]); print(os.environ["DATA"]); print(os.environ.get("PYTHONHOME"))\''
    app.write(
        greet={"command": show, "env": {"DATA": "/data"}, "prepend_paths": ["/opt/b", "tools", "/opt/a"]},
        own={"command": show, "env": {"DATA": "", "PATH": "/only"}, "prepend_paths": ["/opt/b"]},
    )
    for _ in range(2):
        code, output, _ = app.run("env", "run", "app.yml", "greet", PATH="/usr/bin:/bin", DATA="x", PYTHONHOME="")
        folder = app.made()[0]
        path = f"{folder}/bin:/opt/b:{app.folder}/tools:/opt/a:/usr/bin:/bin"
        assert (code, output) == (0, f"{path}\n/data\nNone\n")
        assert app.run("env", "run", "app.yml", "own")[1] == "/only\n\nNone\n"


def test_the_exit_code_and_signals_are_those_of_the_program(app: App) -> None:
    app.write(
        greet={"command": "-c 'import sys; sys.exit(42)'"},
        die={"command": "-c 'import os; os.kill(os.getpid(), 15)'"},
        wait={"command": "wait.py"},
        fresh={"command": "wait.py", "refresh": True},
        fresh_die={"command": "-c 'import os; os.kill(os.getpid(), 15)'", "refresh": True},
        fresh_code={"command": "-c 'import sys; sys.exit(42)'", "refresh": True},
    )
    (app.folder / "wait.py").write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    for _ in range(2):
        assert app.run("env", "run", "app.yml", "greet")[0] == 42
        assert app.run("env", "run", "app.yml", "die")[0] == -signal.SIGTERM
    assert app.run("env", "run", "app.yml", "fresh_code")[0] == 42
    assert app.run("env", "run", "app.yml", "fresh_die")[0] == -signal.SIGTERM
    for name in ("wait", "fresh"):
        with app.start("env", "run", "app.yml", name) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 7
    assert list((app.envs / "ephemeral").iterdir()) == []


def test_eight_processes_make_an_environment_once(app: App, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    app.slow_source(1.0, mark)
    app.write(greet={"command": "greeter", "local_extra_deps": ["slow"]})
    processes = [app.start("env", "run", "app.yml", "greet", str(number)) for number in range(8)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert [output for output, _ in outputs] == [f"hello {number}\n" for number in range(8)]
    assert mark.read_text() == "begun\nended\n"
    assert len(app.made()) == 1
    told = [messages for _, messages in outputs if "waiting for process" in messages]
    pids = {str(process.pid) for process in processes}
    assert told
    for message in told:
        line = next(line for line in message.splitlines() if "waiting" in line)
        assert line.split()[3] in pids
        assert "env run app.yml greet" in line


def test_a_kill_at_any_moment_leaves_nothing_in_the_way(app: App, tmp_path: Path) -> None:
    wheels = [app.wheel(f"part{number}") for number in range(5)]
    app.lock([app.wheel(), *wheels])
    moments = random.Random(5)
    assert app.run("env", "create", "app.yml")[0] == 0
    shutil.rmtree(app.envs)
    started = time.monotonic()
    assert app.run("env", "create", "app.yml")[0] == 0
    whole = time.monotonic() - started
    for _ in range(20):
        shutil.rmtree(app.envs)
        with app.start("env", "create", "app.yml") as process:
            time.sleep(moments.uniform(0.2, 1.0) * whole)
            process.kill()
            process.communicate()
        for made in app.made():
            done = subprocess.run([made / "bin" / "greeter"], capture_output=True, text=True, check=True)
            assert done.stdout == "hello\n"
        assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    (listed,) = json.loads(app.run("env", "list", "--json")[1])["environments"]
    assert listed["state"] == "ready"


def test_an_install_that_loses_its_parent_is_not_joined_by_a_second_one(app: App, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    app.slow_source(4.0, mark)
    app.write(greet={"command": "greeter", "local_extra_deps": ["slow"]})
    with app.start("env", "run", "app.yml", "greet") as first:
        wait_for(mark, "begun")
        first.kill()
        first.communicate()
    code, _, messages = app.run("env", "run", "--timeout", "1", "app.yml", "greet")
    assert code == 1
    assert f"a program that process {first.pid}" in messages
    assert mark.read_text() == "begun\n"
    assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    # The first build came to its end before the second began.
    assert mark.read_text() in ("begun\nended\n" * 2, "begun\nended\n")


def test_what_changes_makes_a_new_environment(app: App) -> None:
    extra = app.wheel("extra", "first", "extras")
    app.write(greet={"command": "extra", "local_extra_deps": ["extras/extra-1.0-py3-none-any.whl"]})
    for _ in range(2):
        assert app.run("env", "run", "app.yml", "greet")[1] == "first\n"
    times = extra.stat()
    app.wheel("extra", "other", "extras")
    os.utime(extra, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert app.run("env", "run", "app.yml", "greet")[1] == "other\n"
    assert len(app.made()) == 2
    lock = app.folder / "pylock.toml"
    times = lock.stat()
    app.lock([app.wheel(), app.wheel("more")])
    os.utime(lock, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert app.run("env", "run", "app.yml", "greet")[1] == "other\n"
    assert len(app.made()) == 3
    states = {one["state"] for one in json.loads(app.run("env", "list", "--json")[1])["environments"]}
    assert states == {"ready", "pylock.toml has changed", "extra-1.0-py3-none-any.whl has changed"} or (
        states == {"ready", "pylock.toml has changed"}
    )


def test_a_change_in_a_source_folder_makes_a_new_environment(app: App, tmp_path: Path) -> None:
    source = app.slow_source(0.0, tmp_path / "mark")
    backend = source / "in_tree" / "backend.py"
    backend.write_text(backend.read_text().replace('{"slow.py": ""}', '{"slow.py": open("text.py").read()}'))
    (source / "text.py").write_text("print('first')\n")
    app.write(greet={"command": "-m slow", "local_extra_deps": ["slow"]})
    for _ in range(2):
        assert app.run("env", "run", "app.yml", "greet")[1] == "first\n"
    (source / "text.py").write_text("print('other')\n")
    assert app.run("env", "run", "app.yml", "greet")[1] == "other\n"
    (source / "pkg").mkdir()
    (source / "pkg" / "__init__.py").write_text("")
    assert app.run("env", "run", "app.yml", "greet")[1] == "other\n"
    assert len(app.made()) == 3


def test_a_moved_cache_still_runs(app: App, tmp_path: Path) -> None:
    assert app.run("env", "run", "app.yml", "greet")[0] == 0
    (made,) = app.made()
    elsewhere = App(app.folder, tmp_path / "else where")
    app.cache.rename(elsewhere.cache)
    for _ in range(2):
        assert elsewhere.run("env", "run", "app.yml", "greet", "x")[1] == "hello x\n"
    assert [path.name for path in elsewhere.made()] == [made.name]
    assert [path.name for path in elsewhere.envs.glob("?" * 32)] == [made.name]


def test_an_ephemeral_environment_is_gone_whatever_happens(app: App) -> None:
    app.write(
        greet={"command": "greeter", "refresh": True},
        broken={"command": "greeter", "refresh": True, "pylock": "pylock.broken.toml"},
        wait={"command": "-c 'import time; print(1, flush=True); time.sleep(60)'", "refresh": True},
    )
    (app.folder / "pylock.broken.toml").write_text("lock-version = 3")
    assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    assert app.run("env", "run", "app.yml", "broken")[0] == 2
    assert list((app.envs / "ephemeral").iterdir()) == []
    with app.start("env", "run", "app.yml", "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        (lock,) = (app.envs / "ephemeral").glob("*.lock")
        (child,) = psutil.Process(process.pid).children()
        process.kill()
        process.wait()
        # The program lives on, and its environment with it.
        assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
        assert lock.with_suffix("").is_dir()
        child.kill()
    assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    assert list((app.envs / "ephemeral").iterdir()) == []


def test_an_environment_in_use_is_not_removed(app: App) -> None:
    app.write(greet={"command": "-c 'print(1, flush=True); input()'"})
    with subprocess.Popen(
        [sys.executable, "-m", "bundle", "env", "run", "app.yml", "greet"],
        cwd=app.folder,
        env=app.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        (made,) = app.made()
        assert app.run("env", "remove", made.name[:8])[0] == 1
        assert app.run("env", "prune", "--older-than", "0d")[0] == 0
        assert app.made() == [made]
        process.communicate("\n")
    assert process.returncode == 0
    assert app.run("env", "prune", "--older-than", "1d")[0] == 0
    assert app.made() == [made]
    assert app.run("env", "remove", made.name[:8])[0] == 0
    assert list(app.envs.glob("?" * 32 + "*")) == []


def test_a_ready_start_imports_next_to_nothing(app: App) -> None:
    app.write(greet={"command": "-c pass"})
    assert app.run("env", "run", "app.yml", "greet")[0] == 0
    time.sleep(2.1)  # Before, a change of a file could be hidden from the times of files.
    assert app.run("env", "run", "app.yml", "greet")[0] == 0
    words = [sys.executable, "-X", "importtime", "-m", "bundle", "env", "run", "app.yml", "greet"]
    done = subprocess.run(words, cwd=app.folder, env=app.environ, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "bundle.run.environments.start" in imported
    assert imported & {"click", "json", "pathlib", "dataclasses", "typing", "hashlib", "enum", "subprocess"} == set()
