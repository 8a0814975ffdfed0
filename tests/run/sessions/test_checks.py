from __future__ import annotations

from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions.checks import check
from bundle.run.sessions.job import JobInput, load
from tests.run.sessions.templates import environment, job, numbers, script, step, template

NOTHING = script("")
LAST, BEYOND = 2**63 - 1, 2**63


def definition(**more: Any) -> dict[str, Any]:
    return {"parameterDefinitions": [{"name": "A", **more}]}


@pytest.mark.parametrize(
    "more",
    [
        {"type": "INT", "default": 2**63},
        {"type": "INT", "default": str(2**63)},
        {"type": "INT", "default": -(2**63) - 1},
        {"type": "INT", "minValue": -(2**64)},
        {"type": "INT", "maxValue": "9" * 5000},
        {"type": "INT", "allowedValues": [1, 2**63]},
        {"type": "LIST[INT]", "default": [2**63]},
        {"type": "LIST[LIST[INT]]", "default": [[1], [2**63]]},
    ],
)
def test_integers_of_more_than_64_bits_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        check(definition(**more))


@pytest.mark.parametrize(
    "more",
    [
        {"type": "INT", "default": 2**63 - 1, "minValue": -(2**63)},
        {"type": "INT", "default": "{{Param.B}}"},
        {"type": "STRING", "default": "9" * 40},
        {"type": "FLOAT", "default": 2**70},
        {"type": ["odd"], "default": 2**70},
    ],
)
def test_other_values_are_left_to_the_library(more: dict[str, Any]) -> None:
    check(definition(**more))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"type": "INT", "default": "1_000"}, "no integer"),
        ({"type": "INT", "allowedValues": [1, "1.0"]}, "no integer"),
        ({"type": "FLOAT", "minValue": 2, "maxValue": "1.5"}, "minValue"),
        ({"type": "LIST[INT]", "minLength": 3, "maxLength": 2}, "minLength"),
        (
            {"type": "LIST[LIST[INT]]", "item": {"item": {"minValue": 3, "maxValue": 2}}},
            "minValue of an item of an item",
        ),
    ],
)
def test_bounds_that_no_value_keeps_and_texts_that_are_no_integers_are_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(definition(**more))
    check(definition(type="INT", default=" +7 ", minValue=1, maxValue=1))


@pytest.mark.parametrize("name", [".", "..", "a\nb", "a\x00b"])
def test_an_embedded_file_has_the_name_of_a_file(name: str) -> None:
    def with_file(name: str) -> dict[str, Any]:
        return {"steps": [{"script": {"embeddedFiles": [{"name": "F", "filename": name}]}}]}

    with pytest.raises(ValueError, match="no name"):
        check(with_file(name))
    check(with_file("run ünïcode.sh"))


def test_ranges_of_tasks_are_parameters_too() -> None:
    space = [{"name": "N", "type": "INT", "range": [1, 2**63]}]
    with pytest.raises(ConfigError) as raised:
        job(step("S", NOTHING, space=space))
    assert "64 bits" in raised.value.what


@pytest.mark.parametrize("odd", [{"steps": 1}, {"steps": [1]}, {"parameterDefinitions": [[]]}, {"steps": [{}]}])
def test_what_is_no_template_is_left_to_the_library(odd: dict[str, Any]) -> None:
    check(odd)


@pytest.mark.parametrize("kind", ["iNt", "LiSt[iNt]", "List[List[int]]"])
def test_types_are_known_in_any_case(kind: str) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        check(definition(type=kind, default=BEYOND))


@pytest.mark.parametrize(
    "more",
    [
        {"type": "LIST[INT]", "item": {"minValue": -BEYOND - 1}},
        {"type": "LIST[LIST[INT]]", "item": {"item": {"allowedValues": [1, str(BEYOND)]}}},
        {"type": "RANGE_EXPR", "default": f"1-{BEYOND}"},
        {"type": "RANGE_EXPR", "default": f"1-5:{BEYOND}"},
    ],
)
def test_integers_within_items_and_ranges_count(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        check(definition(**more))


@pytest.mark.parametrize(
    "more",
    [
        {"type": "LIST[INT]", "item": {"maxValue": LAST, "minValue": -BEYOND}},
        {"type": "RANGE_EXPR", "default": f"{-BEYOND}-{LAST},1--5"},
        {"type": "RANGE_EXPR", "default": "1-{{Param.B}}"},
    ],
)
def test_the_last_integers_are_valid(more: dict[str, Any]) -> None:
    check(definition(**more))


def spaced(*definitions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"steps": [{"parameterSpace": {"taskParameterDefinitions": list(definitions), **more}}]}


@pytest.mark.parametrize("values", [[BEYOND], [str(BEYOND)], str(BEYOND), f"{LAST - 1}-{BEYOND + 1}", f"1-2,{BEYOND}"])
def test_ranges_of_tasks_fit_64_bits(values: Any) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        check(spaced({"name": "N", "type": "INT", "range": values}))
    check(spaced({"name": "N", "type": "STRING", "range": [str(BEYOND)]}))


def test_a_long_text_of_a_range_is_refused_unless_it_is_a_format() -> None:
    for text, valid in (("x" * 1024, True), ("x" * 1025, False), ("{{Param.A}}" + "x" * 2000, True)):
        document = spaced({"name": "N", "type": "STRING", "range": [text]})
        if valid:
            check(document)
        else:
            with pytest.raises(ValueError, match="1024"):
                check(document)


def test_a_combination_has_known_names() -> None:
    spaces = [{"name": name, "type": "INT", "range": [1]} for name in "AB"]
    check(spaced(*spaces, combination="(A, B)"))
    with pytest.raises(ValueError, match="'Z'"):
        check(spaced(*spaces, combination="A * Z"))


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", 10**400, ["1", "-inf"]])
def test_numbers_are_finite(value: Any) -> None:
    with pytest.raises(ValueError, match="finite"):
        check(definition(type="FLOAT", default=value))


@pytest.mark.parametrize("odd", ["10", True, ""])
@pytest.mark.parametrize("place", ["timeout", "notifyPeriodInSeconds"])
def test_a_number_is_no_text(odd: Any, place: str) -> None:
    action = script("", timeout=odd) if place == "timeout" else script(
        "", cancelation={"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": odd}
    )  # fmt: skip
    with pytest.raises(ConfigError, match=place):
        job(step("S", action))
    outer = {"specificationVersion": "environment-2023-09", "environment": environment("E", action)}
    with pytest.raises(ConfigError, match=place):
        load(JobInput(template=template(step("S", NOTHING)), folder="/", cwd="/", environments=(outer,)))


def test_a_number_may_be_text_with_the_extension_and_where_it_is_no_number() -> None:
    job(step("S", script("", timeout="10")), extensions=["FEATURE_BUNDLE_1"])
    around = {"name": "E", "variables": {"timeout": "10", "min": "1"}}
    job(step("S", NOTHING, space=numbers([1], "min")), jobEnvironments=[around])


@pytest.mark.parametrize("odd", [{"parameterSpace": 1}, {"parameterSpace": {"combination": 1}}, {"script": [1, [2]]}])
def test_odd_steps_are_left_to_the_library(odd: dict[str, Any]) -> None:
    check({"steps": [odd], "extensions": "x", "jobEnvironments": {"a": [1]}, "environment": None})
