from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from bundle.base.errors import ConfigError
from bundle.run.environments.application import PythonCommand, choose, read_commands, schema

WHOLE = """
commands:
  process:
    type: python_env
    pylock: pylock.toml                 # relative to this file
    command: -m my_app.process
    python_version: "3.12"
    local_extra_deps: [my_app-1.0.0-py3-none-any.whl]
    env: {DATA_PATH: /data}
    prepend_paths: [/opt/tools/bin]
    refresh: false
"""


def commands_of(tmp_path: Path, text: str) -> dict[str, PythonCommand]:
    path = tmp_path / "app.yml"
    path.write_text(text)
    return read_commands(path)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_a_command_is_read_with_its_paths(tmp_path: Path) -> None:
    assert commands_of(tmp_path, WHOLE)["process"] == PythonCommand(
        application=tmp_path / "app.yml",
        name="process",
        pylock=tmp_path / "pylock.toml",
        words=("-m", "my_app.process"),
        python="3.12",
        extras=(tmp_path / "my_app-1.0.0-py3-none-any.whl",),
        variables={"DATA_PATH": "/data"},
        prepended=("/opt/tools/bin",),
    )


def test_defaults_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found = commands_of(tmp_path, "commands: {a: {type: python_env, pylock: ~/pylock.toml, command: x 'a b'}}")["a"]
    assert (found.pylock, found.words) == (Path("/home/me/pylock.toml"), ("x", "a b"))
    assert (found.python, found.extras, found.refresh) == ("3.13", (), False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("commands: {a: {type: python_env}}", ['"pylock" is missing. "command" is missing.']),
        (WHOLE.replace("prepend_paths", "prepend_path"), ['unknown key "prepend_path". Did you mean "prepend_paths"?']),
        (WHOLE.replace("commands:", "command:"), ['Did you mean "commands"?', '"commands" is missing']),
        (WHOLE.replace('"3.12"', "3.10"), ['"3.1" stands there as a number', "must be a text in quotes"]),
        (WHOLE.replace("/data", "8080"), ["env.DATA_PATH: must be a text in quotes, not 8080"]),
        (WHOLE.replace("DATA_PATH", "'A=B'"), ['"A=B" is not the name of an environment variable']),
        (WHOLE.replace("refresh: false", "refresh: maybe"), ["must be true or false"]),
        (WHOLE.replace("-m my_app.process", "'say \"hi'"), ["cannot be split into words: no closing quotation"]),
        (WHOLE.replace("-m my_app.process", "' '"), ["names no program"]),
        (
            WHOLE.replace("python_env", "docker"),
            ['app.yml:4: commands.process.type: "docker" is a type of command that'],
        ),
        (WHOLE.replace("python_env", "python-env"), ['Did you mean "python_env"?']),
        (WHOLE.replace("process:", "7:") + "  other: 3\n", ["commands.other: must be a table"]),
        ("commands: []", ["must be a table"]),
        ("commands: {}", ["must not be empty"]),
        ("pylock: pylock.toml", ['unknown key "pylock". Known here: commands.']),
        ("", ["must be a table"]),
        ("- a\n", ["must be a table"]),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        commands_of(tmp_path, text)
    whole = caught.value.as_text()
    for part in told:
        assert part in whole
    assert "bundle check" not in whole


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = WHOLE.replace("refresh: false", "refresh: 1\n    refesh: true") + "  b: {type: exec, command: ls}\n"
    with pytest.raises(ConfigError) as caught:
        commands_of(tmp_path, text)
    whole = caught.value.as_text()
    for part in ("process.refresh: must be", 'unknown key "refesh"', '"exec" is a type of command'):
        assert part in whole


def test_two_keys_that_are_missing_are_told_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        commands_of(tmp_path, "commands: {a: {type: python_env}}")
    assert caught.value.as_text().count('"pylock" is missing') == 1


def test_an_unknown_command_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    commands = commands_of(tmp_path, WHOLE)
    assert choose(commands, "process", tmp_path).name == "process"
    with pytest.raises(ConfigError, match="no command 'proces'") as caught:
        choose(commands, "proces", tmp_path)
    assert 'Did you mean "process"?' in caught.value.what
