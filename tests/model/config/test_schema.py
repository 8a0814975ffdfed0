from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from bundle.model.config.config import (
    DEFAULT_ARCHIVES,
    DEFAULT_SOURCES,
    DEFAULT_TIMEOUT,
    BuildOptions,
    Interpreter,
    Resolution,
)
from bundle.model.config.schema import described, schema, violations
from bundle.model.manifest import is_set_name
from bundle.model.platforms import PLATFORMS
from tests.model.configs import CONFIGS, table


def told(value: dict[str, Any]) -> list[str]:
    return [error.what for error in violations(table(value))]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())
    for example in schema()["examples"]:
        assert told(example) == []


@given(CONFIGS)
def test_what_the_schema_allows_is_taken(config: dict[str, Any]) -> None:
    assert told(config) == []


def test_the_defaults_that_the_schema_tells_are_the_ones_that_apply() -> None:
    defaults = {path: part["default"] for path, part in described() if "default" in part}
    options, resolution = BuildOptions(), Resolution()
    assert defaults["interpreter", "sources"] == list(DEFAULT_SOURCES)
    assert defaults["interpreter", "substitute"] == Interpreter().substitute
    assert defaults["platforms",] == list(PLATFORMS)
    assert defaults["packages", "resolution", "allowSourceAll"] == resolution.allow_source_all
    assert defaults["packages", "resolution", "strictMissing"] == resolution.strict_missing
    assert defaults["build", "enableLogging"] == options.enable_logging
    assert defaults["build", "timeout"] == DEFAULT_TIMEOUT == options.timeout
    assert defaults["build", "layout"] == options.layout
    assert defaults["build", "archives", "*"] == list(DEFAULT_ARCHIVES)
    assert defaults["build", "bytecode"] == options.bytecode
    assert (defaults["build", "glibc"], defaults["build", "macos"]) == (options.floors.glibc, options.floors.macos)


