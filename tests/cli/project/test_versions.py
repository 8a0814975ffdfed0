import json
from pathlib import Path

from bundle.model.platforms import PLATFORMS
from tests.cli.results import result_of, text_of
from tests.model.configs import write_project


def test_versions_are_listed_and_a_broken_one_too(root: Path) -> None:
    (root / "versions" / "3.12.10-a").mkdir()
    (root / "versions" / "3.12.10-x" / "pylock.linux-x64.toml").touch()
    result = result_of(root, "versions")
    broken, fine = result.data["versions"]
    assert "does not exist" in broken["problem"]
    assert (fine["python"], fine["variant"], fine["locks"]) == ("3.12.10", "x", ["linux-x64"])
    assert fine["platforms"] == list(PLATFORMS)
    assert "secret" not in json.dumps(fine)
    assert "3.12.10-x  3.12.10  all        2             linux-x64" in text_of(result)


def test_a_project_without_versions_says_how_to_start_one(tmp_path: Path) -> None:
    assert "bundle new" in text_of(result_of(write_project(tmp_path, {}), "versions"))
