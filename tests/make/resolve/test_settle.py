from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from bundle.base.threads import in_parallel
from bundle.make.resolve.gaps import Gap, dependents, missing_error, still_wanted
from bundle.make.resolve.settle import nearest
from bundle.make.resolve.solver import explanation

KNOWN = [Version(text) for text in ("3.0", "2.0", "1.3", "1.1", "1.0", "4.0rc1")]


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        (["1.2"], ["1.0", "1.1", "1.3", "2.0"]),
        (["0.1"], ["1.0", "1.1", "1.3", "2.0"]),
        (["99"], ["1.1", "1.3", "2.0", "3.0"]),
        ([], ["1.1", "1.3", "2.0", "3.0"]),
    ],
)
def test_the_nearest_versions_stand_around_the_wanted_one(wanted: list[str], near: list[str]) -> None:
    assert [str(version) for version in nearest(KNOWN, [Version(text) for text in wanted])] == near


def test_pre_releases_are_near_only_if_there_is_nothing_else() -> None:
    assert nearest([Version("1.0rc1"), Version("1.0rc2")], []) == [Version("1.0rc1"), Version("1.0rc2")]


def test_the_solvers_explanation_becomes_whole_sentences_without_frame_and_foreign_advice() -> None:
    said = """\
  \u00d7 No solution found when resolving dependencies:
  ╰─▶ Because there is no version of foo==9 and you require
      foo==9, we can conclude that your requirements are unsatisfiable.
      And because bar was not found in the package registry, nothing helps.

hint: Pre-releases are available, try `--prerelease=allow`
"""

    first, second = explanation(said).splitlines()
    assert first == (
        "Because there is no version of foo==9 and you require foo==9, we can conclude that your requirements are "
        "unsatisfiable."
    )
    assert second == "And because bar was not found in any registry, nothing helps."


REQUIRED_BY = {"app": ("",), "lib": ("app", "other"), "other": ("",), "low": ("lib",), "helper": ("app",)}


def test_whatever_needs_a_missing_package_goes_with_it() -> None:
    assert dependents(["low"], REQUIRED_BY) == {"lib": "low", "app": "lib", "other": "lib"}
    assert dependents(["helper"], REQUIRED_BY) == {"app": "helper"}


def test_what_nobody_else_wants_goes_as_well() -> None:
    assert still_wanted(REQUIRED_BY, {"app", "helper"}) == {"other", "lib", "low"}
    assert still_wanted(REQUIRED_BY, {"app", "other", "lib", "low"}) == set()


def test_packages_that_need_each_other_are_no_reason_to_stay() -> None:
    assert still_wanted({"app": ("",), "a": ("b", "app"), "b": ("a",)}, {"app"}) == set()


def test_a_gap_tells_who_asks_and_what_exists() -> None:
    gap = Gap(
        name="a",
        version="1.0",
        reason="no wheel fits linux-x64",
        required_by=("", "b"),
        available=tuple(f"cp3{minor} win32" for minor in range(12)),
    )

    error = missing_error([gap], "linux-x64", "3.12.10", {})

    assert error.what == "a 1.0 has no usable file for linux-x64 (3.12.10)."
    assert error.details[1] == "  asked for by: the configuration, b"
    assert error.details[2].endswith("cp39 win32 and 2 more")


@given(st.lists(st.integers(), max_size=20), st.integers(1, 4))
def test_parallel_work_keeps_the_order_and_every_failure(items: list[int], threads: int) -> None:
    def work(item: int) -> int:
        if item % 3 == 0:
            raise ValueError(item)
        return item * 2

    results = in_parallel(work, items, threads=threads)

    assert [result if isinstance(result, int) else result.args[0] for result in results] == [
        item if item % 3 == 0 else item * 2 for item in items
    ]