def test_the_schema_knows_the_platforms_that_the_code_knows() -> None:
    assert schema()["$defs"]["platform"]["enum"] == list(PLATFORMS)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"packages": {"skpi": {}}}, 'shared-config.json:3: packages.skpi: unknown key "skpi". Did you mean "skip"?'),
        ({"dependencies": []}, 'dependencies: unknown key "dependencies". It belongs at packages.dependencies.'),
        (
            {"qqq": 1},
            'unknown key "qqq". Known here: $schema, build, interpreter, packages, platforms, registries, runtime, ver',
        ),
        ({"platforms": ["linux-x46"]}, 'not "linux-x46". Did you mean "linux-x64"?'),
        (
            {"packages": {"skip": {"torch": {"macos x64": "r"}}}},
            '"macos x64" is not a platform, or a pattern such as macosx-* or !linux-x64.',
        ),
        ({"packages": {"platformSpecific": {"windows": {}}}}, 'Did you mean "windows-x64"?'),
        ({"build": {"archives": {"linux": ["zip"]}}}, 'Did you mean "linux-x64"?'),
        ({"interpreter": {"archives": {"Linux-x64": {}}}}, 'Did you mean "linux-x64"?'),
        (
            {"interpreter": {"sources": ["hots"]}},
            "interpreter.sources[0]: must be one of python-build-standalone, host",
        ),
        ({"build": {"layout": "instaled"}}, 'Did you mean "installed"?'),
        ({"build": {"glibc": 2.28}}, "build.glibc: must be a text in quotes, not 2.28."),
        ({"build": {"glibc": "2"}}, 'build.glibc: "2" is not a glibc version in quotes, such as "2.28".'),
        ({"build": {"timeout": 0}}, "build.timeout: must be more than 0, not 0."),
        ({"build": {"timeout": True}}, "build.timeout: must be a number, not true."),
        ({"build": {"parallelDownloads": "8"}}, 'must be true or false or a whole number, not "8".'),
        ({"build": {"parallelDownloads": 0}}, "build.parallelDownloads: must be at least 1, not 0."),
        ({"build": {"parallelDownloads": 1.5}}, "must be true or false or a whole number, not 1.5."),
        ({"packages": {"dependencies": "numpy"}}, 'packages.dependencies: must be a list […], not "numpy".'),
        ({"packages": {"dependencies": None}}, "packages.dependencies: must be a list […], not null."),
        (
            {"packages": {"skip": {"a b": {"linux-x64": "r"}}}},
            '"a b" is not a package name, or a glob',
        ),
        ({"packages": {"skip": {"a": {"linux-x64": ""}}}}, '"" is not a reason that says something.'),
        ({"packages": {"overrides": {"a": None}}}, "packages.overrides.a: must be a text in quotes, not null."),
        ({"packages": {"copyFiles": [{"from": "x"}]}}, 'packages.copyFiles[0]: "to" is missing.'),
        (
            {"packages": {"copyFiles": [{"from": "x", "to": "y", "form": "z"}]}},
            'unknown key "form". Did you mean "from"?',
        ),
        ({"registries": {"additional": [{"url": "https://a.example"}]}}, 'additional[0]: "packages" is missing.'),
        ({"registries": {"additional": [7]}}, "must be a text in quotes or a table {…}, not 7."),
        ({"registries": {"default": "a.example"}}, '"a.example" is not a URL (http, https or file)'),
        ({"registries": {"default": "https://${A-B}.example"}}, "in which ${NAME} stands for"),
        ({"platforms": []}, "platforms: must not be empty."),
        ({"platforms": ["linux-x64", "linux-x64"]}, 'platforms: names "linux-x64" twice.'),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_likely_word(value: dict[str, Any], problem: str) -> None:
    problems = told(value)
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_url_that_is_refused_keeps_its_secret() -> None:
    (problem,) = told({"registries": {"default": "htps://me:secret@a.example"}})
    assert "secret" not in problem


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    problems = told({"platfroms": [], "packages": {"noDeps": [1], "resolution": {"x": 1}}, "build": {"timeout": "5"}})
    assert [problem.split(": ")[1] for problem in problems] == [
        "platfroms",
        "packages.noDeps[0]",
        "packages.resolution.x",
        "build.timeout",
    ]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "..\\a", "A", "a.b", "a b", "-a", "a-", "a--b", "a\n", "\u0665", "a" * 61, "con:"],
)
def test_a_set_has_a_name_that_may_be_part_of_a_file_name(name: str) -> None:
    value: dict[str, Any] = {"packages": {"sets": {name: {"dependencies": []}, "gpu-12": {"dependencies": []}}}}
    (problem,) = violations(table(value))
    assert "packages.sets" in problem.what
    assert not is_set_name(name)
    assert is_set_name("gpu-12")


def test_sets_with_long_names_and_too_many_sets_are_told_by_number() -> None:
    sets: dict[str, Any] = {str(number): {"dependencies": []} for number in range(51)}
    (many,) = violations(table({"packages": {"sets": sets}}))
    assert "packages.sets: must have a length of at most 50, not 51." in many.what
    (long,) = violations(table({"packages": {"sets": {"a" * 61: {"dependencies": []}}}}))
    assert "must have a length of at most 60, not 61." in long.what


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        (["cmake.args=-A x64", "a=b=c"], ' Write {"cmake.args": "-A x64", "a": "b=c"}.'),
        (["cmake.define=A", "cmake.define=B"], ' Write {"cmake.define": ["A", "B"]}.'),
        (["--verbose"], "not a list."),
        ([], "not a list."),
    ],
)
def test_a_list_of_settings_is_told_as_the_table_to_write(settings: list[str], written: str) -> None:
    value = {"packages": {"buildWheel": {"kalign": {"linux-x64": {"reason": "r", "configSettings": settings}}}}}
    (problem,) = violations(table(value))
    assert problem.what.endswith(written)
