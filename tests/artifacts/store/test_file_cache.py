from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bundle.artifacts.store.file_cache import FileCache
from bundle.base.errors import IntegrityError
from tests.reporters import Told

CONTENT = b"a wheel"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "numpy-2.2.6-py3-none-any.whl"


@pytest.fixture
def cache(tmp_path: Path, collector: Told) -> FileCache:
    return FileCache(tmp_path / "files", reporter=collector)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_found_by_its_hash_under_its_name(cache: FileCache, source: Path) -> None:
    assert cache.get(SHA256) is None

    added = cache.add(source)

    assert added.name == NAME
    assert cache.get(SHA256) == added == cache.path_for(SHA256, NAME)
    assert source.exists()


def test_a_damaged_file_is_removed_with_a_warning(cache: FileCache, source: Path, collector: Told) -> None:
    cache.add(source).write_bytes(b"a whale")

    assert cache.get(SHA256) is None
    assert NAME in collector.warnings[0]
    assert not cache.path_for(SHA256, NAME).exists()


def test_a_file_with_other_bytes_than_promised_does_not_get_in(cache: FileCache, source: Path) -> None:
    with pytest.raises(IntegrityError, match="should have"):
        cache.add(source, sha256="0" * 64)

    assert cache.get("0" * 64) is None


def test_a_download_that_is_not_finished_is_not_found(cache: FileCache) -> None:
    path = cache.path_for(SHA256, NAME)
    path.parent.mkdir(parents=True)
    path.with_name(NAME + ".part").write_bytes(CONTENT)

    assert cache.get(SHA256) is None


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", ".hidden", "a\0b"])
def test_no_name_leads_out_of_the_cache(cache: FileCache, name: str) -> None:
    with pytest.raises(IntegrityError):
        cache.path_for(SHA256, name)


@pytest.mark.parametrize("sha256", ["", "../../etc", "A" * 64, "0" * 63])
def test_no_hash_leads_out_of_the_cache(cache: FileCache, sha256: str) -> None:
    with pytest.raises(IntegrityError):
        cache.path_for(sha256, NAME)
