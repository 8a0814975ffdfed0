from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from bundle.model.records import MalformedError, from_json, to_json


@dataclass(frozen=True, kw_only=True)
class Inner:
    long_name: str
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Outer:
    kind: Literal["a", "b"]
    inner: tuple[Inner, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    free: Mapping[str, Any] = field(default_factory=dict)
    either: bool | str = False


OUTER = Outer(kind="a", inner=(Inner(long_name="x", size=3),), texts={"k": "v"}, free={"n": [1]}, either="yes")


def test_a_record_is_the_same_after_writing_and_reading() -> None:
    value = to_json(OUTER)
    assert value["inner"] == [{"longName": "x", "size": 3}]
    assert from_json(Outer, value) == OUTER


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "the document lacks kind"),
        ({"kind": "c"}, "kind is 'c', not one of 'a', 'b'"),
        ({"kind": "a", "inner": {}}, "inner is {}, not a list"),
        ({"kind": "a", "inner": [{"longName": "x", "size": True}]}, "inner[0].size is True, not int"),
        ({"kind": "a", "texts": {"k": 1}}, "texts.k is 1, not str"),
        ({"kind": "a", "either": None}, "either is None"),
        ({"kind": "a", "more": 1}, "the document has the unknown key more"),
    ],
)
def test_another_shape_is_refused_with_the_place(value: object, expected: str) -> None:
    with pytest.raises(MalformedError, match=expected.replace("[", r"\[")):
        from_json(Outer, value)


def test_unknown_keys_may_be_ignored() -> None:
    assert from_json(Outer, {"kind": "b", "more": 1}, lenient=True) == Outer(kind="b")
