from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given

from bundle.artifacts.archives.bundle_archive import pack, read_index
from bundle.artifacts.store import frames as frames_module
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.extract import extract
from bundle.base.files import sha256_of
from bundle.base.processes.run import check, run
from bundle.base.report import Reporter
from tests.artifacts.conftest import AddLayer
from tests.artifacts.trees import SMALL, File, Link, Tree, grow, read, trees
from tests.examples import examples
from tests.reporters import Told

FORMATS = ("tar.zst", "tar.gz", "zip")
SECOND: Tree = {
    "lib/python3.12/site-packages/numpy/__init__.py": File(b"later\n"),
    "lib/python3.12/os.py": File(b"name = 'other'\n"),
    "bin/f2py": File(b"#!/bin/sh\n", executable=True),
}


PLAIN = [one for one in FORMATS if one != "sh"]
"""Those that any program unpacks; a script unpacks itself."""


@pytest.fixture
def layers(add: AddLayer) -> list[Layer]:
    return [add("cpython", SMALL), add("numpy", SECOND)]


def laid_out(store: Store, layers: list[Layer], target: Path) -> dict[str, tuple[str, int, int, bytes]]:
    target.mkdir()
    store.materialise(layers, target)
    return read(target)


@pytest.mark.parametrize("format_", PLAIN)
def test_an_archive_unpacks_to_the_bundle(store: Store, layers: list[Layer], tmp_path: Path, format_: str) -> None:
    archive = pack(store, layers, tmp_path / f"out.{format_}", Compression(format=format_))

    assert (archive.sha256, archive.size) == (sha256_of(archive.path), archive.path.stat().st_size)
    assert archive.path.stat().st_mode & 0o777 == 0o644
    extract(archive.path, tmp_path / "unpacked")
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == ["python"]
    assert read(tmp_path / "unpacked" / "python") == laid_out(store, layers, tmp_path / "laid")


@examples(40)
@given(tree=trees())
def test_any_tree_comes_back_from_its_archive(tree: Tree) -> None:
    scratch = Path(tempfile.mkdtemp())
    try:
        store = Store(scratch / "cache", reporter=Reporter())
        layer = store.add("wheel", {}, grow(scratch / "tree", tree), name="x", version="1", about={})
        expected = laid_out(store, [layer], scratch / "laid")
        for format_ in PLAIN:
            archive = pack(store, [layer], scratch / f"a.{format_}", Compression(format=format_))
            extract(archive.path, scratch / format_)
            assert read(scratch / format_ / "python") == expected
        assert read_index(scratch / "a.tar.zst")[0].digest == layer.digest
    finally:
        shutil.rmtree(scratch)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_layers_give_the_same_bytes_whatever_the_store(tmp_path: Path, format_: str) -> None:
    digests = set()
    for name in ("one", "two"):
        store = Store(tmp_path / name, reporter=Reporter())
        layers = [
            store.add("wheel", {"n": number}, grow(tmp_path / f"{name}{number}", tree), name="x", version="1", about={})
            for number, tree in enumerate((SMALL, SECOND))
        ]
        for again in ("cold", "warm"):
            digests.add(pack(store, layers, tmp_path / f"{name}-{again}", Compression(format=format_)).sha256)

    assert len(digests) == 1


