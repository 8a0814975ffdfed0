from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.command import CommandBuilder, Job, Launch, env_file_entries
from bundle.run.jobs.config import JobConfig, Macro
from bundle.run.jobs.installation import Installation
from bundle.run.jobs.keys import VARIABLE, Keys, new_key

PYTHON = Installation(executable=Path("/opt/python/bin/python3"), version="3.12.10")

KEYS = Keys((new_key(),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("print()")
    return tmp_path


def built(folder: Path, *macros: Macro, environ: dict[str, str] | None = None, **job: Any) -> Launch:
    config = JobConfig(job_id="7", package="app.py", macros=macros)
    return CommandBuilder(environ or {}, KEYS).build(Job(config=config, folder=folder, **job), PYTHON)


def test_the_script_runs_unbuffered_with_its_id_and_folder(folder: Path) -> None:
    launch = built(folder, environ={"HOME": "/home/me", VARIABLE: "key", "BUNDLE_SERVE_TOKEN": "t"}, arguments=("-x",))
    assert launch.command == (str(PYTHON.executable), str(folder / "app.py"), "-x")
    own = {"JOB_ID": "7", "LOCAL_JOB_SPEC_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    assert launch.env == {"HOME": "/home/me", **own}
    assert launch.warnings == ()


def test_later_values_win(folder: Path) -> None:
    (folder / ".env").write_text("A=file\nB=file\nC=file\n")
    macros = (Macro(name="A", value="first"), Macro(name="A", value="macro"))
    inherited = {"A": "inherited", "B": "inherited", "D": "inherited"}
    launch = built(folder, *macros, environ=inherited, env_file_as_macros=True)
    assert [launch.env[name] for name in "ABCD"] == ["macro", "file", "file", "inherited"]
    assert built(folder, *macros, environ=inherited).env["B"] == "inherited"


def test_a_secure_value_is_decrypted(folder: Path) -> None:
    launch = built(folder, Macro(name="PW", value=KEYS.encrypt("hunter2"), secure=True))
    assert launch.env["PW"] == "hunter2"
    assert launch.secrets == ("hunter2",)
    assert "hunter2" not in repr(launch)


@pytest.mark.parametrize("value", ["hunter2", "encrypted:gAAAAAB", KEYS.encrypt("a\0b")])
def test_a_secure_value_that_cannot_be_decrypted_is_skipped_with_a_warning(folder: Path, value: str) -> None:
    launch = built(folder, Macro(name="PW", value=value, secure=True), Macro(name="A", value="1"))
    assert "PW" not in launch.env
    assert launch.env["A"] == "1"
    (warning,) = launch.warnings
    assert "PW" in warning
    assert value not in warning


def test_a_macro_does_not_replace_what_the_job_itself_has(folder: Path) -> None:
    launch = built(folder, Macro(name="JOB_ID", value="other"))
    assert launch.env["JOB_ID"] == "7"
    assert "JOB_ID" in launch.warnings[0]


@pytest.mark.parametrize(("override", "told"), [("override=True", True), ("", False)])
def test_the_trap_of_load_dotenv_is_told(folder: Path, override: str, told: bool) -> None:
    (folder / ".env").write_text("A=file\n")
    (folder / "app.py").write_text(f"from dotenv import load_dotenv\nload_dotenv({override})\n")
    assert bool(built(folder, Macro(name="A", value="macro")).warnings) is told
    assert built(folder, Macro(name="B", value="macro")).warnings == ()


def test_entries_of_a_file_are_read_as_python_dotenv_reads_them(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(
        b"\xef\xbb\xbf# comment\r\nAPP_NAME=HelloWorld Demo\r\nexport B='x # y' # z\r\nC=a#b\r\n"
        b"D=${HOME}/${C}-${MISSING:-none}\r\nE\r\nF=1\r\nF=2\r\nnot valid at all = \r\n"
    )
    expected = {"APP_NAME": "HelloWorld Demo", "B": "x # y", "C": "a#b", "D": "/me/a#b-none", "F": "2"}
    assert env_file_entries(path, {"HOME": "/me"}) == expected


def test_entries_do_not_see_the_variables_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "hunter2")
    (tmp_path / ".env").write_text(f"A=${{{VARIABLE}}}")
    assert env_file_entries(tmp_path / ".env", {}) == {"A": ""}


@pytest.mark.parametrize("kind", ["missing", "folder", "link"])
def test_a_script_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "app.py").mkdir()
    elif kind == "link":
        (tmp_path / "app.py").symlink_to(__file__)
    with pytest.raises(ConfigError):
        built(tmp_path)


def test_lines_that_are_no_entries_are_told_and_nothing_else_is(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / ".env").write_text("A=1\n=x\nB=2\n" + "not valid at all = \n" * 10)
    assert env_file_entries(tmp_path / ".env", {}, told.append) == {"A": "1", "B": "2"}
    (warning,) = told
    assert "2, 4, 5, 6, 7 and others" in warning
