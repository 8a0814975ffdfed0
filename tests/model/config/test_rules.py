from typing import Any

import pytest
from hypothesis import given

from bundle.model.config.rules import slips
from bundle.model.config.schema import schema
from tests.model.configs import CONFIGS, table


def told(value: dict[str, Any]) -> list[str]:
    return [error.what for error in slips(table(value))]


def test_the_examples_of_the_schema_break_no_rule() -> None:
    assert [told(example) for example in schema()["examples"]] == [[] for _ in schema()["examples"]]


@given(CONFIGS)
def test_a_configuration_of_good_requirements_and_versions_breaks_no_rule(config: dict[str, Any]) -> None:
    assert told(config) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            {"packages": {"skip": {"torch": {"macos-x64": "r"}}}},
            'unknown key "macos-x64"; it stands for no platform. Did you mean "macosx-x64"?',
        ),
        (
            {"verify": {"accept": [{"rule": "x", "package": "a", "platforms": ["linux"]}]}},
            'verify.accept[0].platforms[0]: unknown key "linux"; it stands for no platform.',
        ),
        (
            {"build": {"archives": {"windows-x64": ["zip", "sh"]}}},
            'build.archives.windows-x64[1]: "sh" is a shell script, which windows-x64 has no shell for.',
        ),
        ({"packages": {"buildWheel": {"torch": {"!linux": {}}}}}, "it stands for no platform"),
        ({"packages": {"dependencies": ["a; " + "(" * 3000]}}, "is not a requirement"),
        ({"packages": {"dependencies": ["torch=~2.7"]}}, 'packages.dependencies[0]: "torch=~2.7" is not a requirement'),
        (
            {"packages": {"platformSpecific": {"linux-x64": {"dependencies": ["a b"]}}}},
            'packages.platformSpecific.linux-x64.dependencies[0]: "a b" is not a requirement',
        ),
        ({"packages": {"overrides": {"a": "==1.0"}}}, 'packages.overrides.a: "==1.0" is not a version.'),
        ({"packages": {"skip": {"a.b": {}, "A-B": {}}}}, '"A-B" and "a.b" are the same package.'),
        (
            {"packages": {"buildWheel": {"a": {"linux-x64": {"buildRequires": ["cmake", "=="]}}}}},
            'packages.buildWheel.a.linux-x64.buildRequires[1]: "==" is not a requirement',
        ),
        ({"runtime": {"environment": {"linux": {"A": "1"}}}}, 'unknown key "linux"; it stands for no platform'),
        ({"runtime": {"environment": {"*": {"A B": "1"}}}}, '"A B" is not the name of an environment variable.'),
        ({"runtime": {"environment": {"*": {"Path": "/x"}}}}, "Path is set by the program itself."),
        (
            {"runtime": {"environment": {"*": {"A": "{bundel}/x"}}}},
            "runtime.environment.*.A: {bundel} in A is no placeholder; known here: {bundle}.",
        ),
        (
            {"packages": {"buildWheel": {"a": {"*": {"environment": {"PIP_INDEX_URL": "x"}}}}}},
            "PIP_INDEX_URL is set by the program itself.",
        ),
        (
            {"packages": {"buildWheel": {"a": {"*": {"environment": {"A": "{versionroot}/x"}}}}}},
            "{versionroot} in A is no placeholder; known here: {packageRoot}, {versionRoot}.",
        ),
        (
            {"packages": {"platformSpecific": {"linux-x64": {"overrides": {"a": "~=1"}}}}},
            'packages.platformSpecific.linux-x64.overrides.a: "~=1" is not a version.',
        ),
    ],
)
def test_a_mistake_is_reported_with_its_place(value: dict[str, Any], problem: str) -> None:
    (told_problem,) = told(value)
    assert told_problem.startswith("shared-config.json:")
    assert problem in told_problem


@pytest.mark.parametrize(
    "value", [{}, {"packages": 1}, {"packages": {"dependencies": {"a": 1}, "overrides": ["1"], "skip": "a"}}]
)
def test_values_of_another_shape_are_left_to_the_schema(value: dict[str, Any]) -> None:
    assert told(value) == []


@pytest.mark.parametrize(
    "requirement",
    [
        "torch~=2.7",
        "foo[bar,baz]==1 ; python_version < '3.13'",
        "name @ https://files.example/name-1.0-py3-none-any.whl",
        "name[extra] @ git+https://git.example/group/name@feature/x#subdirectory=python",
        "name @ file:///srv/wheels/name-1.0-py3-none-any.whl",
    ],
)
def test_every_form_of_requirement_is_taken(requirement: str) -> None:
    assert told({"packages": {"dependencies": [requirement]}}) == []


@pytest.mark.parametrize("text", ["git+https://me:secret@git.example/x@v1", "x == y @ https://me:secret@a.example"])
def test_a_requirement_without_a_name_is_told_how_to_be_written_and_keeps_its_secret(text: str) -> None:
    (problem,) = told({"packages": {"dependencies": [text]}})
    assert "secret" not in problem
    if text.startswith("git"):
        assert 'Write "NAME @ git+https://' in problem


def test_an_option_of_pip_is_told_where_it_belongs() -> None:
    value = {"packages": {"dependencies": ["--extra-index-url https://index.example/simple"]}}
    (slip,) = slips(table(value))
    assert "NAME @" not in slip.what
    assert slip.what.endswith("It is an option of pip; registries has the keys for indexes.")
