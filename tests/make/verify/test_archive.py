from __future__ import annotations

import hashlib
import json
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bundle.make.verify.archive import check_archive
from bundle.make.verify.checks.policy import Known
from tests.make.verify.built import Built, build

MARK = b"bundle-index"


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return build(tmp_path, formats=("tar.zst", "tar.gz", "zip"))


@pytest.fixture
def archive(built: Built) -> Path:
    return built.archives[0].path


def rules(built: Built, archive: Path, known: Known | None = None) -> list[str]:
    return [finding.rule for finding in check_archive(archive, built.manifest, known or Known())]


def parts(archive: Path) -> tuple[bytes, dict[str, Any]]:
    """Return what is before the index, and the index."""
    data = archive.read_bytes()
    (length,) = struct.unpack("<I", data[-len(MARK) - 4 : -len(MARK)])
    end = len(data) - len(MARK) - 4 - length
    return data[: end - 8], json.loads(data[end : end + length])


def write(archive: Path, before: bytes, index: dict[str, Any]) -> None:
    text = json.dumps(index).encode()
    content = text + struct.pack("<I", len(text)) + MARK
    archive.write_bytes(before + struct.pack("<II", 0x184D2A50, len(content)) + content)


def test_archives_as_they_were_packed_pass(built: Built) -> None:
    for archive in built.archives:
        assert rules(built, archive.path, Known(by="catalogue", archive=archive.sha256)) == []


def test_another_hash_than_the_catalogues_is_told(built: Built, archive: Path) -> None:
    assert rules(built, archive, Known(by="catalogue", archive="0" * 64)) == ["bundle-differs"]


def test_a_missing_or_damaged_index_is_told(built: Built, archive: Path, tmp_path: Path) -> None:
    before, index = parts(archive)
    archive.write_bytes(before)
    assert rules(built, archive) == ["archive-index"]
    write(archive, before, index | {"format": 3})
    assert rules(built, archive) == ["archive-index"]
    packed = tmp_path / "packed.tar"
    with tarfile.open(packed, "w") as file:
        file.add(built.folder, "python")
    again = tmp_path / "again.tar.zst"
    again.write_bytes(zstandard.ZstdCompressor().compress(packed.read_bytes()))
    assert rules(built, again) == ["archive-index"]


@pytest.mark.parametrize("lie", ["digest", "sha256", "size", "name", "order", "less"])
def test_an_index_that_lies_is_told(built: Built, archive: Path, lie: str) -> None:
    before, index = parts(archive)
    layers = index["layers"]
    match lie:
        case "digest":
            layers[0]["digest"] = "0" * 64
        case "sha256":
            layers[0]["frames"][0]["sha256"] = "0" * 64
        case "size":
            layers[0]["frames"][0]["size"] += 1
        case "name":
            layers[1]["name"] = "other"
        case "order":
            layers[0]["name"], layers[1]["name"] = layers[1]["name"], layers[0]["name"]
        case _:
            layers.pop()
    write(archive, before, index)
    assert "archive-index" in rules(built, archive)


def test_a_layer_that_was_exchanged_with_its_frames_hash_is_told(built: Built, archive: Path) -> None:
    before, index = parts(archive)
    frame = index["layers"][0]["frames"][0]
    content = zstandard.ZstdDecompressor().decompress(before[: frame["length"]])
    forged = zstandard.ZstdCompressor(write_checksum=True).compress(content.replace(b"posix", b"virus"))
    shift = len(forged) - frame["length"]
    frame |= {"length": len(forged), "sha256": hashlib.sha256(forged).hexdigest()}
    for layer in index["layers"][1:]:
        for other in layer["frames"]:
            other["offset"] += shift
    write(archive, forged + before[frame["length"] - shift :], index)
    (finding,) = check_archive(archive, built.manifest, Known())
    assert finding.message == "holds something else as python 3.12.10 than its index says."


def test_frames_that_the_index_does_not_name_are_told(built: Built, archive: Path) -> None:
    before, index = parts(archive)
    hidden = zstandard.ZstdCompressor().compress(bytes(1024))
    skippable = struct.pack("<II", 0x184D2A53, 4) + b"data"
    for more in (hidden, skippable, b"x"):
        write(archive, before + more, index)
        assert rules(built, archive) == ["archive-index"]


def test_bytes_behind_the_index_are_told(built: Built, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"\0")
    assert rules(built, archive) == ["archive-index"]


def test_a_zip_with_bytes_before_or_behind_it_is_told(built: Built) -> None:
    archive = built.archives[2].path
    data = archive.read_bytes()
    archive.write_bytes(data + b"behind")
    assert rules(built, archive) == ["archive-surplus"]
    with zipfile.ZipFile(archive, "a") as pack:
        pack.comment = b"a comment"
    assert rules(built, archive) == ["archive-surplus"]
