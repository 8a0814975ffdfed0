"""The versions of this repository: each is locked for each of its platforms, with a reason for whatever is no wheel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bundle.make.resolve.coverage import COVERED, cells_of
from bundle.model.config.project import Project
from bundle.model.locks.status import status_of
from bundle.model.platforms import PLATFORMS

PROJECT = Project(Path(__file__).parent.parent)
VERSIONS = ("3.12.10", "3.12.10-atls", "3.12.10-bundle", "3.12.10-empty", "3.13.0-custom")
"""Those of the repository: whoever takes the README's tour has one more."""
LOCKS = [(version, key) for version in VERSIONS for key in PROJECT.load(version, {}).config.platforms]


@pytest.mark.parametrize(("version", "key"), LOCKS)
def test_every_platform_has_a_fresh_lock_without_an_unexplained_gap(version: str, key: str) -> None:
    status = status_of(PROJECT.lock_path(version, key), PROJECT.load(version, {}).config, PLATFORMS[key])
    assert status.state == "fresh"
    cells = cells_of(status.existing())
    assert {name for name, cell in cells.items() if cell.decision == "missing"} == set()
    assert {name for name, cell in cells.items() if cell.decision not in COVERED and not cell.reason} == set()


@pytest.mark.parametrize(("version", "key"), LOCKS)
def test_no_lock_names_a_host_or_a_folder_of_the_machine_that_made_it(version: str, key: str) -> None:
    text = PROJECT.lock_path(version, key).read_text(encoding="utf-8")
    assert "://" not in text
    assert re.findall(r'= "/|[A-Z]:\\', text) == []


def test_no_lock_is_left_over() -> None:
    found = {
        (version, path.name.split(".")[1]) for version in VERSIONS for path in PROJECT.folder(version).glob("pylock.*")
    }
    assert found == set(LOCKS)
