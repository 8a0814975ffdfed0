from pathlib import Path

import click
import pytest

from bundle.cli.main import COMMANDS, cli
from tests.cli.conftest import Run
from tests.cli.results import result_of
from tests.model.configs import write_project


def test_quiet_and_verbose_exclude_each_other_wherever_they_stand(tmp_path: Path) -> None:
    project = write_project(tmp_path, {})
    for words in (("--verbose", "check"), ("check", "--verbose"), ("check", "--verbose", "--quiet")):
        with pytest.raises(click.UsageError, match="--quiet and --verbose"):
            result_of(project, *words)


def test_the_help_lists_every_command_with_its_first_line() -> None:
    listed = {}
    for line in cli.get_help(click.Context(cli, max_content_width=200, terminal_width=200)).splitlines():
        name, _, text = line.strip().partition(" ")
        listed[name] = text.strip()
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert listed[name] == str(command.help).partition("\n")[0]


def test_an_unknown_command_is_refused_with_the_nearest_name(run: Run) -> None:
    code, output, errors = run("--json", "biuld")
    assert code == 2
    assert "Did you mean 'build'?" in output
    assert "to do: " in errors


def test_a_mistake_of_the_program_itself_is_told_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("bundle.cli.app.App.open_project", fail)
    code, output, errors = run("versions")
    assert (code, output) == (1, "")
    assert "ZeroDivisionError" in errors
    assert "--debug" in errors
    assert "Traceback" not in errors
