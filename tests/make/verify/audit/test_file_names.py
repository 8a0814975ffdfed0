from __future__ import annotations

from pathlib import Path

import pytest

from bundle.make.verify.audit.file_names import LONGEST, USUAL_ROOT
from tests.base.names import IMPOSSIBLE_ON_WINDOWS, POSSIBLE_ON_WINDOWS
from tests.make.audited import good, rules


@pytest.mark.parametrize(
    ("key", "severity"), [("linux-x64", "warning"), ("macosx-aarch64", "error"), ("windows-x64", "error")]
)
def test_names_that_differ_only_in_case_are_found(tmp_path: Path, key: str, severity: str) -> None:
    made = good(tmp_path, key)
    made.install("clash", {"clash/Data/a": "", "clash/data/a": "", "clash/data/B": "", "clash/data/b": ""})
    assert rules(made.verify(), severity) == [
        ("case-clash", f"{made.site}/clash/data"),
        ("case-clash", f"{made.site}/clash/data/b"),
    ]


def test_a_path_that_a_windows_user_may_not_have_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, "windows-x64")
    allowed = LONGEST - USUAL_ROOT
    name = "x" * (allowed - len(f"{made.site}/long/"))
    made.install("long", {f"long/{name}": "", f"long/{name}y": ""})
    assert rules(made.verify()) == [("long-path", f"{made.site}/long/{name}y")]
    linux = good(tmp_path, "linux-x64")
    linux.install("long", {f"long/{name}/{name}": ""})
    assert linux.verify().findings == ()


def test_links_have_no_place_in_a_bundle_for_windows(tmp_path: Path) -> None:
    made = good(tmp_path, "windows-x64")
    (made.root / "python3.exe").symlink_to("python.exe")
    assert rules(made.verify()) == [("link-on-windows", "python3.exe")]


@pytest.mark.parametrize("name", IMPOSSIBLE_ON_WINDOWS)
def test_names_that_windows_cannot_have_are_found(tmp_path: Path, name: str) -> None:
    made = good(tmp_path, "windows-x64")
    made.write(f"Lib/{name}")
    assert rules(made.verify()) == [("name-on-windows", f"Lib/{name}")]


@pytest.mark.parametrize("name", POSSIBLE_ON_WINDOWS)
def test_names_that_only_look_like_those_are_fine(tmp_path: Path, name: str) -> None:
    made = good(tmp_path, "windows-x64")
    made.write(f"Lib/{name}")
    assert made.verify().findings == ()
