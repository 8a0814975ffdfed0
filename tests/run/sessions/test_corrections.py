from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions.corrections import normal_paths
from bundle.run.sessions.job import JobInput, load
from tests.run.sessions.templates import script, step, template

NOTHING = script("")
FOLDER, CWD = Path("/t"), Path("/w")


def test_a_circle_of_steps_is_told() -> None:
    steps = [step("A", NOTHING, needs=["B"]), step("B", NOTHING, needs=["A"])]
    with pytest.raises(ConfigError) as raised:
        load(JobInput(template=template(*steps), folder="/", cwd="/"))
    assert "cycle" in raised.value.as_text()


def definition(name: str, kind: str, default: Any = None) -> SimpleNamespace:
    return SimpleNamespace(name=name, type=SimpleNamespace(name=kind), default=default)


def normal(kind: str, value: Any, *, uris: bool = True) -> Any:
    return normal_paths([definition("A", kind)], {"A": value}, folder=FOLDER, cwd=CWD, uris=uris)["A"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("x/../y", "/w/y"),
        (".", "/w"),
        ("../x", "/x"),
        ("/a/../b", "/a/../b"),
        ("", ""),
        ("s3://b/../c", "s3://b/../c"),
        (5, 5),
    ],
)
def test_a_relative_path_is_joined_and_normalised(given: Any, expected: Any) -> None:
    assert normal("PATH", given) == expected
    assert normal("LIST_PATH", [given, given]) == [expected, expected]
    assert normal("LIST_PATH", json.dumps([given])) == [expected]
    assert normal("STRING", given) == given


def test_without_uris_all_are_paths() -> None:
    assert normal("PATH", "s3://b", uris=False) == "/w/s3:/b"


@pytest.mark.parametrize("value", ["no json", "{}", 5, None])
def test_what_is_no_list_is_left_to_the_library(value: Any) -> None:
    assert normal("LIST_PATH", value) in (value, {})


def default(*paths: str) -> Any:
    return normal_paths([definition("A", "LIST_PATH", list(paths))], {}, folder=FOLDER, cwd=CWD, uris=True)


def test_defaults_are_joined_with_the_folder_of_the_template() -> None:
    found = default("a/..", "./a/./../b/.", "..name", "", "s3://b/../../..")
    assert found == {"A": ["/t", "/t/b", "/t/..name", "", "s3://b/../../.."]}


@pytest.mark.parametrize("path", ["/t/a", "..", "a/../..", "a/../../t2", "../t/../x"])
def test_defaults_do_not_leave_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="within"):
        default("a", path)
