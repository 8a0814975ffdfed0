from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.store.paths import PARTS, StorePaths
from bundle.base.errors import IntegrityError


@pytest.mark.parametrize("digest", ["", "../" * 20 + "etc", "0" * 63, "0" * 65, "G" * 64])
def test_what_is_no_digest_becomes_no_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(IntegrityError, match="not a SHA-256"):
        StorePaths(tmp_path).layer(digest)
    with pytest.raises(IntegrityError, match="not a SHA-256"):
        StorePaths(tmp_path).frames(digest, "zstd.tar.zst")


def test_an_unknown_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a folder of the store"):
        StorePaths(tmp_path).part("elsewhere")


def test_a_store_that_does_not_exist_has_no_entries(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path / "none")

    assert [list(paths.entries(name)) for name in PARTS] == [[]] * len(PARTS)
    assert list(paths.staging_folders()) == []


def test_entries_are_folders_or_files_but_neither_locks_nor_what_is_being_written(tmp_path: Path) -> None:
    paths = StorePaths(tmp_path)
    for name in ("repositories/one/HEAD", "repositories/one.lock", "urls/ab/x.json", "urls/ab/.x.staging"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert list(paths.entries("repositories")) == [tmp_path / "repositories" / "one"]
    assert list(paths.entries("urls")) == [tmp_path / "urls" / "ab" / "x.json"]
