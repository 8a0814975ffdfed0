from pathlib import Path

from tests.cli.results import result_of, text_of


def test_clean_removes_the_output_and_nothing_else(root: Path) -> None:
    (root / "pydist" / "logs").mkdir(parents=True)
    (root / "pydist" / "logs" / "x").write_bytes(b"12345")
    result = result_of(root, "clean")
    assert result.data == {"removed": ["pydist"], "bytes": 5}
    assert text_of(result) == "Removed pydist/, 5 bytes.\n"
    assert (root / "versions" / "3.12.10-x" / "config.json").exists()
    assert text_of(result_of(root, "clean")) == "There is no pydist/.\n"
