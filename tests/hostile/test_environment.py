from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest

import bundle
from bundle.base.errors import ConfigError
from bundle.base.files import source_date_epoch
from bundle.cli.main import main
from tests.model.configs import write_project

SCRIPTS = Path(__file__).parents[2] / "scripts"

WAITING = """
import sys
from bundle.base.processes.run import run
from bundle.cli import app, main
def wait(self):
    print("ready", flush=True)
    run([sys.executable, "-c", "import time; time.sleep(60)"])
app.App.open_project = wait
main.main(["check"])
"""


@pytest.mark.parametrize(
    "text",
    ["now", "-1", "1.5", "1e9", "0x10", "4294967296", "9" * 30, "9" * 5000, " 1", "\u0663"],
    ids=lambda text: ascii(text[:30]),
)
def test_an_impossible_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH is") as caught:
        source_date_epoch({"SOURCE_DATE_EPOCH": text})
    assert caught.value.exit_code == 2
    assert len(caught.value.what) < 200


def test_the_program_is_started_isolated_from_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.syspath_prepend(SCRIPTS)
    toolchain = import_module("toolchain")
    monkeypatch.setattr(toolchain, "ensure", lambda purpose: Path("python"))
    monkeypatch.setattr(toolchain, "replace_process", started.append)
    monkeypatch.setattr(sys, "argv", ["bundle", "platforms"])
    runpy.run_path(str(SCRIPTS / "bundle"))
    assert started == [["python", "-I", "-m", "bundle", "platforms"]]


@pytest.mark.parametrize("name", ["absent", "a-file", "n" * 300, "folder"], ids=["absent", "file", "long", "folder"])
def test_programs_are_not_told_of_a_temporary_folder_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "a-file").write_text("")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    with pytest.raises(SystemExit):
        main(["platforms"])
    assert ("TMPDIR" in os.environ) == (name == "folder")


def run(
    *words: str, redirected: str = "", cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the program as the scripts do, with redirections of the shell."""
    environ = {**environment(), **variables}
    command = ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-P", "-m", "bundle", *words]
    return subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(bundle.__file__).parent.parent)}


@pytest.mark.real
@pytest.mark.parametrize("name", ["click.py", "json.py", "rich.py", "bundle/__main__.py", "signal.py", "uv.py"])
def test_a_module_in_the_current_folder_is_not_run(tmp_path: Path, name: str) -> None:
    write_project(tmp_path, {}, **{"3.12.10": {}})
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit(77)")
    if "/" in name:
        (tmp_path / name).with_name("__init__.py").write_text("")
    done = run("check", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.real
@pytest.mark.parametrize(
    ("words", "redirected", "code"),
    [
        (("platforms",), ">/dev/full", 1),
        (("platforms", "--json"), ">/dev/full", 1),
        (("--help",), ">/dev/full", 1),
        (("--version",), ">/dev/full", 1),
        (("platforms",), ">&-", 1),
        (("platforms", "--json"), ">&-", 1),
        (("--json", "nothing"), ">&-", 2),
        (("--json", "nothing"), ">/dev/full 2>/dev/full", 2),
        (("nothing",), "2>&-", 2),
        (("nothing",), "2>/dev/full", 2),
        (("platforms",), "2>&-", 0),
        (("platforms",), "<&-", 0),
        (("platforms",), "<&- >&- 2>&-", 1),
        (("--json", "platforms"), "<&- 2>&-", 0),
        (("schema",), "| head -c 1", 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_closed_and_full_streams_are_an_end_without_a_traceback(
    words: tuple[str, ...], redirected: str, code: int
) -> None:
    done = run(*words, redirected=redirected)
    assert done.returncode == code, done.stderr
    for sign in ("Traceback", "Exception ignored", "Unexpected"):
        assert sign not in done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.parametrize(
    "variables",
    [{"PATH": ""}, {"TMPDIR": "/does/not/exist"}, {"LC_ALL": "C"}, {"HOME": ""}, {"TERM": "\x1b"}],
    ids=lambda variables: next(iter(variables)),
)
def test_an_odd_environment_does_not_matter_to_a_check(tmp_path: Path, variables: dict[str, str]) -> None:
    write_project(tmp_path, {}, **{"3.12.10": {}})
    done = run("check", cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr


@pytest.mark.real
@pytest.mark.parametrize("name", [b"bell\x07", b"escape\x1b[2J", b"not-utf-8-\xff", "umlaut-ü".encode()], ids=ascii)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "JSON"])
def test_odd_names_of_folders_are_told_without_a_traceback(tmp_path: Path, name: bytes, form: tuple[str, ...]) -> None:
    write_project(tmp_path, {}, **{"3.12.10": {}})
    odd = tmp_path / "versions" / os.fsdecode(name)
    odd.mkdir()
    (odd / "config.json").write_text("{}")
    for command in ("check", "versions"):
        done = run(*form, command, cwd=tmp_path)
        assert done.returncode in (0, 2), done.stderr
        assert "Traceback" not in done.stderr
        assert "Unexpected" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_end_is_an_interrupt(number: signal.Signals) -> None:
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted." in errors
    assert "Traceback" not in errors


@pytest.mark.real
def test_a_run_under_nohup_goes_on_when_the_terminal_closes() -> None:
    command = ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-c", WAITING]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors


SCRIPT = Path(__file__).parents[2] / "scripts" / "bundle"


@pytest.mark.real
@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONPATH": "HERE"},
        {"PYTHONHOME": "/does/not/exist"},
        {"PYTHONSTARTUP": "HERE/sitecustomize.py", "PYTHONINSPECT": "1"},
        {"PYTHONUSERBASE": "HERE"},
        {"PYTHONPLATLIBDIR": "nothing", "PYTHONEXECUTABLE": "/bin/false"},
        {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "PYTHONVERBOSE": "1"},
        {"PYTHONBREAKPOINT": "os.abort", "PYTHONDEVMODE": "1", "PYTHONPROFILEIMPORTTIME": "1"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_no_variable_of_python_reaches_the_program(tmp_path: Path, variables: Mapping[str, str]) -> None:
    for name in ("sitecustomize", "usercustomize", "click", "hashlib", "toolchain", "bundle", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w'); raise SystemExit(77)")
    environ = {**os.environ, **{key: value.replace("HERE", str(tmp_path)) for key, value in variables.items()}}
    done = subprocess.run(
        [SCRIPT, "--version"], env=environ, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert not (tmp_path / "ran").exists()
