from typing import Any

from bundle.model.platforms import PLATFORMS
from tests.cli.results import result_of, text_of


def test_platforms_are_listed_without_a_project() -> None:
    result = result_of(None, "platforms")
    rows: list[dict[str, Any]] = result.data["platforms"]
    assert [row["key"] for row in rows] == list(PLATFORMS)
    assert rows[0]["newestTag"] == "manylinux_2_28_x86_64"
    assert sum(row["machine"] for row in rows) <= 1
    assert all(row["triple"] in text_of(result) for row in rows)
