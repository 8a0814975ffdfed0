from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.run.environments.kept import kept, named, prune, remove
from bundle.run.environments.making import IDENTITY

A, B = "a" * 32, "ab" * 16


def make(root: Path, name: str, *, marked: bool = True, days: float = 0) -> Path:
    folder = root / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    lock = root.parent / "pylock.toml"
    if not lock.exists():
        lock.touch()
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    identity = {"pylock": str(lock), "mtime": lock.stat().st_mtime_ns, "content": empty, "extras": []}
    (folder / IDENTITY).write_text(json.dumps(identity))
    if marked:
        (folder / ".provisioned").touch()
        time = (folder / ".provisioned").stat().st_mtime - days * 86400
        os.utime(folder / ".provisioned", (time, time))
    return folder


def states(root: Path) -> dict[str, str]:
    return {one.name: one.state for one in kept(root)}


def test_states_say_whether_a_command_finds_it(tmp_path: Path) -> None:
    root = tmp_path / "envs"
    folder = make(root, A)
    make(root, B, marked=False)
    (root / "ephemeral").mkdir()
    assert states(root) == {A: "ready", B: "half-made"}
    (folder / "bin" / "python").unlink()
    assert states(root)[A] == "its Python is gone"
    (folder / "bin" / "python").symlink_to(sys.executable)
    os.utime(tmp_path / "pylock.toml", (1, 1))
    assert states(root)[A] == "the lock was written anew"
    (tmp_path / "pylock.toml").write_text("x")
    assert states(root)[A] == "pylock.toml has changed"
    (tmp_path / "pylock.toml").unlink()
    assert states(root)[A] == "pylock.toml is gone"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"pylock": 3}', '{"pylock": "\\u0000"}', '{"extras": [1, {}]}'])
def test_a_damaged_identity_stops_no_list(tmp_path: Path, content: str) -> None:
    (make(tmp_path / "envs", A) / IDENTITY).write_text(content)
    (one,) = kept(tmp_path / "envs")
    assert one.state != "ready"


def test_a_name_is_found_by_its_beginning(tmp_path: Path) -> None:
    make(tmp_path, A)
    make(tmp_path, B)
    assert named(tmp_path, "aa").name == A
    for name, told in (("a", "several"), ("c", "no environment"), ("", "several"), ("../x", "no environment")):
        with pytest.raises(ConfigError, match=told):
            named(tmp_path, name)


def test_prune_removes_the_old_and_the_half_made(tmp_path: Path) -> None:
    make(tmp_path, A, days=40)
    make(tmp_path, B, days=10)
    make(tmp_path, "c" * 32, marked=False)
    (tmp_path / f"{'d' * 32}.lock").touch()
    (tmp_path / "starts").mkdir()
    (tmp_path / "starts" / "12345678").touch()
    assert prune(tmp_path, days=30, reporter=Reporter()).keys() == {A, "c" * 32}
    assert {path.name for path in tmp_path.iterdir()} == {B, "starts"}
    assert list((tmp_path / "starts").iterdir()) == []
    assert remove(tmp_path / B) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["starts"]
