from pathlib import Path

import pytest

from bundle.cli.main import COMMANDS
from bundle.cli.reference import commands_page, configuration_page
from bundle.model.config.schema import described

DOCS = Path(__file__).parents[2] / "docs"
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


@pytest.mark.parametrize("name", ["config", "check", "new", "versions", "platforms", "schema", "clean"])
def test_a_command_says_in_the_list_what_it_says_itself(name: str) -> None:
    module, summary = COMMANDS[name]
    assert module == "bundle.cli.project"
    assert summary.endswith(".")
