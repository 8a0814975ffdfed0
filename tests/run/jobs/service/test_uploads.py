from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.keys import Keys, new_key
from bundle.run.jobs.service.store import JobStore
from bundle.run.jobs.service.uploads import MOST_FILES, Upload, accept, encrypted

KEYS = Keys((new_key(),))


def uploaded(root: Path, name: str = "app.py", config: Any = None, **more: Any) -> dict[str, str]:
    """Upload, and return the files of the job."""
    text = json.dumps(config) if config else ""
    with JobStore(root) as store:
        row = accept(Upload(script=(name, io.BytesIO(b"print()")), config=text, **more), store, KEYS)
        files = store.files(row.id)
        return {path.relative_to(files).as_posix(): path.read_text() for path in files.rglob("*") if path.is_file()}


def test_files_keep_their_names_and_folders(tmp_path: Path) -> None:
    more = [("data/a.csv", io.BytesIO(b"1")), ("b.txt", io.BytesIO(b"2"))]
    found = uploaded(tmp_path, files=more, env=io.BytesIO(b"A=1"))
    assert found == {"app.py": "print()", "data/a.csv": "1", "b.txt": "2", ".env": "A=1"}


@pytest.mark.parametrize("name", ["app.sh", "app", "../app.py", "a/app.py", "con.py", ".py", "a\\b.py", "app.py\n"])
def test_only_a_python_file_is_a_script(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        uploaded(tmp_path, name)
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "/x", "a/../../x", "C:/x", "a\\..\\x", "nul", "aux.txt", "a:b", "a//b", "./a", "x\0", "app.py"),
        *("APP.PY", "app.py/x", "a" * 300, "end.", ""),
    ],
)
def test_names_that_leave_the_folder_or_are_none_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        uploaded(tmp_path / "root", files=[(name, io.BytesIO(b"evil"))])
    assert [path for path in tmp_path.rglob("*") if path.is_file() and b"evil" in path.read_bytes()] == []


def test_a_binary_is_no_script(tmp_path: Path) -> None:
    with JobStore(tmp_path) as store:
        with pytest.raises(ConfigError, match="zero bytes"):
            accept(Upload(script=("app.py", io.BytesIO(b"\x7fELF\0"))), store, KEYS)
        assert store.jobs() == []
    assert uploaded(tmp_path / "other") == {"app.py": "print()"}


def test_there_are_not_too_many_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="more than"):
        uploaded(tmp_path, files=[(f"{number}", io.BytesIO()) for number in range(MOST_FILES + 1)])


def test_the_script_is_the_package(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"other\.py"):
        uploaded(tmp_path, config={"jobId": "1", "engineType": "python", "packageName": "other"})


def test_secure_values_are_encrypted_before_anything_is_written(tmp_path: Path) -> None:
    macros = [{"key": "A", "value": "hunter2", "secure": True}, {"key": "B", "value": "plain"}]
    config = {"engineType": "python", "packageName": "app", "runtimeConfig": {"macros": macros}}
    uploaded(tmp_path, config=config)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()] == []
    with JobStore(tmp_path) as store:
        (row,) = store.jobs()
    stored = json.loads(row.config)["runtimeConfig"]["macros"]
    assert KEYS.decrypt(stored[0]["value"]) == "hunter2"
    assert stored[1] == macros[1]


def test_values_under_an_older_key_are_encrypted_anew() -> None:
    both = Keys((new_key(), *KEYS.keys))
    macros = [{"key": "A", "value": KEYS.encrypt("x"), "secure": True}, {"key": "B", "value": None, "secure": True}]
    changed = json.loads(encrypted(json.dumps({"runtimeConfig": {"macros": macros}}), both))
    token = changed["runtimeConfig"]["macros"][0]["value"]
    assert Keys(both.keys[:1]).decrypt(token) == "x"
