"""The examples of docs/vendored-packages.md, run as they are written, with their folders below one of the test's."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from tests.foreign.bundles import program
from tests.make.projects import required

DOCUMENT = (Path(__file__).parents[3] / "docs" / "vendored-packages.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the first code block of a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    return found[0]


def shell(root: Path, line: str, *, cut: bool) -> subprocess.CompletedProcess[str]:
    """Run a line of shell where `bundle` is this one; `/app`, `/srv` and `/var/lib` are folders of the test."""
    tools = root / "tools"
    tools.mkdir(exist_ok=True)
    launcher = tools / "bundle"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bundle "$@"\n')
    launcher.chmod(0o755)
    for place in ("/app", "/srv", "/var/lib", "/opt/bundle/bin"):
        line = re.sub(rf"(?<![\w/]){place}/", f"{tools}/" if place.endswith("bin") else f"{root}{place}/", line)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "BUNDLE_"))}
    environ.pop("VIRTUAL_ENV", None)
    environ |= {
        "PATH": f"{tools}:{environ['PATH']}",
        "PYTHONPATH": str(Path(bundle.__file__).parent.parent),
        "BUNDLE_CACHE_DIR": str(root / "store"),
    }
    namespace = [program("bwrap", "bubblewrap"), "--dev-bind", "/", "/", "--unshare-net"] if cut else []
    return subprocess.run(
        [*namespace, "sh", "-c", line], cwd=root, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.real
def test_the_examples_run_as_they_are_written(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "motor-test"
    (package / "python_modules").mkdir(parents=True)
    (shown,) = re.findall(r"^    package\.json +(\{.*\})$", block(""), re.MULTILINE)
    (package / "package.json").write_text(json.dumps(json.loads(shown)))
    (package / "python_modules" / "motor.py").write_text("import serial\n")
    vendor, provision, use = block("sh").splitlines()
    vendored = shell(tmp_path, vendor, cut=False)
    if vendored.returncode == 3:
        required(f"no registry answers: {vendored.stderr}")
    assert vendored.returncode == 0, vendored.stderr
    for line in (provision, use):
        done = shell(tmp_path, line, cut=True)
        assert done.returncode == 0, done.stderr

    script = "import json, sys, motor, helper\nprint(json.dumps([sys.prefix, helper.__file__]))\n"
    for place in ("app", "srv/station"):
        (tmp_path / place / "scripts").mkdir(parents=True)
        (tmp_path / place / "scripts" / "main.py").write_text(script)
        (tmp_path / place / "scripts" / "helper.py").write_text("")
    (tmp_path / "srv" / "station" / "packages").symlink_to(tmp_path / "packages")
    (tmp_path / "app" / "packages").symlink_to(tmp_path / "packages")
    (command,) = re.findall(r"^CMD (\[.*\])$", block("dockerfile"), re.MULTILINE)
    first, flag, line = json.loads(command)
    assert (first, flag) == ("sh", "-c")
    # As ENV has it. The image has one Python, the machine of the test several.
    line = f"PATH={tmp_path}/app/env/bin:$PATH; {line}".replace("/app/env &&", "/app/env --python 3.12 &&")
    for said in ("Provisioned", "Nothing to do"):
        started = shell(tmp_path, line, cut=True)
        assert started.stdout.startswith(said), started.stderr
        assert json.loads(started.stdout.splitlines()[-1])[0] == str(tmp_path / "app" / "env")

    (tmp_path / "var" / "lib" / "station").mkdir(parents=True)
    unit = configparser.RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    unit.read_string(block("ini"))
    before = shell(tmp_path, f"{unit['Service']['ExecStartPre']} --python 3.12", cut=True)
    assert before.returncode == 0, before.stderr
    main = shell(tmp_path, unit["Service"]["ExecStart"], cut=True)
    assert json.loads(main.stdout)[0] == str(tmp_path / "var" / "lib" / "station" / "env")
