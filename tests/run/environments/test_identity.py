from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.environments.application import PythonCommand
from bundle.run.environments.identity import identify, read_sources, watched
from bundle.run.environments.interpreter import BaseInterpreter


def command_in(folder: Path) -> PythonCommand:
    (folder / "pylock.toml").write_text("lock")
    (folder / "a.whl").write_text("wheel")
    (folder / "src" / "pkg").mkdir(parents=True)
    (folder / "src" / "pyproject.toml").touch()
    (folder / "src" / "pkg" / "module.py").touch()
    return PythonCommand(
        application=folder / "app.yml",
        name="a",
        pylock=folder / "pylock.toml",
        words=("x",),
        python="3.12",
        extras=(folder / "a.whl", folder / "src"),
        variables={},
    )


def interpreter_in(folder: Path) -> BaseInterpreter:
    (folder / "python").write_text("python")
    return BaseInterpreter(executable=folder / "python", python="3.12.1", system={"glibc": "2.36"})


def name_of(command: PythonCommand, interpreter: BaseInterpreter, host: str = "host") -> str:
    return identify(command, interpreter, read_sources(command), host).name


def test_everything_that_an_environment_is_made_from_counts(tmp_path: Path) -> None:
    command, interpreter = command_in(tmp_path), interpreter_in(tmp_path)
    names = [name_of(command, interpreter)]
    assert name_of(command, interpreter) == names[0]
    assert len(names[0]) == 32
    names.append(name_of(command, interpreter, host="other"))
    names.append(name_of(replace(command, python="3.12.1"), interpreter))
    names.append(name_of(replace(command, extras=command.extras[:1]), interpreter))
    names.append(name_of(command, replace(interpreter, python="3.12.2")))
    names.append(name_of(command, replace(interpreter, system={"glibc": "2.17"})))
    names.append(name_of(command, replace(interpreter, manifest=tmp_path / "a.whl")))
    for path in (command.pylock, tmp_path / "a.whl", tmp_path / "src" / "pkg" / "module.py", tmp_path / "python"):
        times = path.stat()
        path.write_text("changed")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        names.append(name_of(command, interpreter))
    os.utime(command.pylock, ns=(1, 1))
    names.append(name_of(command, interpreter))
    (tmp_path / "src" / "pkg" / "new.py").touch()
    names.append(name_of(command, interpreter))
    assert len(set(names)) == len(names)


def test_what_a_build_leaves_in_a_source_folder_does_not_count(tmp_path: Path) -> None:
    command, interpreter = command_in(tmp_path), interpreter_in(tmp_path)
    before = name_of(command, interpreter)
    for folder in ("build", "pkg.egg-info", "pkg/__pycache__", ".git"):
        (tmp_path / "src" / folder).mkdir()
        (tmp_path / "src" / folder / "file").touch()
    assert name_of(command, interpreter) == before


def test_what_is_watched_has_every_file_and_folder(tmp_path: Path) -> None:
    command = command_in(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in watched(command.extras)} == {
        *("a.whl", "src", "src/pkg", "src/pkg/module.py", "src/pyproject.toml")
    }


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    command = replace(
        command_in(tmp_path),
        pylock=tmp_path / "gone.toml",
        extras=(tmp_path / "gone.whl", tmp_path / "a.whl", tmp_path / "app.txt"),
    )
    (tmp_path / "app.txt").touch()
    with pytest.raises(ConfigError) as caught:
        read_sources(command)
    told = caught.value.as_text()
    assert "There is no lock" in told
    assert "gone.whl" in told
    assert "app.txt is neither a wheel" in told
    (tmp_path / "my.lock").touch()
    with pytest.raises(ConfigError, match="does not have the name of a lock"):
        read_sources(replace(command, pylock=tmp_path / "my.lock", extras=()))
