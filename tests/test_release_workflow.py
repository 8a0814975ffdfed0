"""The workflow of releases, whose lines are run nowhere but at GitHub."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from bundle.cli.main import COMMANDS, cli
from bundle.make.new_project import _WORKFLOW, RUNNERS

ROOT = Path(__file__).parents[1]

WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"

TEXT = WORKFLOW.read_text(encoding="utf-8")

VALUE: dict[str, Any] = yaml.safe_load(TEXT)

SCRIPTS = {"scripts/bundle": (), "scripts/release": ("release",)}
"""The programs that may be run, and the words of `bundle` that each stands for."""

ACTION = re.compile(r"uses: (\S+)@(v[0-9]+\.[0-9]+\.[0-9]+)(?: # \S.*)?\n")


def steps() -> Iterator[dict[str, Any]]:
    for job in VALUE["jobs"].values():
        yield from job["steps"]


def lines() -> list[tuple[str, str]]:
    """Return each line that is run, with the text of its step's variables."""
    return [(line, str(step.get("env", {}))) for step in steps() if "run" in step for line in step["run"].splitlines()]


@pytest.mark.parametrize("line", [line for line, _ in lines()])
def test_each_line_calls_a_command_that_anyone_can_run(line: str) -> None:
    variables = dict(lines())[line]
    named = re.findall(r"\$([A-Z_]+)", line)
    options = [option for name in named for option in re.findall(rf"'{name}': '[^}}]*'(--[a-z-]+)'", variables)]
    program, script, *words = words_of(line)
    assert program == "python"
    assert (ROOT / script).stat().st_mode & 0o111
    given = (word for word in words if not word.startswith("$") or word == "$RELEASE_TO")
    require_command([*SCRIPTS[script], *given, *options])


def words_of(line: str) -> list[str]:
    """Return the words of a line, in which each expression becomes a platform's key."""
    return shlex.split(re.sub(r"\$\{\{[^}]*\}\}", "linux-x64", line))


def require_command(words: list[str]) -> None:
    """Fail unless `bundle` has a command of this name with these options."""
    assert words[0] in COMMANDS
    command: click.Command | None = cli.get_command(click.Context(cli), words[0])
    while isinstance(command, click.Group):
        words = words[1:]
        command = command.get_command(click.Context(command), words[0])
    assert command is not None
    command.make_parser(click.Context(command)).parse_args(words[1:])


def test_the_workflow_of_new_projects_calls_commands_that_exist() -> None:
    steps = yaml.safe_load(_WORKFLOW.format(rows="          - {}", release="1.0"))["jobs"]["bundle"]["steps"]
    found = [words_of(step["run"]) for step in steps if str(step.get("run", "")).startswith("bundle ")]
    assert found
    for words in found:
        require_command(words[1:])


def test_an_option_that_does_not_exist_would_be_found() -> None:
    command = cli.get_command(click.Context(cli), "release")
    assert command is not None
    with pytest.raises(click.UsageError):
        command.make_parser(click.Context(command)).parse_args(["--dry", "--to", "x", "--nonsense"])


def test_the_matrix_has_the_machines_that_new_projects_get() -> None:
    rows = VALUE["jobs"]["native"]["strategy"]["matrix"]["include"]
    assert {row["platform"]: row["runner"] for row in rows} == RUNNERS


def test_actions_are_pinned_by_full_versions_that_new_projects_share() -> None:
    found = dict(ACTION.findall(TEXT))
    assert sum(len(re.findall("uses:", text)) for text in (TEXT,)) == len(ACTION.findall(TEXT))
    shared = dict(ACTION.findall(_WORKFLOW))
    assert {name: found[name] for name in shared} == shared
    commented = [line for line in TEXT.splitlines() if "uses:" in line and " # " not in line]
    assert commented == []


def test_rights_are_few_and_one_run_goes_at_a_time() -> None:
    assert VALUE["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in VALUE["jobs"].values())
    assert VALUE["concurrency"] == {"group": "release", "cancel-in-progress": False}
    checkouts = [step for step in steps() if str(step.get("uses", "")).startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False, False]
    # YAML 1.1 reads the key `on` as a truth value.
    assert VALUE[True]["workflow_dispatch"]["inputs"]["dry-run"]["default"] is True  # type: ignore[index]


def test_secrets_reach_the_step_that_publishes_alone() -> None:
    with_secrets = [step.get("name") for step in steps() if "secrets." in str(step)]
    assert with_secrets == ["publish"]
    (publishing,) = (step for step in steps() if step.get("name") == "publish")
    assert TEXT.count("secrets.") == str(publishing["env"]).count("secrets.")
    assert "secrets." not in publishing["run"]
    assert "inputs." not in publishing["run"]
