from __future__ import annotations

import pytest
from packaging.version import Version

from bundle.make.resolve.solver import explanation, nearest

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
