from __future__ import annotations

from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from bundle.make.resolve.requirements import Rewriter, lenient_requirement
from bundle.model.config.config import PlatformPackages
from bundle.model.platforms import PLATFORMS

ENVIRONMENT = PLATFORMS["linux-x64"].marker_environment("3.12.10")


def rewriter(**rules: Any) -> Rewriter:
    return Rewriter(PlatformPackages(**rules), ENVIRONMENT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Foo_Bar[b,a]>=1,<2 ; python_version > '3'", 'foo-bar[a,b]<2,>=1 ; python_version > "3"'),
        ("gone[x]>=99 ; sys_platform == 'linux'", 'gone ; sys_platform == "linux"'),
        ("gone @ https://index.example/gone.whl", "gone"),
        ("fixed[x]<1 ; extra == 'y'", 'fixed[x]==2.0 ; extra == "y"'),
        ("fixed @ git+https://code.example/fixed.git", "fixed==2.0"),
        ("direct[x] @ https://index.example/direct.whl ; extra == 'y'", 'direct[x] ; extra == "y"'),
    ],
)
def test_rules_change_what_is_asked_for_but_never_the_marker(before: str, after: str) -> None:
    rules = rewriter(skip={"gone": "no"}, overrides={"fixed": "2.0"})

    assert rules.requirement(Requirement(before)) == after


def test_metadata_keep_what_the_solver_needs_and_nothing_else() -> None:
    raw = (
        b"Metadata-Version: 2.4\nName: Demo\nVersion: 1.0\nRequires-Python: >=3.13\nProvides-Extra: x\n"
        b"Requires-Dist: gone>=2\nRequires-Dist: other (>=1.0)\nRequires-Dist: odd (>=1.0,)\n"
        b"Requires-Dist: more; extra == 'x'\n\nA description: with colons\n"
    )

    rewritten = rewriter(skip={"gone": "no"}).metadata("demo", Version("1.0+cpu"), raw)

    assert rewritten.content.decode().splitlines() == [
        "Metadata-Version: 2.1",
        "Name: demo",
        "Version: 1.0+cpu",
        "Requires-Python: >=3.13",
        "Provides-Extra: x",
        "Requires-Dist: gone",
        "Requires-Dist: other>=1.0",
        "Requires-Dist: odd>=1.0",
        'Requires-Dist: more ; extra == "x"',
    ]
    assert [(requested.name, requested.asker) for requested in rewritten.requested_by] == [
        ("gone", "demo 1.0+cpu"),
        ("other", "demo 1.0+cpu"),
        ("odd", "demo 1.0+cpu"),
        ("more", "demo 1.0+cpu"),
    ]


def test_the_pythons_that_a_gap_supports_are_hidden_from_the_solver() -> None:
    raw = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.13\n"

    assert b"Requires-Python" not in rewriter().metadata("demo", Version("1.0"), raw, any_python=True).content


def test_a_package_without_dependencies_has_no_extras_either() -> None:
    raw = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nProvides-Extra: x\nRequires-Dist: low\n"

    rewritten = rewriter(no_deps=frozenset({"demo"})).metadata("demo", Version("1.0"), raw)

    assert b"Requires-Dist" not in rewritten.content
    assert not rewritten.requested_by


def test_a_requirement_that_nobody_can_read_is_left_to_the_solver() -> None:
    raw = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: what is this?\n"

    assert b"Requires-Dist: what is this?" in rewriter().metadata("demo", Version("1.0"), raw).content
    assert lenient_requirement("what is this?") is None


def test_markers_are_those_of_the_target() -> None:
    rules = rewriter()

    assert rules.applies(None)
    assert rules.applies(Requirement("a ; sys_platform == 'linux'").marker)
    assert not rules.applies(Requirement("a ; sys_platform == 'win32'").marker)
    assert not rules.applies(Requirement("a ; extra == 'x'").marker)
    assert rules.applies(Requirement("a ; extra == 'x'").marker, ["x"])
