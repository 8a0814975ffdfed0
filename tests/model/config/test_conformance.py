from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bundle.model.config import schema as configuration
from bundle.model.config.conformance import conforms
from bundle.run.environments import application

SCHEMAS = {"configuration": configuration.schema(), "application": application.schema()}

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 5), st.floats(allow_nan=False), st.sampled_from(["", "a", "python_env"])
)


def of(part: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Draw values that are near a schema: with its keys, and mostly of its types."""
    if "$ref" in part:
        part = {**whole["$defs"][part["$ref"].rsplit("/", 1)[1]], **part}
    if "anyOf" in part:
        return st.one_of(SCALARS, *(of(one, whole) for one in part["anyOf"]))
    if "enum" in part:
        return st.one_of(st.sampled_from(part["enum"]), SCALARS)
    match part.get("type"):
        case "object":
            keys = {key: of(one, whole) for key, one in part.get("properties", {}).items()}
            inner = part.get("additionalProperties")
            others = of(inner, whole) if isinstance(inner, dict) else SCALARS
            more = st.dictionaries(st.sampled_from(["a", "numpy", "linux-x64", "A"]), others, max_size=2)
            known = st.fixed_dictionaries({}, optional=keys)
            return st.one_of(st.builds(lambda one, other: {**other, **one}, known, more), known, SCALARS)
        case "array":
            return st.one_of(st.lists(of(part.get("items", {}), whole), max_size=3), SCALARS)
        case _:
            return SCALARS


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_conforms_the_library_accepts(name: str) -> None:
    whole = SCHEMAS[name]
    validator = Draft202012Validator(whole)
    found = set()

    @given(of(whole, whole))
    def holds(value: object) -> None:
        verdict = conforms(value, whole, whole)
        found.add(verdict)
        assert not verdict or validator.is_valid(value)

    holds()
    assert False in found


def test_examples_conform() -> None:
    for example in configuration.schema()["examples"]:
        assert conforms(example, configuration.schema(), configuration.schema())


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        (1, {"type": "integer"}, True),
        (True, {"type": "integer"}, False),
        (True, {"type": ["number", "boolean"]}, True),
        (["a", "a"], {"uniqueItems": True}, False),
        ({"a": 1}, {"properties": {"a": {}}, "additionalProperties": False}, True),
        ({"b": 1}, {"properties": {"a": {}}, "additionalProperties": False}, False),
        ({"b": 1}, {"additionalProperties": {"type": "string"}}, False),
        ({"b": 1}, {"propertyNames": {"pattern": "^a"}}, False),
        ({}, {"required": ["a"]}, False),
        ("", {"minLength": 1}, False),
        (0, {"exclusiveMinimum": 0}, False),
        ("x", {"unknown": 1}, False),
    ],
)
def test_a_rule_decides(value: object, schema: dict[str, Any], expected: bool) -> None:
    assert conforms(value, schema, schema) is expected
