import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.errors import ConfigError, Problems
from bundle.model.config.json_source import Origin, at, origins, parse, path_text, plain, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_every_json_value_is_read_as_the_standard_library_reads_it(
    value: object, indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    problems = Problems()
    assert plain(parse(f" {text}\n", "x.json", problems)) == value
    assert not problems.errors


@given(st.text(alphabet='{}[]",:01-.eE\\utrfalsn \n'))
def test_whatever_is_no_json_is_refused_as_the_standard_library_refuses_it(text: str) -> None:
    try:
        json.loads(text, parse_constant=lambda name: pytest.fail(name))
    except ValueError:
        with pytest.raises(ConfigError):
            parse(text, "x.json", Problems())
    else:
        parse(text, "x.json", Problems())


def test_a_value_knows_its_line() -> None:
    node = parse('{\n  "a": 1,\n  "b": [\n    2,\n    {"c": {}}\n  ]\n}', "x.json", Problems())
    assert {path_text(path): origin.line for path, origin in origins(node)} == {"a": 2, "b[0]": 4, "b[1].c": 5}
    inner = at(node, ("b", 1))
    assert inner is not None
    assert inner.origin == Origin("x.json", 5)
    assert at(node, ("b", 7)) is None
    assert at(node, ("a", "c")) is None


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"a": 1,\n "b": 2,\n}', ("3:1", "2:8")),  # Python 3.13 names the comma before the bracket.
        ('{"a": [1,]}', ("1:10", "1:9")),
        ('{"a": 1\n "b": 2}', ("2:2",)),
        ("{'a': 1}", ("1:2",)),
        ('{"a" 1}', ("1:6",)),
        ('{"a": tru}', ("1:7",)),
        ('{"a": "x\ny"}', ("1:9",)),
        ('{"a": "x', ("1:7",)),
        ('{"ä": "\\x"}', ("1:8",)),
        ('{"a": 1', ("1:8",)),
        ("", ("1:1",)),
        ("{} {}", ("1:4",)),
    ],
)
def test_broken_json_is_reported_with_line_column_and_reason(text: str, places: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.json", Problems())
    place, _, reason = caught.value.what.removeprefix("x.json:").partition(": not JSON: ")
    assert place in places
    assert re.fullmatch(r"[a-z].{8,}\.", reason)
    assert not reason.endswith(" at.")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('{"a": NaN}', "1:7", "NaN is not a JSON number"),
        ("[1,\n -Infinity]", "2:2", "-Infinity is not a JSON number"),
        ('{"a": "\\ud800"}', "1:7", "surrogate"),
        ('{"\\ud800": 1}', "1:2", "surrogate"),
        pytest.param(f"[\n{'1' * 5000}]", "2:1", "digits", id="long"),
        pytest.param("[" * 100_000, "1:61", "nested too deeply", id="unclosed"),
        pytest.param('{"a":\n' * 61 + "1" + "}" * 61, "61:1", "nested too deeply", id="closed"),
    ],
)
def test_json_that_the_standard_library_takes_is_refused_with_line_column_and_reason(
    text: str, place: str, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.json", Problems())
    assert caught.value.what.startswith(f"x.json:{place}: not JSON: ")
    assert reason in caught.value.what


def test_sixty_levels_are_not_too_deep() -> None:
    assert plain(parse("[" * 60 + "]" * 60, "x.json", Problems())) == json.loads("[" * 60 + "]" * 60)


def test_a_key_that_occurs_twice_is_a_problem_with_both_lines() -> None:
    problems = Problems()
    parse('{"p": {\n"skip": 1,\n"skip": 2}}', "x.json", problems)
    assert [error.what for error in problems.errors] == ['x.json:3: the key "skip" of p occurs twice, first in line 2.']


def test_a_path_is_readable_and_a_key_with_dots_stays_one_key() -> None:
    assert path_text(("packages", "copyFiles", 0, "from")) == "packages.copyFiles[0].from"
    assert path_text(("configSettings", "cmake.args")) == 'configSettings["cmake.args"]'


def test_a_file_that_is_missing_or_no_utf8_is_a_problem_and_never_an_empty_config(tmp_path: Path) -> None:
    problems = Problems()
    assert read(tmp_path / "none.json", "none.json", problems) is None
    (tmp_path / "latin.json").write_bytes(b'\xef\xbb\xbf{\n  "a": "\xe9"}')
    assert read(tmp_path / "latin.json", "latin.json", problems) is None
    (tmp_path / "folder.json").mkdir()
    assert read(tmp_path / "folder.json", "folder.json", problems) is None
    missing, latin, folder = (error.what for error in problems.errors)
    assert missing == "none.json does not exist."
    assert latin == "latin.json:2:9: not UTF-8 (byte 0xe9)."
    assert folder.startswith("folder.json cannot be read")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    problems = Problems()
    node = read(tmp_path / "x.json", "x.json", problems)
    assert node is not None
    assert plain(node) == {"a": 1}
