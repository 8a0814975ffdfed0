from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.filenames import (
    climbs,
    folded,
    leaves,
    path_obstacle,
    portable_obstacle,
    stays_inside,
    text_obstacle,
    windows_obstacle,
)
from tests.base.names import IMPOSSIBLE_ON_WINDOWS, POSSIBLE_ON_WINDOWS


@pytest.mark.parametrize("name", IMPOSSIBLE_ON_WINDOWS)
def test_windows_cannot_have_a_name(name: str) -> None:
    assert repr(name) in (windows_obstacle(name) or "")


@pytest.mark.parametrize("name", POSSIBLE_ON_WINDOWS)
def test_names_that_only_look_like_those_are_fine(name: str) -> None:
    assert windows_obstacle(name) is None


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a/b.py", None),
        ("./a//b", None),
        ("a..b/...", None),
        ("/etc/passwd", "absolute"),
        ("C:/a", "absolute"),
        ("c:a", "absolute"),
        ("../a", "upward"),
        ("a/../../b", "upward"),
        ("a/..", "upward"),
        ("a\\..\\b", "backslash"),
        ("a\nb", "control character"),
        ("a\x7f", "control character"),
        ("a\0b", "control character"),
        ("a\udcff", "UTF-8"),
    ],
)
def test_an_unsafe_path_is_told_with_its_reason(path: str, why: str | None) -> None:
    assert path_obstacle(path) is None if why is None else why in (path_obstacle(path) or "")


def test_a_link_may_lead_upward_in_itself() -> None:
    assert text_obstacle("../a") is None


@pytest.mark.parametrize(
    ("one", "other", "same"), [("Read", "read", True), ("\xe9", "e\u0301", True), ("ß", "SS", True), ("a", "b", False)]
)
def test_names_are_folded_as_file_systems_do(one: str, other: str, same: bool) -> None:
    assert (folded(one) == folded(other)) == same


@pytest.mark.parametrize(
    ("path", "target", "inside", "outside_by_others"),
    [
        ("link", "a", True, False),
        ("a/link", "../b", True, False),
        ("a/b/link", "./../..//c", True, False),
        ("link", "..", False, True),
        ("a/link", "../../b", False, True),
        ("link", "a/../b", True, True),
        ("link", "a/../../b", False, True),
    ],
)
def test_links_are_followed(path: str, target: str, inside: bool, outside_by_others: bool) -> None:
    assert stays_inside(path, target, {path: target}) == inside
    assert climbs(path, target) == outside_by_others


@pytest.mark.parametrize("target", ["", "/a", "C:/a"])
def test_a_link_that_is_not_relative_climbs(target: str) -> None:
    assert climbs("a/link", target)


def test_links_are_followed_through_others() -> None:
    links = {"a/out": "..", "b": "a/out/..", "round": "round"}
    assert stays_inside("a/out", links["a/out"], links)
    assert not stays_inside("b", links["b"], links)
    assert not stays_inside("round", "round", links)


def test_links_on_the_disk_are_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    for name, target, out in (
        ("in", "../a", False),
        ("up", "../..", True),
        ("far", str(root), True),
        ("by", "up", True),
    ):
        link = root / "a" / name
        link.symlink_to(target)
        assert leaves(link, root) == out, name


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a/b.py", None),
        (".env", None),
        ("a//b", "has an empty part"),
        ("./a", "has an empty part"),
        ("", "has an empty part"),
        ("a/nul.txt", "is not possible everywhere: 'nul.txt' is a device on Windows"),
        ("a./b", "is not possible everywhere: Windows has no name 'a.'"),
        ("../a", "leads upward"),
    ],
)
def test_a_path_that_some_system_cannot_have_is_told_with_its_reason(path: str, why: str | None) -> None:
    assert portable_obstacle(path) == why
