from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from bundle.run.environments.making import FOLDER
from bundle.run.environments.unseen import hasty
from tests.run.environments.apps import PYTHON, App

PLAIN = """\
# An application.
commands:

  other:
    type: python_env
    pylock: other.toml
  greet:   # not read
  run:
    type: python_env
    # The lock.
    pylock: 'locks/pylock.toml'   # beside
    command: -c "print('a # b')"
    python_version: "3.12"
more: 1
"""


def test_a_plain_file_is_read() -> None:
    assert hasty(PLAIN.encode(), "run") == {
        "type": "python_env",
        "pylock": "locks/pylock.toml",
        "command": "-c \"print('a",  # Wrong, and of no account.
        "python_version": "3.12",
    }
    assert hasty(PLAIN.encode(), "other") == {"type": "python_env", "pylock": "other.toml"}
    assert hasty(b' {"commands": {"run": {"pylock": "a"}}}', "run") == {"pylock": "a"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "commands:\n",
        "commands: {}\n",
        "commands:\n  run:\n    env:\n      A: b\n",
        "commands:\n  run:\n    local_extra_deps:\n    - a.whl\n",
        "commands:\n  run:\n    command: a\n      b\n",
        "commands:\n  run: {pylock: a}\n",
        "[" * 100_000,
        '{"commands":' * 100_000,
        '{"commands": {"run": ',
        "\0",
    ],
)
def test_another_file_is_not(text: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError, RecursionError)):
        hasty(text.encode(), "run")


def test_an_application_may_have_any_bytes() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        hasty(b"\xff", "run")


@pytest.fixture
def warm(app: App) -> App:
    """An application whose packages uv has in its cache, and whose environments are gone."""
    assert app.run("env", "create", "app.yml")[0] == 0
    shutil.rmtree(app.envs)
    return app


def in_yaml(app: App, *more: str) -> None:
    lines = ["type: python_env", "pylock: pylock.toml", "command: greeter", f'python_version: "{PYTHON}"', *more]
    app.file.write_text("\n".join(["commands:", "  greet:", *(f"    {line}" for line in lines), ""]))


def left(app: App) -> list[Path]:
    """Return what only an install that goes on may have."""
    return [*(app.envs / FOLDER).glob("*/new"), *app.envs.glob("ephemeral/*")]


@pytest.mark.real
def test_the_first_start_makes_what_the_usual_way_would_have_made(warm: App) -> None:
    for turn in range(3):
        if turn == 1:  # An interpreter that is known.
            in_yaml(warm, "refresh: false")
            shutil.rmtree(warm.envs / "starts", ignore_errors=True)
            for made in warm.made():
                shutil.rmtree(made)
        elif turn == 2:
            shutil.rmtree(warm.envs)
        # The usual way would tell that it makes an environment, or take none that is in its way.
        assert warm.run("env", "run", "app.yml", "greet", "x") == (0, "hello x\n", "")
        (made,) = warm.made()
        assert warm.run("env", "path", "app.yml", "greet")[1].strip() == str(made)
        (listed,) = json.loads(warm.run("env", "list", "--json")[1])["environments"]
        assert listed["state"] == "ready"
        assert left(warm) == []
        assert (warm.cache / "bundle" / "CACHEDIR.TAG").is_file()


@pytest.mark.real
def test_what_the_haste_has_overlooked_is_told_and_leaves_nothing(warm: App) -> None:
    in_yaml(warm, 'python_version: "3.1"')
    code, _, messages = warm.run("env", "run", "app.yml", "greet")
    assert code == 2
    assert "python_version" in messages
    assert (warm.made(), left(warm)) == ([], [])
    in_yaml(warm, "refresh: yes")
    assert warm.run("env", "run", "app.yml", "greet")[0] == 0
    assert (warm.made(), left(warm)) == ([], [])
    in_yaml(warm, "env: {GREETING: hello}")
    assert warm.run("env", "run", "app.yml", "greet", "x")[:2] == (0, "hello x\n")


@pytest.mark.real
def test_a_store_that_is_none_gets_nothing(warm: App) -> None:
    store = warm.cache / "bundle"
    shutil.rmtree(store)
    store.mkdir()
    (store / "thesis.txt").touch()
    # That of another tool.
    (store / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert warm.run("env", "run", "app.yml", "greet")[0] == 2
    assert sorted(path.name for path in store.iterdir()) == ["CACHEDIR.TAG", "thesis.txt"]


@pytest.mark.real
def test_a_kill_of_a_first_start_leaves_nothing_in_the_way(warm: App) -> None:
    warm.lock([warm.wheel(), *(warm.wheel(f"part{number}") for number in range(5))])
    assert warm.run("env", "run", "app.yml", "greet")[0] == 0
    shutil.rmtree(warm.envs)
    started = time.monotonic()
    assert warm.run("env", "run", "app.yml", "greet")[0] == 0
    whole = time.monotonic() - started
    moments = random.Random(7)
    for _ in range(20):
        shutil.rmtree(warm.envs)
        with warm.start("env", "run", "app.yml", "greet") as process:
            time.sleep(moments.uniform(0.1, 1.0) * whole)
            process.kill()
            process.communicate()
        for made in warm.made():
            done = subprocess.run([made / "bin" / "greeter"], capture_output=True, text=True, check=True)
            assert done.stdout == "hello\n"
        assert warm.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    (listed,) = json.loads(warm.run("env", "list", "--json")[1])["environments"]
    assert listed["state"] == "ready"
