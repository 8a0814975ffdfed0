from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bundle.run.environments.making import FOLDER, Place, copy_small, place_name
from tests.run.environments.apps import App


def test_a_copy_has_links_modes_and_folders(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "tool").write_text("x")
    (source / "bin" / "tool").chmod(0o755)
    (source / "bin" / "python").symlink_to("tool")
    (source / "lib64").symlink_to("lib")
    copy_small(str(source), str(tmp_path / "copy"))
    copy = tmp_path / "copy"
    assert (copy / "bin" / "tool").stat().st_mode & 0o777 == 0o755
    assert [str((copy / link).readlink()) for link in ("bin/python", "lib64")] == ["tool", "lib"]
    assert (copy / "bin" / "tool").stat().st_ino != (source / "bin" / "tool").stat().st_ino


def test_a_place_is_taken_by_one_process_at_a_time(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "deep" / "place"))
    held = place.take()
    assert held is not None
    assert place.take() is None
    held.release()
    assert not place.is_prepared()


def test_a_place_is_for_an_interpreter_and_the_settings_of_uv(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("1")
    python, uv = str(tmp_path / "python"), str(tmp_path / "uv")
    names = [place_name(python, uv, {}), place_name(python, uv, {"UV_VENV_SEED": "1", "HOME": "/"})]
    assert place_name(python, uv, {"HOME": "/other"}) == names[0]
    (tmp_path / "python").write_text("12")
    names.append(place_name(python, uv, {}))
    assert len(set(names)) == 3


@pytest.mark.real
def test_a_new_lock_of_a_known_command_takes_one_start_of_uv(app: App, tmp_path: Path) -> None:
    assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    other = app.wheel("other")
    app.lock([app.wheel(), other])
    assert app.run("env", "run", "app.yml", "greet", "a")[:2] == (0, "hello a\n")
    lock = app.lock([app.wheel(), other, app.wheel("third")])
    code, output, messages = app.run("env", "run", "app.yml", "greet", "b")
    assert (code, output, messages) == (0, "hello b\n", "")
    listed = json.loads(app.run("env", "list", "--json")[1])["environments"]
    assert sorted(one["state"] for one in listed) == ["pylock.toml has changed"] * 2 + ["ready"]
    (ready,) = [one for one in listed if one["state"] == "ready"]
    # The slow way finds what the quick one has made.
    shutil.rmtree(app.envs / "starts")
    assert app.run("env", "path", "app.yml", "greet")[1].strip() == ready["path"]
    assert (Path(ready["path"]) / "bin" / "third").exists()
    assert lock.read_bytes() == (Path(ready["path"]) / ".pylock.toml").read_bytes()


@pytest.mark.real
def test_what_the_quick_way_cannot_do_is_done_the_slow_way(app: App) -> None:
    assert app.run("env", "run", "app.yml", "greet")[0] == 0
    good = (app.folder / "pylock.toml").read_text()
    (app.folder / "pylock.toml").write_text(good.replace('sha256 = "', 'sha256 = "0'))
    code, _, messages = app.run("env", "run", "app.yml", "greet")
    assert code in (2, 4)
    assert "Installing" in messages
    # What an earlier one left, and an empty environment without its interpreter, do not matter.
    (app.folder / "pylock.toml").write_text(good + "\n")
    (place,) = [path for path in (app.envs / FOLDER).iterdir() if path.is_dir()]
    (place / "new").mkdir(exist_ok=True)
    (place / "new" / "left").touch()
    shutil.rmtree(place / "empty" / "bin", ignore_errors=True)
    assert app.run("env", "run", "app.yml", "greet", "x")[:2] == (0, "hello x\n")
    assert not (place / "new").exists()
    assert not (app.made()[0] / "left").exists()