def test_each_layer_can_be_cut_out_of_the_archive_by_its_index(
    store: Store, layers: list[Layer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "FRAME_SIZE", 4096)
    archive = pack(store, layers, tmp_path / "out.tar.zst", Compression(format="tar.zst")).path

    index = read_index(archive)

    assert [(item.digest, item.kind, item.name, item.version) for item in index] == [
        (layer.digest, layer.kind, layer.name, layer.version) for layer in layers
    ]
    content = archive.read_bytes()
    for item in index:
        whole = b""
        for frame in item.frames:
            piece = content[frame.offset : frame.offset + frame.length]
            assert hashlib.sha256(piece).hexdigest() == frame.sha256
            whole += zstandard.ZstdDecompressor().decompress(piece)
            assert len(whole) == sum(one.size for one in item.frames[: item.frames.index(frame) + 1])
        assert hashlib.sha256(whole).hexdigest() == item.digest
    assert all(len(item.frames) > 1 for item in index)


def test_the_standard_library_reads_the_gzip_one(store: Store, layers: list[Layer], tmp_path: Path) -> None:
    archive = pack(store, layers, tmp_path / "out.tar.gz", Compression(format="tar.gz")).path

    with tarfile.open(archive) as tar:
        assert "python/lib/python3.12/os.py" in tar.getnames()
    header = archive.read_bytes()[:10]
    assert header == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    assert gzip.decompress(archive.read_bytes())[-1024:] == bytes(1024)


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz"])
def test_a_damaged_frame_is_made_again_while_packing(
    store: Store, layers: list[Layer], tmp_path: Path, collector: Told, format_: str
) -> None:
    before = pack(store, layers, tmp_path / "before", Compression(format=format_))
    frame = store.frames([layers[1]], Compression(format=format_))[0].path
    data = bytearray(frame.read_bytes())
    data[-5] ^= 1
    frame.write_bytes(data)

    after = pack(store, layers, tmp_path / "after", Compression(format=format_))

    assert (after.sha256, after.size) == (before.sha256, before.size)
    assert sha256_of(after.path) == after.sha256
    assert str(frame) in collector.warnings[0]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_layer_that_was_changed_never_gets_into_an_archive(
    store: Store, layers: list[Layer], tmp_path: Path, format_: str
) -> None:
    (tmp_path / "out").write_bytes(b"the archive of before")
    (store.tree(layers[0]) / "share/Grüße 你好.txt").write_bytes(b"hullo\n")

    with pytest.raises(IntegrityError):
        pack(store, layers, tmp_path / "out", Compression(format=format_))

    assert (tmp_path / "out").read_bytes() == b"the archive of before"
    assert [path.name for path in tmp_path.glob("*out*")] == ["out"]


def test_an_unknown_format_is_an_error_that_names_the_known(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tar\.xz") as caught:
        pack(store, [], tmp_path / "out", Compression(format="tar.xz"))

    assert "tar.zst, tar.gz, zip" in caught.value.remedy


@pytest.mark.parametrize("cut", [0, 1, 12, 40])
def test_an_archive_without_its_end_has_no_index(store: Store, layers: list[Layer], tmp_path: Path, cut: int) -> None:
    archive = pack(store, layers, tmp_path / "out.tar.zst", Compression(format="tar.zst")).path
    content = archive.read_bytes()
    archive.write_bytes(content[:-cut] if cut else b"")

    with pytest.raises(IntegrityError, match="no index"):
        read_index(archive)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"offset"', b'"0ffset"'),
        (b'"format":2', b'"format":1'),
        (b'"offset":0', b'"offset":1'),
        (b'"frames":[{', b'"frames":[,'),
        (b'"digest":"', b'"digest":"/'),
    ],
)
def test_an_index_that_makes_no_sense_is_an_error(
    store: Store, layers: list[Layer], tmp_path: Path, before: bytes, after: bytes
) -> None:
    archive = pack(store, layers, tmp_path / "out.tar.zst", Compression(format="tar.zst")).path
    content = archive.read_bytes()
    assert before in content
    changed = content.replace(before, after)
    if len(before) != len(after):
        changed = content.replace(before, after, 1).replace(b'"kind"', b'"kin"', 1)
    archive.write_bytes(changed)

    with pytest.raises(IntegrityError, match="cannot be read"):
        read_index(archive)


def test_an_index_of_a_later_format_says_that_this_program_is_too_old(
    store: Store, layers: list[Layer], tmp_path: Path
) -> None:
    archive = pack(store, layers, tmp_path / "out.tar.zst", Compression(format="tar.zst")).path
    archive.write_bytes(archive.read_bytes().replace(b'"format":2', b'"format":3'))
    with pytest.raises(IntegrityError, match="has format 3, and this program is too old for it"):
        read_index(archive)


@pytest.mark.skipif(zstandard.ZSTD_VERSION != (1, 5, 7), reason="another compressor makes other bytes")
def test_the_bytes_of_an_archive_never_change_between_releases(
    store: Store, layers: list[Layer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "FRAME_SIZE", 4096)

    archive = pack(store, layers, tmp_path / "out", Compression(format="tar.zst"))

    assert archive.sha256 == "11fd907d344052de9f168cd64416cd2e693b21d68a5ef84626b76dfeab59b254"


@pytest.mark.real
@pytest.mark.parametrize(("format_", "option"), [("tar.zst", "--zstd"), ("tar.gz", "--gzip")])
def test_gnu_tar_unpacks_an_archive_to_the_bundle(
    store: Store,
    layers: list[Layer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format_: str,
    option: str,
) -> None:
    monkeypatch.setattr(frames_module, "FRAME_SIZE", 4096)
    more: Tree = {
        "lib/issue232/x.json": File(b""),
        "lib/issue232.py": File(b""),
        "lib/issue232-1": None,
        "n" * 200: Link("l" * 150),
        "Ünï/" + "d" * 120 + "/ß 🐍": File(b"x"),
    }
    more_layer = store.add("wheel", {"n": 3}, grow(tmp_path / "more", more), name="more", version="1", about={})
    everything = [*layers, more_layer]
    archive = pack(store, everything, tmp_path / "out", Compression(format=format_)).path
    (tmp_path / "unpacked").mkdir()

    done = check(run(["tar", option, "-xf", archive, "-C", tmp_path / "unpacked"]), "tar")

    assert done.errors == ""
    assert read(tmp_path / "unpacked" / "python") == laid_out(store, everything, tmp_path / "laid")
