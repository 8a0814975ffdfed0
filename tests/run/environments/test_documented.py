"""The example of docs/environments.md, run as it is written, and in an environment of a real bundle."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from bundle.artifacts.interpreters.on_machine import find
from bundle.base.errors import ConfigError
from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import required, this_machine
from tests.run.environments.apps import App

pytestmark = pytest.mark.real

DOCUMENT = (Path(__file__).parents[3] / "docs" / "environments.md").read_text(encoding="utf-8")

PROCESS = """
import json, os, sys
import greeter
if __name__ == "__main__":
    print(json.dumps([sys.argv[1:], os.environ["DATA_PATH"], os.environ["PATH"].split(":")[1], sys.prefix]))
"""


def block(language: str) -> str:
    """Return the first code block of a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    return found[0]


def documented(app: App) -> None:
    """Write the documented application file with what it names."""
    files = {"my_app/__init__.py": "", "my_app/process.py": PROCESS}
    wheel = make_wheel(app.folder, "my_app", "1.0.0", files=files)
    assert wheel.name == "my_app-1.0.0-py3-none-any.whl"
    app.file.write_text(block("yaml"))


def shell(app: App, line: str) -> subprocess.CompletedProcess[str]:
    tools = app.folder.parent / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "bundle").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bundle "$@"\n')
    (tools / "bundle").chmod(0o755)
    environ = {
        **app.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(bundle.__file__).parent.parent),
    }
    return subprocess.run(["sh", "-c", line], cwd=app.folder, env=environ, capture_output=True, text=True, check=False)


def test_the_example_runs_as_it_is_written(app: App) -> None:
    try:
        find("3.12", app.environ)
    except ConfigError as error:
        required(error.as_text())
    documented(app)
    prefix = ""
    run, create, path, listed, remove, prune, schema = block("sh").splitlines()
    for _ in range(2):
        done = shell(app, run)
        assert done.returncode == 0, done.stderr
        arguments, data, behind, prefix = json.loads(done.stdout)
        assert (arguments, data, behind) == (["--input", "a.csv"], "/data", "/opt/tools/bin")
    (made,) = app.made()
    assert prefix == str(made)
    assert shell(app, create).stdout.split() == ["process", str(made)]
    assert shell(app, path).stdout.strip() == str(made)
    assert made.name[:12] in shell(app, listed).stdout
    assert json.loads(shell(app, schema).stdout)["$schema"]
    assert shell(app, prune).stdout.strip() == "0 removed."
    (name,) = re.findall(r"env remove (\w+)", remove)
    assert shell(app, remove).returncode == 2
    done = shell(app, remove.replace(name, made.name[:8]))
    assert (done.returncode, app.made()) == (0, []), done.stderr


def test_an_environment_is_made_from_a_bundle(app: App) -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    documented(app)
    wheel = app.wheel("tiny")
    (app.folder / "requirements.txt").write_text(f"./{wheel.relative_to(app.folder)}\n")
    words = ("build", "-r", "requirements.txt", "--python", python, "--interpreter", "host", "--name", "base")
    code, _, messages = app.run(*words, "--no-verify", "-o", "out")
    if code == 1 and "portable" in messages:
        required(f"no interpreter of this machine can be made portable: {messages}")
    assert code == 0, messages
    built = app.folder / "out" / f"{python}-base"
    version = f"{python}-base"
    archive = app.folder / "out" / f"{version}-{this_machine().key}.tar.zst"
    example = block("yaml")
    (short,) = re.findall('python_version: "(.*?)"', example)
    for named in (f"bundle:./out/{version}/{this_machine().key}", f"bundle:{version}"):
        app.file.write_text(example.replace(f'"{short}"', f'"{named}"'))
        if not named.endswith(this_machine().key):
            assert app.run("env", "run", "app.yml", "process")[0] == 2
            code, _, messages = app.run("install", str(archive))
            assert code == 0, messages
        for _ in range(2):
            code, output, messages = app.run("env", "run", "app.yml", "process", "x")
            assert code == 0, messages
            assert json.loads(output)[0] == ["x"]
            prefix = Path(json.loads(output)[3])
            home = re.findall(r"^home = (.*)$", (prefix / "pyvenv.cfg").read_text(), re.MULTILINE)
            assert Path(home[0]).is_relative_to(built if "/" in named else app.cache / "data")
