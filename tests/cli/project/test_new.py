from pathlib import Path

from tests.cli.results import result_of, text_of


def test_new_starts_a_version_and_says_what_to_do_next(root: Path) -> None:
    result = result_of(root, "new", "3.13.0-custom", "--from", "3.12.10-x")
    assert result.data == {"version": "3.13.0-custom", "path": "versions/3.13.0-custom/config.json"}
    assert "bundle build 3.13.0-custom" in text_of(result)
    assert (root / result.data["path"]).read_text() == (root / "versions/3.12.10-x/config.json").read_text()
