from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, Problems
from bundle.model.config.json_source import origin_of, plain
from bundle.model.config.yaml_source import parse, read


def value_of(text: str) -> object:
    problems = Problems()
    node = parse(text, "app.yml", problems)
    problems.raise_if_any("several")
    return plain(node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1\nb: [x, 'y', 2.5, true, off, ~, 0x1f]\n", {"a": 1, "b": ["x", "y", 2.5, True, False, None, 31]}),
        ("when: 2026-01-02\n", {"when": "2026-01-02"}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: !!str 1\n", {"a": "1"}),
        ("a: ''\n3.10: x\n", {"a": "", "3.10": "x"}),
    ],
)
def test_values_are_those_of_json(text: str, value: object) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "app.yml:2:1: not YAML"),
        ("a: 'x", "not YAML"),
        ("\ta: 1", "not YAML"),
        ("a: 1\na: 2\n", 'app.yml:2: the key "a" occurs twice, first in line 1'),
        ("a: *nothing\n", 'app.yml:1:4: not usable YAML: the alias "nothing" stands for nothing'),
        ("a: &x [*x]\n", "stands for nothing"),
        ("a: 1\n---\nb: 2\n", "a second document begins here"),
        ("? [a]\n: b\n", "a key is a text"),
        ("a: !!python/object/apply:os.system [true]\n", "python/object/apply:os.system is not known here"),
        ("a: !!python/name:os.system x\n", "is no text, number, truth value or null"),
        ("a: !!binary aGk=\n", "is no text, number, truth value or null"),
        ("a: .inf\n", "is no text, number, truth value or null"),
        ("a: !!int x\n", "is no text, number, truth value or null"),
        ("a: !!bool maybe\n", "is no text, number, truth value or null"),
        (f"a: {'9' * 5000}\n", "is no text, number, truth value or null"),
        ('a: "\\0"\n', "a null character"),
        ('"\\0": a\n', "a key is a text"),
        ("a:\n  <<: [1]\n", "only mappings can be merged"),
        ("[" * 300 + "]" * 300, "nested too deeply"),
        ("a: " + "[" * 100_000, "not"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        value_of(text)
    assert reason in caught.value.what


def test_aliases_cannot_multiply_values() -> None:
    levels = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10))
    with pytest.raises(ConfigError, match="with those that aliases repeat"):
        value_of("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + levels)


def test_values_know_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "app.yml"
    path.write_text("\ufeffa:\n  b:\n    - 1\n    - 2\n", encoding="utf-8")
    problems = Problems()
    node = read(path, "app.yml", problems)
    assert node is not None
    assert str(origin_of(node, ("a", "b", 1))) == "app.yml:4"
    assert str(origin_of(node, ("a",))) == "app.yml:2"
    assert read(tmp_path / "missing.yml", "missing.yml", problems) is None
    path.write_bytes(b"a: \xff")
    assert read(path, "app.yml", problems) is None
    path.write_bytes(b"#" * 2**21)
    assert read(path, "app.yml", problems) is None
    assert [error.what.partition(":")[0] for error in problems.errors] == [
        "missing.yml does not exist.",
        "app.yml",
        "app.yml cannot be read",
    ]
