from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.base.errors import ConfigError
from bundle.model.config.json_edit import with_appended

PATH = ("verify", "accept")

ENTRY = {"rule": "build-path", "reason": ""}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda more: st.lists(more) | st.dictionaries(st.text(), more),
)


NOTHING = """{
    "build": {"glibc": "2.17"}
}
"""

NOTHING_AFTER = """{
    "build": {"glibc": "2.17"},
    "verify": {
        "accept": [
            {
                "rule": "build-path",
                "reason": ""
            }
        ]
    }
}
"""

SOME = """{
  "verify": {
    "accept": [
      {"rule": "a"}
    ],
    "known": false
  }
}
"""

SOME_AFTER = """{
  "verify": {
    "accept": [
      {"rule": "a"},
      {
        "rule": "build-path",
        "reason": ""
      }
    ],
    "known": false
  }
}
"""


@pytest.mark.parametrize(("text", "result"), [(NOTHING, NOTHING_AFTER), (SOME, SOME_AFTER)])
def test_the_rest_of_the_file_stays_as_it_is(text: str, result: str) -> None:
    assert with_appended(text, PATH, [ENTRY]) == result


def test_line_ends_of_windows_stay() -> None:
    text = '{\r\n  "verify": {}\r\n}\r\n'
    assert "\n" not in with_appended(text, PATH, [ENTRY]).replace("\r\n", "")


@given(
    before=st.dictionaries(st.text(), VALUES),
    verify=st.none() | st.dictionaries(st.sampled_from(["known", "accept", "}"]), st.lists(VALUES)),
    indent=st.sampled_from([None, 1, 2, "\t"]),
)
def test_elements_are_added_to_any_file(before: dict[str, Any], verify: dict[str, Any] | None, indent: Any) -> None:
    value = {key: part for key, part in before.items() if key != "verify"}
    value |= {} if verify is None else {"verify": verify}
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    wanted = {**value, "verify": {**(verify or {}), "accept": [*(verify or {}).get("accept", ()), ENTRY]}}
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert json.loads(with_appended(text, PATH, [ENTRY])) == wanted


@pytest.mark.parametrize("text", ['{"verify": []}', '{"verify": {"accept": {}}}'])
def test_what_is_no_list_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match="is not a list"):
        with_appended(text, PATH, [ENTRY])


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ConfigError):
        with_appended("{", PATH, [ENTRY])
