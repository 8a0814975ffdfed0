from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bundle.run.vendored.provision import default_root
from bundle.run.vendored.search_path import PATH_FILE
from tests.artifacts.vendored.carried import Packages
from tests.make.projects import Run, this_machine
from tests.make.registry import Registry, serving
from tests.run.vendored.environments import command, says

real = pytest.mark.real

SCRIPT = {"entry_points.txt": "[console_scripts]\ntop = top:main\n"}


class Station:
    """A machine with packages, and one environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packages = Packages(root / "packages")
        self.env = root / "env"
        self.python = sys.executable

    def run(self, *words: str, before: tuple[str, ...] = (), **environ: str) -> Run:
        line: list[str | Path] = [
            "--json",
            "provision",
            self.packages.root,
            "--into",
            self.env,
            "--python",
            self.python,
            *words,
        ]
        return command(*line, folder=self.root, before=before, **environ)

    def provision(self, *words: str, **options: Any) -> Any:
        done = self.run(*words, **options)
        assert done.code == 0, done.errors
        return done.json

    @property
    def state(self) -> dict[str, tuple[int, int]]:
        """Every file of the environment, with its number and time."""
        return {
            str(path.relative_to(self.env)): (path.lstat().st_ino, path.lstat().st_mtime_ns)
            for path in self.env.rglob("*")
        }

    @property
    def around(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if path.name.startswith((".env", "env")))


@pytest.fixture
def station(tmp_path: Path) -> Station:
    station = Station(tmp_path / "a station")
    station.packages.package("alpha", "top")
    main = "def main():\n    import low\n    print(low.VERSION)\n"
    station.packages.wheel("alpha", "low", "1.0")
    station.packages.wheel("alpha", "top", "1.0", ["low"], dist_info=SCRIPT)
    station.packages.module("alpha", "own.py", main)
    return station


def lock(station: Station, *names: str) -> None:
    short = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for name in names or ("alpha",):
        station.packages.lock(name, this_machine().key, short)


def started(station: Station, *words: str) -> subprocess.Popen[bytes]:
    line: list[str | Path] = [
        sys.executable,
        "-m",
        "bundle",
        *words,
        "provision",
        station.packages.root,
        "--into",
        station.env,
    ]
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.Popen(
        [*line, "--python", station.python], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    )


def test_the_active_environment_is_the_default(tmp_path: Path) -> None:
    assert default_root(tmp_path, {}) == tmp_path / ".venv"
    assert default_root(tmp_path, {"VIRTUAL_ENV": "/opt/env"}) == Path("/opt/env")


@real
@pytest.mark.parametrize("locked", [True, False])
def test_an_environment_is_made_once(station: Station, locked: bool) -> None:
    if locked:
        lock(station)
    planned = station.provision("--dry-run")
    assert [one["name"] for one in planned["install"]] == ["low", "top"]
    assert not station.env.exists()
    done = station.provision()
    assert (done["changed"], done["packages"][0]["locked"]) == (True, locked)
    assert says(station.env, "import own; own.main()") == ["1.0"]
    before = station.state
    assert not station.provision()["changed"]
    assert not station.provision("--dry-run")["changes"]
    assert station.state == before
    assert station.around == ["env", "env.lock"]


@real
def test_a_rebuilt_wheel_and_another_module_folder_change_it(station: Station) -> None:
    station.provision()
    station.packages.wheel("alpha", "low", "1.0", metadata="Summary: built again\n")
    assert [one["name"] for one in station.provision()["install"]] == ["low"]
    station.packages.package("beta")
    station.packages.module("beta", "other.py")
    done = station.provision()
    assert (done["changed"], done["install"]) == (True, [])
    assert says(station.env, "import other; print(other.OWNER)") == ["beta"]
    (site,) = station.env.glob("lib/python*/site-packages")
    assert (site / PATH_FILE).read_text().splitlines() == [
        "../../../../packages/alpha/python_modules",
        "../../../../packages/beta/python_modules",
    ]


@real
def test_an_environment_of_somebody_else_is_extended(station: Station) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", station.env], check=True)
    (site,) = station.env.glob("lib/python*/site-packages")
    (site / "mine.py").write_text("")
    station.provision()
    assert says(station.env, "import mine, top, low; print(low.VERSION)") == ["1.0"]
    assert "relocatable = true" in (station.env / "pyvenv.cfg").read_text()


@real
def test_a_failure_leaves_the_environment_as_it_was(station: Station) -> None:
    lock(station)
    station.provision()
    before = station.state
    station.packages.package("beta", "third")
    broken = station.packages.wheel("beta", "third", "1.0", compression=zipfile.ZIP_STORED)
    broken.write_bytes(broken.read_bytes().replace(b"VERSION =", b"version =", 1))
    failed = station.run()
    assert failed.code == 4
    assert "is as it was" in failed.errors
    assert station.state == before
    assert station.around == ["env", "env.lock"]


@real
def test_a_changed_wheel_is_refused(station: Station) -> None:
    lock(station)
    wheel = station.packages.wheel("alpha", "low", "1.0", metadata="Summary: changed\n")
    refused = station.run()
    assert refused.code == 4
    assert wheel.name in refused.errors
    assert not station.env.exists()
    assert station.run("--dry-run").code == 4


@real
def test_without_wheels_and_without_leave_what_will_be_missing_is_told(station: Station) -> None:
    station.packages.package("beta", "third>=2")
    done = station.run()
    assert done.code == 0
    assert "beta carries no wheels, and ALLOW_ONLINE_PIP is not true: third>=2 will be missing" in done.errors


@real
def test_a_registry_is_asked_where_that_is_allowed(station: Station, tmp_path: Path) -> None:
    station.packages.package("beta", "third", "low")
    with serving(Registry(tmp_path / "registry")) as registry:
        registry.wheel("third", "2.0", ["low"])
        registry.wheel("low", "9.0")
        done = station.provision(ALLOW_ONLINE_PIP="True", UV_DEFAULT_INDEX=registry.url)
        assert done["online"] == ["low", "third"]
        assert says(station.env, "import third, low; print(low.VERSION)") == ["1.0"]
        registry.requests.clear()
        assert not station.provision(ALLOW_ONLINE_PIP="true", UV_DEFAULT_INDEX=registry.url)["changed"]
        assert registry.requests == []
    odd = station.run(ALLOW_ONLINE_PIP="maybe")
    assert "ALLOW_ONLINE_PIP=maybe is neither true nor false" in odd.errors


@real
def test_wheels_need_no_registry_even_where_it_is_allowed(station: Station) -> None:
    station.provision(ALLOW_ONLINE_PIP="true", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple")


@real
def test_a_registry_that_does_not_answer_is_told(station: Station) -> None:
    station.packages.package("beta", "third")
    failed = station.run(ALLOW_ONLINE_PIP="1", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", UV_HTTP_RETRIES="0")
    assert failed.code == 3
    assert not station.env.exists()


@real
def test_settings_of_the_person_add_no_source(station: Station) -> None:
    station.provision(UV_TARGET=str(station.root / "elsewhere"), UV_OVERRIDE="/nonexistent")
    assert says(station.env, "import own; own.main()") == ["1.0"]


@real
def test_eight_runs_at_once_make_it_once(station: Station) -> None:
    lock(station)
    station.packages.root.joinpath("alpha", "python_modules").mkdir(exist_ok=True)
    runs = [started(station, "--json") for _ in range(8)]
    outputs = [one.communicate() for one in runs]
    assert [one.returncode for one in runs] == [0] * 8, outputs
    assert sum(json.loads(output)["changed"] for output, _ in outputs) == 1


@real
def test_a_killed_run_leaves_nothing_that_the_next_one_trusts(station: Station) -> None:
    lock(station)
    for delay in (0.25, 0.35, 0.45, 0.6):
        running = started(station)
        time.sleep(delay)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    station.provision()
    assert says(station.env, "import own; own.main()") == ["1.0"]
    shutil.rmtree(station.env)
    station.provision()
    assert station.around == ["env", "env.lock"]


@real
def test_places_that_cannot_be_an_environment_are_told(station: Station) -> None:
    station.env.mkdir()
    (station.env / "file").write_text("")
    assert "is not a virtual environment" in station.run().errors
    shutil.rmtree(station.env)
    (station.root / "real").mkdir()
    station.env.symlink_to(station.root / "real")
    refused = station.run()
    assert refused.code == 2
    assert "is a link" in refused.errors


@real
def test_a_python_that_is_not_there_or_another_is_told(station: Station) -> None:
    station.python = "3.99"
    missing = station.run()
    assert missing.code == 2
    assert "There is no Python 3.99 on this machine" in missing.errors
    assert f"python{sys.version_info[0]}.{sys.version_info[1]}" in missing.errors
    station.python = "bundle:3.12.10-none"
    assert station.run().code == 2
    station.python = sys.executable
    station.provision()
    station.python = "3.7"
    refused = station.run()
    assert refused.code == 2
    assert "and --python asks for 3.7" in refused.errors
