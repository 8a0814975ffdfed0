from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from tests.cli.project.locked import VERSION, locked_project
from tests.cli.results import result_of, text_of


def test_the_reason_of_a_package_begins_in_the_configuration(tmp_path: Path) -> None:
    result = result_of(locked_project(tmp_path), "why", VERSION, "LIB")

    place = f"versions/{VERSION}/config.json:"
    heading, decision, first, second = text_of(result).splitlines()
    assert (heading, decision) == ("linux-x64, windows-x64:", "  wheel 1.0: fits")
    assert first.startswith(f"  app>=1 ({place}")
    assert first.endswith(") -> app 1.0 -> lib 1.0")
    assert second.endswith(") -> tool 1.0 -> lib 1.0")


def test_platforms_that_differ_are_told_apart(tmp_path: Path) -> None:
    text = text_of(result_of(locked_project(tmp_path), "why", VERSION, "core"))

    assert text.startswith("linux-x64:\n  wheel 1.0: fits\n")
    assert text.endswith("windows-x64:\n  nothing requires it\n")


def test_a_package_that_is_left_out_has_its_rule(tmp_path: Path) -> None:
    result = result_of(locked_project(tmp_path), "why", VERSION, "gpu", "--platform", "linux-x64")

    assert "  skipped 2.0: too large\n" in text_of(result)
    (chain,) = result.data["platforms"][0]["chains"]
    assert chain["packages"] == [{"name": "tool", "version": "1.0"}, {"name": "gpu", "version": "2.0"}]


def test_a_package_that_is_not_there_is_an_error_with_the_likely_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'no package tol.*"tool"'):
        result_of(locked_project(tmp_path), "why", VERSION, "tol")
