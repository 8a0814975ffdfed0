from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from tests.artifacts.trees import File
from tests.cli.conftest import Run
from tests.cli.results import result_of, text_of
from tests.run.install.shipped import PYTHON, SITE, VERSION, WHEELS, Shop

NEWER = "3.12.10-newer"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "dist")
    shop.build()
    return shop


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(
        "bundle.cli.app.platform_of",
        lambda *_: __import__("bundle.model.platforms").model.platforms.PLATFORMS["linux-x64"],
    )
    return {"BUNDLE_DATA_DIR": str(tmp_path / "data"), "BUNDLE_CACHE_DIR": str(tmp_path / "cache")}


def test_a_version_goes_to_its_place_and_is_found_there(shop: Shop, environ: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "data" / "installed" / VERSION
    done = result_of(None, "install", VERSION, "--from", str(shop.folder), environ=environ)
    assert done.data["status"] == "installed"
    assert done.data["path"] == str(place)
    assert "5 fetched" in text_of(done)
    assert (
        result_of(None, "install", VERSION, "--from", str(shop.folder), environ=environ).data["status"] == "unchanged"
    )
    assert text_of(result_of(None, "which", VERSION, environ=environ)) == f"{place}\n"
    (listed,) = result_of(None, "list", environ=environ).data["installed"]
    assert (listed["version"], listed["path"]) == (VERSION, str(place))
    assert listed["upgrade"]["state"] == "current"


def test_a_substitute_is_told(shop: Shop, environ: dict[str, str]) -> None:
    catalogue = shop.folder / "catalogue.json"
    result_of(None, "install", VERSION, "--from", str(shop.folder), environ=environ)
    assert "SUBSTITUTE" not in text_of(
        result_of(None, "install", VERSION, "--from", str(catalogue.parent), environ=environ)
    )


def test_a_list_tells_what_an_upgrade_would_bring(shop: Shop, environ: dict[str, str]) -> None:
    result_of(None, "install", VERSION, "--from", str(shop.folder), environ=environ)
    newer = {**WHEELS, "numpy 2.3.0": {f"{SITE}/numpy/__init__.py": File(b"new")}}
    del newer["numpy 2.2.6"]
    shop.build(newer)
    found = result_of(None, "list", environ=environ)
    (listed,) = found.data["installed"]
    assert listed["upgrade"]["state"] == "upgrade"
    assert listed["upgrade"]["layers"] == 2
    assert listed["upgrade"]["packages"] == ["numpy 2.2.6 -> 2.3.0"]
    assert "numpy 2.2.6 -> 2.3.0" in text_of(found)
    assert result_of(None, "list", "--offline", environ=environ).data["installed"][0]["upgrade"] is None


def test_a_source_that_is_gone_is_told(shop: Shop, environ: dict[str, str]) -> None:
    result_of(None, "install", VERSION, "--from", str(shop.folder), environ=environ)
    (shop.folder / "catalogue.json").unlink()
    (listed,) = result_of(None, "list", environ=environ).data["installed"]
    assert listed["upgrade"]["state"] == "unknown"


def test_an_upgrade_is_rolled_back_and_uninstalled(shop: Shop, environ: dict[str, str], tmp_path: Path) -> None:
    shop.build({}, version=NEWER)
    into = str(tmp_path / "opt")
    result_of(None, "install", VERSION, "--from", str(shop.folder), "--into", into, environ=environ)
    done = result_of(
        None, "install", NEWER, "--from", str(shop.folder), "--into", into, "--keep-previous", environ=environ
    )
    assert (done.data["replaced"], done.data["kept"]) == (VERSION, True)
    assert result_of(None, "rollback", VERSION, environ=environ).data == {
        "path": into,
        "version": VERSION,
        "kept": NEWER,
    }
    assert result_of(None, "which", VERSION, environ=environ).data["path"] == into
    result_of(None, "uninstall", into, environ=environ)
    assert not Path(into).exists()
    assert result_of(None, "list", environ=environ).data == {"installed": []}


def test_what_was_added_is_not_uninstalled(
    shop: Shop, run: Run, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    run("install", VERSION, "--from", str(shop.folder))
    own = tmp_path / "data" / "installed" / VERSION / SITE / "own.py"
    own.write_text("mine")
    code, _, errors = run("uninstall", VERSION)
    assert code == 1
    assert "own.py" in errors
    assert own.exists()
    own.unlink()
    assert run("uninstall", VERSION)[0] == 0


def test_what_is_not_installed_is_told(run: Run, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for command in ("which", "rollback", "uninstall", "run"):
        code, _, errors = run(command, VERSION)
        assert code == 2
        assert f"{VERSION} is not installed here" in errors
    assert run("list")[0] == 0
    code, _, errors = run("install", VERSION)
    assert code == 2
    assert "--from" in errors


def test_words_that_name_no_install_are_refused(
    shop: Shop, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    source = str(shop.folder)
    for words, problem in (
        ((VERSION, "--from", ""), "address of the remote is empty"),
        ((VERSION, "--from", source, "--into", "/"), "/ cannot be a bundle"),
        ((VERSION, "--from", source, "--into", ".."), f"{tmp_path} is there and is no install"),
        ((str(shop.archive()), "--from", source), "is an archive, which comes from no source"),
    ):
        with pytest.raises(ConfigError, match=problem):
            result_of(None, "install", *words, environ=environ)
    assert list(folder.iterdir()) == []


def test_integrity_is_exit_code_4(
    shop: Shop, run: Run, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    shop.archive().write_bytes(shop.archive().read_bytes()[:-1])
    assert run("install", VERSION, "--from", str(shop.folder))[0] == 4
    assert run("install", str(shop.archive()))[0] == 4


def started(environ: dict[str, str], *arguments: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bundle", *arguments]
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        command, env={**os.environ, **environ}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


@pytest.fixture
def installed(shop: Shop, environ: dict[str, str]) -> dict[str, str]:
    shop.build(environment={"TOOL_DATA": "{bundle}/share", "FIXED": "1"})
    result_of(None, "install", VERSION, "--from", str(shop.folder), environ=environ)
    return environ


@pytest.mark.real
def test_a_program_of_the_bundle_is_run_with_its_variables(installed: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "data" / "installed" / VERSION
    assert b"echo python" in PYTHON["bin/python3.12"].content  # type: ignore[union-attr]
    output, _ = started(installed, "run", VERSION, "--", "python", "-c", "x  y").communicate()
    assert output == "python -c x  y\n"
    shown, _ = started({**installed, "VIRTUAL_ENV": "/x"}, "run", VERSION, "--", "env").communicate()
    variables = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    assert variables["PATH"].split(":")[0] == str(root / "bin")
    assert (variables["TOOL_DATA"], variables["FIXED"]) == (str(root / "share"), "1")
    assert "VIRTUAL_ENV" not in variables


@pytest.mark.real
def test_the_exit_code_and_the_signals_are_those_of_the_program(installed: dict[str, str]) -> None:
    for script, code in (("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM)):
        ended = started(installed, "run", VERSION, "--", "sh", "-c", script)
        ended.communicate()
        assert ended.returncode == code
    waits = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"
    with started(installed, "run", VERSION, "--", "sh", "-c", waits) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        running.send_signal(signal.SIGTERM)
    assert running.returncode == 9


@pytest.mark.real
def test_a_program_ends_when_the_reader_of_its_output_does(installed: dict[str, str]) -> None:
    with started(installed, "run", VERSION, "--", "yes") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "y\n"
        running.stdout.close()
        assert running.wait(timeout=20) == -signal.SIGPIPE


@pytest.mark.real
def test_a_program_that_is_not_there_is_told(installed: dict[str, str]) -> None:
    running = started(installed, "run", VERSION, "--", "no-such-program")
    assert "no program 'no-such-program'" in running.communicate()[1]
    assert running.returncode == 2


@pytest.mark.real
def test_a_kill_at_any_moment_leaves_the_former_install_or_the_new_one(
    shop: Shop, environ: dict[str, str], tmp_path: Path
) -> None:
    import random

    from tests.artifacts.trees import read

    chance = random.Random(10)
    many = {f"many{number} 1.0": {f"{SITE}/many{number}.py": File(os.urandom(3000))} for number in range(30)}
    shop.build(many, version=NEWER)
    into = tmp_path / "opt" / "demo"
    started(environ, "install", VERSION, "--from", str(shop.folder), "--into", str(into)).communicate()
    begun = time.monotonic()
    started(environ, "install", NEWER, "--from", str(shop.folder), "--into", str(tmp_path / "timed")).communicate()
    whole = time.monotonic() - begun
    expected = {version: shop.tree(version) for version in (VERSION, NEWER)}
    current, kinds = VERSION, set()
    for _ in range(10):
        wanted = NEWER if current == VERSION else VERSION
        arguments = ("install", wanted, "--from", str(shop.folder), "--into", str(into), "--keep-previous")
        running = started(environ, *arguments)
        time.sleep(chance.uniform(0.3, 1) * whole)
        running.kill()
        running.communicate()
        kinds.add(running.returncode)
        found = read(into)
        assert found in expected.values()
        again = started(environ, *arguments)
        told = again.communicate()
        assert again.returncode == 0, told
        assert read(into) == expected[wanted]
        left = {path.name for path in into.with_name(".demo.bundle").iterdir()}
        assert left == {"installed.json", "previous", "previous.json"}
        assert json.loads((into.with_name(".demo.bundle") / "previous.json").read_text())["version"] == current
        current = wanted
    assert -signal.SIGKILL in kinds
