from __future__ import annotations

import json
from typing import Any

import pytest

from bundle.artifacts.documents.licences import licences_in


def document(*components: Any) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "components": components}).encode()


def test_all_ways_to_state_a_licence_are_read() -> None:
    stated = [{"license": {"id": "MIT"}}, {"license": {"name": "My own"}}, {"expression": "MIT OR Apache-2.0"}]
    content = document({"name": "b", "licenses": stated}, {"name": "a"}, {"name": "b", "licenses": stated[:1]})
    assert licences_in(content) == {"a": (), "b": ("MIT", "MIT OR Apache-2.0", "My own")}


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"1", b"{}", b'{"bomFormat": "other"}', b"[" * 100_000, document(1), document({"licenses": []})]
    + [document({"name": "a", "licenses": value}) for value in (1, ["x"], [{"license": "x"}])],
)
def test_what_is_no_bill_of_materials_has_none(content: bytes) -> None:
    assert licences_in(content) is None
