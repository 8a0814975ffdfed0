from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions.documents import parse, read, read_object


def test_yaml_and_json_give_the_same_values(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1, 2.5, yes, null, 'x']\nb: &one {c: d}\ne: *one\n")
    (tmp_path / "a.json").write_text('{"a": [1, 2.5, true, null, "x"], "b": {"c": "d"}, "e": {"c": "d"}}')
    assert read_object(tmp_path / "a.yaml") == read_object(tmp_path / "a.json")


def test_a_name_with_json_is_strict_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("a: 1")
    with pytest.raises(ConfigError, match="not usable JSON"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize("text", ["a: [", "a: *b", "\x00", "a: &x [*x]", "- " * 200, "a: {b: 1, b", "? {a: 1}\n: 1"])
def test_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not usable YAML"):
        parse(text, "t", yaml=True)


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "1e999", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not usable JSON"):
        parse(text, "t", yaml=False)


def test_aliases_count_as_what_they_stand_for() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="values"):
        parse("\n".join(lines), "t", yaml=True)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        read(tmp_path / name)


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"#" * (8 * 2**20 + 1))
    with pytest.raises(ConfigError, match="8 MiB"):
        read(tmp_path / "a.yaml")


def test_a_document_that_is_no_mapping_is_no_template(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="no"):
        read_object(tmp_path / "a.yaml")
