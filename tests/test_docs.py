from pathlib import Path

import click
from scripts.reference import commands_page, configuration_page

from bundle.cli.main import COMMANDS, cli
from bundle.model.config.schema import described

DOCS = Path(__file__).parents[1] / "docs"
REMEDY = "run scripts/refresh-docs"


def test_the_configuration_page_is_current() -> None:
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == configuration_page(), REMEDY


def test_the_commands_page_is_current() -> None:
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == commands_page(), REMEDY


def test_the_configuration_page_tells_of_every_key_how_it_is_merged() -> None:
    rows = [line for line in configuration_page().splitlines() if line.startswith("| `")]
    assert all(len(row.strip("| ").split(" | ")) == 5 for row in rows)
    keys = {path[-1] for path, part in described() if len(path) > 1 and path[-1] != "*"}
    assert all(any(f"{key}`" in row for row in rows) for key in keys)


def test_each_command_has_one_line_of_help_that_fits_into_the_list() -> None:
    root = click.Context(cli)
    first = {name: str(getattr(cli.get_command(root, name), "help", "")).partition("\n")[0] for name in COMMANDS}
    assert [name for name, line in first.items() if not line.endswith(".") or len(line) > 80] == []
