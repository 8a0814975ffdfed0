"""Templates that are written to hurt: each is refused with a reason, or costs next to nothing."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions import library
from bundle.run.sessions.documents import parse, read_object
from bundle.run.sessions.job import JobInput, load
from bundle.run.sessions.summary import summary_of
from tests.run.sessions.templates import numbers, script, step, template

NOTHING = {"command": "true"}
EXPR = {"extensions": ["EXPR"]}


def echoing(text: str) -> dict[str, Any]:
    return template(step("S", {"command": "echo", "args": [text]}), **EXPR)


def spaced(*definitions: Any, combination: str | None = None, **more: Any) -> dict[str, Any]:
    found = step("S", NOTHING, space=list(definitions))
    if combination is not None:
        found["parameterSpace"]["combination"] = combination
    return template(found, **more)


CHUNKED = {"type": "CHUNK[INT]", "chunks": {"defaultTaskCount": 1, "rangeConstraint": "CONTIGUOUS"}}

REFUSED: dict[str, Any] = {
    "nested brackets": echoing("{{" + "(" * 50_000 + "1" + ")" * 50_000 + "}}"),
    "nested lists": echoing("{{" + "[" * 20_000 + "]" * 20_000 + "}}"),
    "many signs": echoing("{{" + "-" * 50_000 + "1}}"),
    "many negations": echoing("{{" + "not " * 50_000 + "true}}"),
    "many attributes": echoing("{{Param" + ".a" * 50_000 + "}}"),
    "huge power": echoing("{{ 10 ** 1000000 }}"),
    "huge text": echoing("{{ 'a' * 10000000000 }}"),
    "huge list": echoing("{{ [x for x in range(10000000000)] }}"),
    "list of lists": echoing("{{ [[y for y in range(100000)] for x in range(100000)] }}"),
    "open formats": echoing("{{" * 10_000),
    "deep binding": template({**step("S", NOTHING), "let": ["a = " + "(" * 5000 + "1" + ")" * 5000]}, **EXPR),
    "deep combination": spaced(*numbers([1]), combination="(" * 5000 + "N" + ")" * 5000),
    "long combination": spaced(*numbers([1]), combination="*".join(["N"] * 20_000)),
    "range of long numbers": spaced(*numbers("1-" + "9" * 5000)),
    "range beyond 64 bits": spaced(*numbers("1-999999999999999999999999")),
    "range in chunks": spaced({"name": "N", "range": "1-9000000000", **CHUNKED}, extensions=["TASK_CHUNKING"]),
    "more tasks than can be counted": spaced(*(one for name in "ABCDE" for one in numbers("1-1000000000", name))),
    "long default": template(
        step("S", NOTHING), parameterDefinitions=[{"name": "A", "type": "INT", "default": "1" * 9999}]
    ),
    "endless default": template(
        step("S", NOTHING), parameterDefinitions=[{"name": "A", "type": "FLOAT", "default": "1e999999999"}]
    ),
    "half a character": template(step("S", NOTHING), name="\ud800"),
    "zero byte": template(step("S", NOTHING), name="a\0b"),
    "circle of steps": template(*(step(f"S{n}", NOTHING, needs=[f"S{(n + 1) % 500}"]) for n in range(500))),
    "many extensions": template(step("S", NOTHING), extensions=["EXPR"] * 100_000),
    "no steps": template(),
}

ODD: tuple[Any, ...] = (None, 1, "x", [], {}, [None], ["x"], [[[[]]]], True, 1e308)


def made(document: dict[str, Any]) -> None:
    summary_of(load(JobInput(template=document, folder="/", cwd="/")))


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_short_reason(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        made(REFUSED[name])
    assert raised.value.exit_code == 2
    assert len(raised.value.as_text()) < 30_000


@pytest.mark.parametrize(
    "key",
    [
        "specificationVersion",
        "name",
        "steps",
        "parameterDefinitions",
        "jobEnvironments",
        "extensions",
        "description",
        "odd",
    ],
)
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_a_field_of_the_wrong_type_is_refused_or_taken(key: str, value: Any) -> None:
    with suppress(ConfigError):
        made({**template(step("S", NOTHING)), key: value})


@pytest.mark.parametrize(
    "key", ["name", "script", "parameterSpace", "dependencies", "stepEnvironments", "hostRequirements"]
)
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_a_field_of_a_step_of_the_wrong_type_is_refused_or_taken(key: str, value: Any) -> None:
    with suppress(ConfigError):
        made(template({**step("S", NOTHING), key: value}))


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "kind", ["STRING", "INT", "FLOAT", "PATH", "BOOL", "RANGE_EXPR", "LIST[INT]", "LIST[PATH]", "LIST[LIST[INT]]"]
)
def test_a_parameter_of_the_wrong_type_is_refused_or_taken(kind: str, value: Any) -> None:
    document = template(step("S", NOTHING), parameterDefinitions=[{"name": "A", "type": kind}], **EXPR)
    with suppress(ConfigError):
        load(JobInput(template=document, folder="/", cwd="/", parameters={"A": value}))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "\n".join(["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 20)}]" for n in range(1, 30)]),
        "[" * 50_000,
        "{a: " * 50_000,
        "- " * 50_000 + "x",
        "a: !!python/object/apply:os.system ['true']",
        "a: 1\n---\nb: 2",
        "&a a: &b b\n*b : *a\n<<: [*a]",
        "? [a, b]\n: 1",
        "a: " + "9" * 100_000,
        "\ufeff\x01",
    ],
    ids=range(11),
)
def test_yaml_that_hurts_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError):
        checked(tmp_path / "t.yaml")


def checked(path: Path) -> None:
    document = read_object(path)
    library.decode(document, library.kind_of(document), library.EXTENSIONS)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\xc3\x28", b"", b"\x00" * 100])
@pytest.mark.parametrize("name", ["t.yaml", "t.json"])
def test_bytes_that_are_no_text_are_refused(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError):
        read_object(tmp_path / name)


def test_a_large_document_is_refused_as_fast_as_it_is_read() -> None:
    with pytest.raises(ConfigError, match="values"):
        parse("[" + "1," * 600_000 + "]", "t", yaml=True)


def test_a_huge_space_is_summarised_and_its_last_task_made() -> None:
    document = spaced(*numbers("1-9000000000", "A"), *numbers("1-9000000000", "B"), combination="(A, B)")
    found = load(JobInput(template=document, folder="/", cwd="/"))
    assert summary_of(found).tasks == 9_000_000_000
    assert found.steps[0].parameters(8_999_999_999)["B"] == "9000000000"


def test_a_long_chain_of_steps_is_no_deep_recursion() -> None:
    chain = [step(f"S{n}", script(""), needs=[f"S{n - 1}"] if n else []) for n in range(2000)]
    found = load(JobInput(template=json.loads(json.dumps(template(*chain))), folder="/", cwd="/"))
    assert [one.name for one in found.steps[:2]] == ["S0", "S1"]
    assert len(found.needed("S1999")) == 1999
