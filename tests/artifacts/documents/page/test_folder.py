from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.documents.page.folder import write_site
from bundle.base.errors import ConfigError
from tests.artifacts.documents.page.made import described, files_of

OLD, KEPT = described("3.12.10"), described("3.13.0")


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pages_of_bundles_that_are_gone_go_and_other_files_stay(tmp_path: Path) -> None:
    write_site(tmp_path, files_of([OLD, KEPT]))
    foreign = [tmp_path / "catalogue.json", tmp_path / "page/notes.txt", tmp_path / "page/3.12.10/notes.txt"]
    for path in foreign:
        path.write_bytes(b"mine")
    write_site(tmp_path, files_of([KEPT]))
    mine = {path.relative_to(tmp_path).as_posix(): b"mine" for path in foreign}
    assert content(tmp_path) == files_of([KEPT]) | mine
    (tmp_path / "page/3.12.10/notes.txt").unlink()
    assert content(tmp_path).keys() == files_of([KEPT]).keys() | mine.keys() - {"page/3.12.10/notes.txt"}


def test_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    write_site(tmp_path, files_of([KEPT]))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    write_site(tmp_path, files_of([KEPT]))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == before


def test_the_start_page_of_others_stays(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    with pytest.raises(ConfigError, match="is not a page of this program"):
        write_site(tmp_path, files_of([KEPT]))
    assert content(tmp_path) == {"index.html": b"<h1>Mine</h1>"}
