"""Installs from sources that send something else than they promise; nothing of it is left."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bundle.base.errors import IntegrityError
from tests.artifacts.trees import File
from tests.base.server import serving
from tests.run.install.forged import Member, forge, member, stream_of
from tests.run.install.shipped import SITE, VERSION, WHEELS, Machine, Shop

FOLDER = member("python/lib", kind=tarfile.DIRTYPE)
FINE = member("python/lib/six.py", b"moves = 1\n")

EVIL: Mapping[str, list[Member]] = {
    "upward": [member("python/../evil", b"x")],
    "upward behind a folder": [FOLDER, member("python/lib/../../../evil", b"x")],
    "absolute": [member("/tmp/evil", b"x")],
    "not below the top": [member("evil", b"x")],
    "the top again": [member("python", b"x")],
    "a dot": [FOLDER, member("python/lib/./evil", b"x")],
    "an empty part": [FOLDER, member("python/lib//evil", b"x")],
    "a backslash": [member("python/..\\evil", b"x")],
    "a control character": [member("python/e\x1b[2Jvil", b"x")],
    "no UTF-8": [member("python/e\udcffvil", b"x")],
    "a link out": [member("python/evil", kind=tarfile.SYMTYPE, link="../../etc")],
    "a link that may lead out": [FOLDER, member("python/lib/evil", kind=tarfile.SYMTYPE, link="a/../../../etc")],
    "an absolute link": [member("python/evil", kind=tarfile.SYMTYPE, link="/etc/passwd")],
    "an empty link": [member("python/evil", kind=tarfile.SYMTYPE)],
    "a file behind a link": [
        member("python/a", kind=tarfile.SYMTYPE, link="b"),
        member("python/a/evil", b"x"),
        member("python/b", kind=tarfile.DIRTYPE),
    ],
    "a file without its folder": [member("python/lib/evil", b"x")],
    "a hard link": [FOLDER, FINE, member("python/lib/z", kind=tarfile.LNKTYPE, link="python/lib/six.py")],
    "a hard link out": [member("python/evil", kind=tarfile.LNKTYPE, link="/etc/passwd")],
    "a character device": [member("python/evil", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a block device": [member("python/evil", kind=tarfile.BLKTYPE, devmajor=8)],
    "a pipe": [member("python/evil", kind=tarfile.FIFOTYPE)],
    "a sparse file": [member("python/evil", kind=tarfile.GNUTYPE_SPARSE)],
    "an unknown kind": [member("python/evil", kind=b"Z")],
    "twice": [FOLDER, FINE, FINE],
    "a file and a folder": [member("python/lib", b"x"), FOLDER],
    "unsorted": [member("python/z", b"x"), member("python/a", b"x")],
    "setuid": [member("python/evil", b"x", mode=0o4755)],
    "writable": [member("python/evil", b"x", mode=0o777)],
    "an owner": [member("python/evil", b"x", uid=1000)],
    "another time": [member("python/evil", b"x", mtime=1)],
}


def require_nothing_left(machine: Machine) -> None:
    assert not machine.target.path.exists()
    assert machine.left() == []
    assert machine.scratch() == []
    assert [*machine.records.all()] == []
    assert not [path for path in machine.root.rglob("*") if "evil" in path.name]


@pytest.mark.parametrize("what", EVIL)
@pytest.mark.parametrize("way", ["folder", "archive"])
def test_layers_with_unsafe_entries_are_refused(shop: Shop, machine: Machine, what: str, way: str) -> None:
    forge(shop, EVIL[what])
    with pytest.raises(IntegrityError):
        machine.install(shop.folder) if way == "folder" else machine.install_archive(shop.archive())
    require_nothing_left(machine)


@pytest.mark.parametrize("way", ["folder", "archive"])
def test_a_forged_bundle_without_a_fault_is_installed(shop: Shop, machine: Machine, way: str) -> None:
    """So that the others are refused for their faults."""
    forge(shop, [FOLDER, FINE, member("python/lib/z", kind=tarfile.SYMTYPE, link="six.py")])
    machine.install(shop.folder) if way == "folder" else machine.install_archive(shop.archive())
    assert (machine.target.path / "lib" / "z").read_bytes() == b"moves = 1\n"


GOOD = [FOLDER, FINE]


def bomb(size: int) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    return b"".join([*(compressor.compress(bytes(2**20)) for _ in range(size >> 20)), compressor.flush()])


FRAMES: Mapping[str, tuple[Callable[[bytes], bytes], int | None]] = {
    "another frame": (lambda stream: zstandard.compress(stream.replace(b"moves", b"evils")), None),
    "a longer stream": (lambda stream: zstandard.compress(stream + bytes(512)), None),
    "a shorter stream": (lambda stream: zstandard.compress(stream[:-512]), None),
    "a stream cut in the index as well": (lambda stream: zstandard.compress(stream[:-512]), 1024),
    "no frame": (lambda _: b"x" * 100, None),
    "half a frame": (lambda stream: zstandard.compress(stream)[:-8], None),
    "a bomb": (lambda _: bomb(2**26), None),
    "a bomb in the index as well": (lambda _: bomb(2**26), 2**40),
}


@pytest.mark.parametrize("what", FRAMES)
@pytest.mark.parametrize("way", ["folder", "archive"])
def test_frames_that_disagree_with_the_index_are_refused(shop: Shop, machine: Machine, what: str, way: str) -> None:
    pack, size = FRAMES[what]
    forge(shop, GOOD, frame=pack(stream_of(GOOD)), size=size)
    with pytest.raises(IntegrityError):
        machine.install(shop.folder) if way == "folder" else machine.install_archive(shop.archive())
    require_nothing_left(machine)


@pytest.mark.parametrize("way", ["folder", "archive"])
def test_every_changed_byte_of_an_archive_is_found(shop: Shop, machine: Machine, way: str) -> None:
    shop.build()
    whole = shop.archive().read_bytes()
    index = whole.rindex(b'{"format"') if b'{"format"' in whole else len(whole)
    for place in range(0, index, max(1, index // 40)):
        shop.archive().write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            machine.install(shop.folder) if way == "folder" else machine.install_archive(shop.archive())
        except IntegrityError:
            require_nothing_left(machine)
        else:
            # The end marker is for `tar` alone.
            assert machine.tree() == shop.tree()
            break


@pytest.mark.parametrize("way", ["folder", "archive"])
@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz", "zip"])
def test_a_truncated_archive_is_refused(shop: Shop, machine: Machine, format_: str, way: str) -> None:
    shop.build(formats=[format_])
    archive = shop.archive(suffix=format_)
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(IntegrityError):
        machine.install(shop.folder) if way == "folder" else machine.install_archive(archive)
    require_nothing_left(machine)


def test_an_archive_of_another_bundle_is_refused(shop: Shop, machine: Machine) -> None:
    shop.build()
    other = shop.build({"tiny 1.0": WHEELS["tiny 1.0"]}, version="3.12.10-other")
    catalogue = json.loads((shop.folder / "catalogue.json").read_text())
    demo, foreign = catalogue["bundles"]
    for key in ("archives", "layers", "digest", "manifest"):
        demo[key] = foreign[key]
    (shop.folder / "catalogue.json").write_text(json.dumps(catalogue))
    with pytest.raises(IntegrityError, match="another bundle in its place"):
        machine.install(shop.folder)
    assert other.version == "3.12.10-other"
    require_nothing_left(machine)


@pytest.mark.parametrize("format_", ["tar.gz", "zip"])
def test_a_whole_archive_with_something_added_is_refused(shop: Shop, machine: Machine, format_: str) -> None:
    import zipfile

    shop.build(formats=[format_])
    archive = shop.archive(suffix=format_)
    if format_ == "zip":
        with zipfile.ZipFile(archive, "a") as pack:
            pack.writestr("python/evil", b"x")
    else:
        with tarfile.open(archive) as old:
            old.extractall(shop.folder.with_name("old"), filter="tar")
        (shop.folder.with_name("old") / "python" / "evil").write_text("x")
        with tarfile.open(archive, "w:gz") as new:
            new.add(shop.folder.with_name("old") / "python", "python")
    with pytest.raises(IntegrityError, match="evil was added"):
        machine.install_archive(archive)
    require_nothing_left(machine)


WRONG: tuple[Any, ...] = (None, 7, True, "x", [], {}, "../../evil", "\x1b[2J", -1, 2**70, "é" * 3000)


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    "key",
    ["version", "platform", "path", "digest", "size", "python", "archives", "layers", "packages", "manifest", "files"],
)
def test_catalogue_entries_of_wrong_types_are_refused(shop: Shop, machine: Machine, key: str, value: object) -> None:
    from bundle.base.errors import ConfigError

    forge(shop, GOOD)
    catalogue = json.loads((shop.folder / "catalogue.json").read_text())
    before = catalogue["bundles"][0][key]
    catalogue["bundles"][0][key] = value
    (shop.folder / "catalogue.json").write_text(json.dumps(catalogue))
    try:
        machine.install(shop.folder)
    except (IntegrityError, ConfigError):
        require_nothing_left(machine)
    else:
        # Some keys may hold other texts and numbers: what they say is for people.
        assert type(before) is type(value)
        assert key in ("path", "size", "packages", "files")


@pytest.mark.parametrize("key", ["path", "sha256", "size", "format"])
@pytest.mark.parametrize("value", WRONG)
def test_archives_of_wrong_types_are_refused(shop: Shop, machine: Machine, key: str, value: object) -> None:
    from bundle.base.errors import BundleError

    forge(shop, GOOD)
    catalogue = json.loads((shop.folder / "catalogue.json").read_text())
    catalogue["bundles"][0]["archives"][0][key] = value
    (shop.folder / "catalogue.json").write_text(json.dumps(catalogue))
    with pytest.raises(BundleError):
        machine.install(shop.folder)
    require_nothing_left(machine)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"null", b"[" * 100_000, b'{"format": 1}', b'{"published": 1, "bundles": 7}', b"\xff"]
)
def test_what_is_no_catalogue_is_refused(machine: Machine, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "catalogue.json").write_bytes(content)
    with pytest.raises(IntegrityError):
        machine.install(tmp_path / "dist")
    require_nothing_left(machine)


def test_a_file_list_that_leads_out_is_no_source_of_layers(shop: Shop, machine: Machine) -> None:
    """An install that a person changed, with its mark, reaches nothing outside of the store."""
    forge(shop, GOOD)
    machine.install(shop.folder)
    path = machine.target.path / "bundle-files.json"
    path.write_text(path.read_text().replace("lib/six.py", "../../../evil"))
    shop.build({"more 1.0": {f"{SITE}/more.py": File(b"1")}}, version="3.12.10-more")
    machine.install(shop.folder, "3.12.10-more")
    assert not [path for path in machine.root.rglob("*") if "evil" in path.name]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b'{"format": 1, "path": 7}', b'{"path": "x"}'])
def test_damaged_records_and_marks_are_passed_over(shop: Shop, machine: Machine, content: bytes) -> None:
    shop.build()
    machine.install(shop.folder)
    (record,) = (machine.root / "data" / "installs").iterdir()
    before = record.read_bytes()
    record.write_bytes(content)
    assert [*machine.records.all()] == []
    record.write_bytes(before)
    for name in ("installed.json", "next.json", "previous.json"):
        (machine.target.path.with_name(".demo.bundle") / name).write_bytes(content)
    assert [*machine.records.all()] == []


@pytest.mark.real
def test_changed_bytes_from_a_server_are_refused(shop: Shop, machine: Machine) -> None:
    shop.build()
    with serving() as site:
        for path in (shop.folder / "catalogue.json", shop.archive()):
            site.files[f"/{path.name}"] = path.read_bytes()
        site.behaviours = ["ok", "ok", *["lie"] * 20]
        site.files[f"/{shop.archive().name}"] = bytes(1000) + shop.archive().read_bytes()[1000:]
        with pytest.raises(IntegrityError):
            machine.install(site.url)
    require_nothing_left(machine)
    assert VERSION not in str([*machine.records.all()])
