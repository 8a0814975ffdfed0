from __future__ import annotations

import io
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from bundle.artifacts.registries.metadata import MetadataCache, WheelMetadata
from bundle.artifacts.registries.metadata_file import metadata_in
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.errors import IntegrityError
from bundle.base.http.client import NotFoundError
from bundle.base.http.ranges import SizedReader
from tests.artifacts.wheelmaker import make_wheel

DIGEST = "a" * 64
FILE = RemoteFile("demo-1.0-py3-none-any.whl", "https://files.example/demo-1.0-py3-none-any.whl", sha256=DIGEST)


class Remote:
    """One wheel far away."""

    def __init__(self, folder: Path, beside: bytes | None = None) -> None:
        self.wheel = make_wheel(folder / "remote", metadata="Requires-Dist: low\n")
        self.beside = beside
        self.asked: list[str] = []
        self.noticed: list[RemoteFile] = []
        self.local: Path | None = None
        self.metadata = WheelMetadata(
            get=self.get, open_remote=self.open, local=lambda _: self.local, noticed=self.noticed.append, folder=folder
        )

    def get(self, url: str) -> bytes:
        self.asked.append(url)
        if self.beside is None:
            raise NotFoundError("not there")
        return self.beside

    def open(self, url: str) -> SizedReader:
        self.asked.append(url)
        return SizedReader(io.FileIO(self.wheel), self.wheel.stat().st_size)


def test_metadata_beside_the_wheel_are_taken_if_they_are_offered(tmp_path: Path) -> None:
    remote = Remote(tmp_path, b"Name: beside\n")

    file = FILE._replace(has_metadata=True, metadata_sha256=sha256(b"Name: beside\n").hexdigest())

    assert remote.metadata.of(file) == b"Name: beside\n"
    assert remote.asked == [f"{FILE.url}.metadata"]


def test_metadata_beside_the_wheel_with_another_hash_are_refused(tmp_path: Path) -> None:
    remote = Remote(tmp_path, b"Name: other\n")

    with pytest.raises(IntegrityError):
        remote.metadata.of(FILE._replace(has_metadata=True, metadata_sha256="b" * 64))


def test_a_promise_that_is_not_kept_leads_to_the_wheel_itself(tmp_path: Path) -> None:
    remote = Remote(tmp_path)

    assert b"Requires-Dist: low" in remote.metadata.of(FILE._replace(has_metadata=True))


def test_metadata_are_read_once_and_the_size_is_noticed(tmp_path: Path) -> None:
    remote = Remote(tmp_path)

    assert remote.metadata.of(FILE) == remote.metadata.of(FILE)
    assert remote.asked == [FILE.url]
    assert remote.noticed == [FILE._replace(size=remote.wheel.stat().st_size)]


def test_a_wheel_in_the_cache_is_read_there(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    remote.local = remote.wheel

    assert b"Requires-Dist: low" in remote.metadata.of(FILE)
    assert not remote.asked


def test_metadata_are_kept_by_their_key(tmp_path: Path) -> None:
    cache = MetadataCache(tmp_path)
    assert cache.get("key", lambda: b"Name: \xff") == "Name: \ufffd".encode()
    assert MetadataCache(tmp_path).get("key", lambda: b"other") == "Name: \ufffd".encode()
    assert cache.get("another", lambda: b"other") == b"other"


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04"])
def test_what_is_no_wheel_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        metadata_in(io.BytesIO(content), FILE.filename)


def test_the_metadata_of_another_package_inside_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "wheel"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other-1.0.dist-info/METADATA", "Name: other\n")
        archive.writestr("vendored/demo-1.0.dist-info/METADATA", "Name: vendored\n")

    with path.open("rb") as wheel, pytest.raises(IntegrityError, match=r"no demo-1\.0\.dist-info/METADATA"):
        metadata_in(wheel, FILE.filename)
