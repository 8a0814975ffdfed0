from __future__ import annotations

import pickle

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions.job import JobInput, load
from tests.run.sessions.templates import environment, job, numbers, script, step, template

NOTHING = script("")


def test_steps_stand_behind_what_they_depend_on() -> None:
    found = job(step("C", NOTHING, needs=["B"]), step("A", NOTHING), step("B", NOTHING, needs=["A"]))
    assert [one.name for one in found.steps] == ["A", "B", "C"]
    assert [one.name for one in found.needed("C")] == ["A", "B"]
    assert found.step("B").needs == ("A",)
    with pytest.raises(ConfigError, match="'D'"):
        found.step("D")


def test_a_task_is_made_when_it_is_asked_for() -> None:
    space = [*numbers("1-1000000", "A"), *numbers("1-1000000", "B")]
    found = job(step("S", NOTHING, space=space)).steps[0]
    assert found.count == 10**12
    assert found.parameters(10**12 - 1) == {"A": "1000000", "B": "1000000"}


def test_more_tasks_than_can_be_counted_are_refused() -> None:
    space = [one for name in "ABCD" for one in numbers("1-1000000", name)]
    with pytest.raises(ConfigError, match="counted"):
        assert job(step("S", NOTHING, space=space)).steps[0].count


def test_chunks_have_the_size_that_the_template_says() -> None:
    chunks = {"defaultTaskCount": 4, "rangeConstraint": "CONTIGUOUS", "targetRuntimeSeconds": 60}
    space = [{"name": "N", "type": "CHUNK[INT]", "range": "1-10", "chunks": chunks}]
    found = job(step("S", NOTHING, space=space), extensions=["TASK_CHUNKING"]).steps[0]
    assert [found.parameters(place)["N"] for place in range(found.count)] == ["1-4", "5-7", "8-10"]


def test_environment_templates_come_first() -> None:
    outer = {"specificationVersion": "environment-2023-09", "environment": environment("Outer")}
    inputs = JobInput(
        template=template(step("S", NOTHING), jobEnvironments=[environment("Inner")]),
        folder="/",
        cwd="/",
        environments=(outer,),
    )
    assert [one.name for one in load(inputs).environments] == ["Outer", "Inner"]


def test_the_input_can_be_sent_elsewhere() -> None:
    inputs = JobInput(template=template(step("S", NOTHING)), folder="/", cwd="/")
    assert load(pickle.loads(pickle.dumps(inputs))).name == "Test"


@pytest.mark.parametrize(
    ("parameters", "given", "message"),
    [
        ([{"name": "A", "type": "INT"}], {}, "A"),
        ([], {"B": "1"}, "B"),
        ([{"name": "A", "type": "INT"}], {"A": "x"}, "A"),
        ([{"name": "A", "type": "INT"}], {"A": str(2**63)}, "64 bits"),
        ([{"name": "A", "type": "INT", "minValue": 3}], {"A": "2"}, "A"),
        ([{"name": "A", "type": "STRING", "allowedValues": ["x"]}], {"A": "y"}, "A"),
    ],
)
def test_wrong_parameters_are_refused(parameters: list[object], given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        job(step("S", NOTHING), parameterDefinitions=parameters or [{"name": "Z", "type": "INT", "default": 1}],
            parameters=given)  # fmt: skip
    assert message in raised.value.as_text()


def test_a_range_that_is_divided_has_a_bound() -> None:
    chunks = {"defaultTaskCount": 4, "rangeConstraint": "CONTIGUOUS"}
    space = [{"name": "N", "type": "CHUNK[INT]", "range": "1-1000000000000", "chunks": chunks}]
    with pytest.raises(ConfigError, match="1,000,000"):
        assert job(step("S", NOTHING, space=space), extensions=["TASK_CHUNKING"]).steps[0].count
