from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from bundle.base.errors import IntegrityError
from bundle.base.extract import Limits, extract
from tests.examples import examples

MTIME = 1_000_000_000

Entry = tuple[str, str, str]
"""Name, kind, and the content of a file or the target of a link."""

KINDS = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
}


def tar_of(*entries: Entry, mode: int = 0o644) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo()
            info.name = name
            info.type = KINDS[kind]
            info.mode = mode
            info.mtime = MTIME
            if kind in ("symlink", "hardlink"):
                info.linkname = content
            data = content.encode() if kind == "file" else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zip_of(*entries: Entry, mode: int = 0o644) -> bytes:
    packed = io.BytesIO()
    types = {"file": stat.S_IFREG, "folder": stat.S_IFDIR, "symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, kind, content in entries:
            info = zipfile.ZipInfo("placeholder", (2001, 9, 9, 1, 46, 40))
            info.filename = name + ("/" if kind == "folder" else "")
            info.create_system = 3
            info.external_attr = (types[kind] | mode) << 16
            pack.writestr(info, content if kind != "folder" else "")
    return packed.getvalue()


def zstd_of(data: bytes) -> bytes:
    """Two frames and a skippable one, as bundles have them."""
    half = len(data) // 1024 * 512
    frames = (zstandard.compress(data[:half]), zstandard.compress(data[half:]))
    return b"".join(frames) + struct.pack("<II", 0x184D2A50, 5) + b"index"


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "two gzip members": lambda data: gzip.compress(data[:512]) + gzip.compress(data[512:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd_of,
}


def unpacked(tmp_path: Path, packed: bytes, *, limits: Limits | None = None) -> Path:
    archive = tmp_path / "some.archive"
    archive.write_bytes(packed)
    root = tmp_path / "root"
    extract(archive, root, limits=limits or Limits())
    return root


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("compress", COMPRESSED.values(), ids=COMPRESSED)
def test_a_tar_is_unpacked_whatever_it_is_compressed_with_and_called(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    long = "a/" + "deep/" * 40 + "zwölf"
    entries = (("a", "folder", ""), ("a/file", "file", "content"), (long, "file", "x" * 100_000))
    root = unpacked(tmp_path, compress(tar_of(*entries)))
    assert (root / "a" / "file").read_text() == "content"
    assert (root / long).read_text() == "x" * 100_000
    assert (root / "a" / "file").stat().st_mtime == MTIME
    assert (root / "a").stat().st_mtime == MTIME


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path, zip_of(("a", "folder", ""), ("a/file", "file", "content"), ("b/link", "symlink", "../a/file"))
    )
    assert (root / "a" / "file").read_text() == "content"
    assert (root / "b" / "link").read_text() == "content"
    assert (root / "a" / "file").stat().st_mtime == MTIME


def test_an_empty_archive_gives_an_empty_folder(tmp_path: Path) -> None:
    assert everything(unpacked(tmp_path, tar_of())) == set()
    assert everything(unpacked(tmp_path, zip_of())) == set()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.parametrize("make", [tar_of, zip_of])
@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o644), (0o710, 0o755), (0o6777, 0o755), (0, 0o644)])
def test_modes_are_one_of_two_whatever_the_archive_says(
    tmp_path: Path, make: Callable[..., bytes], mode: int, expected: int
) -> None:
    before = os.umask(0o077)
    try:
        root = unpacked(tmp_path, make(("a", "folder", ""), ("a/file", "file", "x"), mode=mode))
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "a" / "file").stat().st_mode) == expected
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o755


def test_links_that_stay_inside_are_made(tmp_path: Path) -> None:
    root = unpacked(
        tmp_path,
        tar_of(
            ("bin/python", "symlink", "python3"),
            ("bin/python3", "file", "binary"),
            ("lib/up", "symlink", "../bin/./python"),
            ("lib/dangling", "symlink", "nowhere"),
            ("lib/folder", "symlink", ".."),
        ),
    )
    assert (root / "lib" / "up").read_text() == "binary"
    assert (root / "bin" / "python").readlink() == Path("python3")
    assert (root / "lib" / "dangling").is_symlink()
    assert (root / "lib" / "folder" / "bin" / "python3").read_text() == "binary"


def test_a_hard_link_becomes_a_copy(tmp_path: Path) -> None:
    root = unpacked(tmp_path, tar_of(("a", "file", "content"), ("b/c", "hardlink", "a"), mode=0o755))
    (root / "b" / "c").write_text("edited")
    assert (root / "a").read_text() == "content"
    if os.name != "nt":
        assert stat.S_IMODE((root / "b" / "c").stat().st_mode) == 0o755


def test_of_two_files_of_one_name_the_later_one_counts(tmp_path: Path) -> None:
    root = unpacked(tmp_path, tar_of(("a", "file", "first, and longer"), ("./a", "file", "second")))
    assert (root / "a").read_text() == "second"


HOSTILE: dict[str, tuple[Entry, ...]] = {
    "absolute": (("/etc/evil", "file", ""),),
    "upward": (("../evil", "file", ""),),
    "upward within": (("a/../../evil", "file", ""),),
    "upward and back": (("a/../b", "file", ""),),
    "upward folder": (("..", "folder", ""),),
    "drive": (("C:/evil", "file", ""),),
    "backslash": (("a\\..\\..\\evil", "file", ""),),
    "control character": (("a\nb", "file", ""),),
    "link to outside": (("link", "symlink", "../evil"),),
    "link to a root": (("link", "symlink", "/etc"),),
    "link to a drive": (("link", "symlink", "C:/"),),
    "link with backslashes": (("link", "symlink", "..\\..\\evil"),),
    "link to nothing": (("link", "symlink", ""),),
    "link in a loop": (("a", "symlink", "b"), ("b", "symlink", "a")),
    "link that another link sends outside": (
        ("x/y/root", "symlink", "../.."),
        ("link", "symlink", "x/y/root/../evil"),
    ),
    "the same, the other way round": (("link", "symlink", "x/y/root/../evil"), ("x/y/root", "symlink", "../..")),
    "the same where case does not count": (
        ("x/y/Root", "symlink", "../.."),
        ("link", "symlink", "x/y/ROOT/../evil"),
    ),
    "two links that differ only in case": (("Link", "symlink", "a"), ("link", "symlink", "b/c")),
    "through a link": (("a", "folder", ""), ("link", "symlink", "a"), ("link/file", "file", "")),
    "through a link made later": (("link/file", "file", ""), ("link", "symlink", "..")),
    "file in place of a link": (("a", "symlink", "b"), ("a", "file", "")),
    "link in place of a file": (("a", "file", ""), ("a", "symlink", "b")),
    "folder in place of a file": (("a", "file", ""), ("a", "folder", "")),
    "file in place of a folder": (("a", "folder", ""), ("a", "file", "")),
    "below a file": (("a", "file", ""), ("a/b", "file", "")),
    "link in place of the root": ((".", "symlink", "a"),),
    "file in place of the root": (("./", "file", ""),),
}


@pytest.mark.parametrize("name", ["lib/NUL.txt", "com1/a", "aux.py"])
def test_a_device_name_of_windows_is_refused_there_alone(tmp_path: Path, name: str) -> None:
    packed = tar_of((name, "file", "content"))
    if os.name == "nt":
        with pytest.raises(IntegrityError, match="device"):
            unpacked(tmp_path, packed)
    else:
        assert (unpacked(tmp_path, packed) / name).read_text() == "content"


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_tar_is_refused_and_the_entry_named(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    with pytest.raises(IntegrityError, match="entry") as refused:
        unpacked(tmp_path, tar_of(*entries))
    assert any(repr(name)[1:-1] in refused.value.what for name, _, _ in entries)
    assert everything(tmp_path) - {"root", "some.archive"} <= {f"root/{name}" for name in ("a", "x", "x/y", "link")} | {
        "root/link/file"
    }


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "entries",
    [pytest.param(entries, id=name) for name, entries in HOSTILE.items() if "root" not in name],
)
def test_a_hostile_zip_is_refused_and_the_entry_named(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    if any(kind not in ("file", "folder", "symlink") for _, kind, _ in entries):
        pytest.skip("zip has no such entries")
    with pytest.raises(IntegrityError) as refused:
        unpacked(tmp_path, zip_of(*entries))
    assert any(repr(name)[1:-1] in refused.value.what for name, _, _ in entries)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_neither_file_folder_nor_link_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(IntegrityError, match="'odd'"):
        unpacked(tmp_path, tar_of(("odd", kind, "")))


def test_a_pipe_in_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="'odd'"):
        unpacked(tmp_path, zip_of(("odd", "fifo", "")))


@pytest.mark.parametrize("target", ["../some.archive", "/etc/hostname", "absent", "later", "link", "self"])
def test_a_hard_link_to_anything_but_an_earlier_file_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(IntegrityError, match=r"'self'|upward|absolute"):
        unpacked(
            tmp_path,
            tar_of(("link", "symlink", "x"), ("self", "hardlink", target), ("later", "file", "")),
        )


def test_a_link_that_was_there_before_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "link").symlink_to("../outside")
    with pytest.raises(IntegrityError, match="link"):
        unpacked(tmp_path, tar_of(("link/evil", "file", "")))
    assert everything(tmp_path / "outside") == set()


def test_a_link_that_was_there_before_is_not_read_through(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "root" / "link").symlink_to("../outside")
    with pytest.raises(IntegrityError, match="'evil'"):
        unpacked(tmp_path, tar_of(("evil", "hardlink", "link/secret")))


def test_no_more_than_the_limit_is_written(tmp_path: Path) -> None:
    three = tar_of(("a", "file", "x" * 10), ("b", "file", "x" * 10), ("c", "file", "x" * 10))
    unpacked(tmp_path, three, limits=Limits(files=3, size=30))
    with pytest.raises(IntegrityError, match="2 entries"):
        unpacked(tmp_path / "root", three, limits=Limits(files=2))
    with pytest.raises(IntegrityError, match="29 bytes"):
        unpacked(tmp_path / "root" / "root", three, limits=Limits(size=29))


def test_folders_that_a_single_name_implies_count_as_well(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="10 entries"):
        unpacked(tmp_path, tar_of(("d/" * 50 + "file", "file", "")), limits=Limits(files=10))


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_a_bomb_stops_at_the_limit(tmp_path: Path, make: Callable[..., bytes]) -> None:
    packed = make(("bomb", "file", "0" * 20_000_000))
    if make is tar_of:
        packed = gzip.compress(packed)
    with pytest.raises(IntegrityError, match="1000000 bytes"):
        unpacked(tmp_path, packed, limits=Limits(size=1_000_000))
    assert (tmp_path / "root" / "bomb").stat().st_size <= 1_000_000


def test_a_bomb_in_a_header_does_not_fill_the_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    info.size = 20_000_000
    packed = gzip.compress(info.tobuf() + bytes(info.size + 1024))
    with pytest.raises(IntegrityError, match="entries declare"):
        unpacked(tmp_path, packed)


def test_a_bomb_behind_the_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="entries declare"):
        unpacked(tmp_path, gzip.compress(tar_of(("a", "file", "x")) + bytes(50_000_000)))


@pytest.mark.parametrize("compress", COMPRESSED.values(), ids=COMPRESSED)
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    packed = compress(tar_of(("a", "file", "x" * 3000), ("b", "file", os.urandom(3000).hex())))
    # A tar ends with its marker: what pads it, or stands in frames behind it, may be missing.
    needed = 3072 + 6144 + 1024 if compress is bytes else len(packed) - (20 if compress is zstd_of else 0)
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(IntegrityError, match=r"some\.archive"):
            unpacked(folder, packed[: needed * number // 12])
    with pytest.raises(IntegrityError, match=r"some\.archive"):
        unpacked(tmp_path, packed[: needed - 1])


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    packed = bytearray(tar_of(("a", "file", "x"), ("b", "file", "y")))
    packed[1024 + 10] ^= 1
    with pytest.raises(IntegrityError, match="checksum"):
        unpacked(tmp_path, bytes(packed))


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
@example([(220, 12)])  # Another compression: bzip2.
@examples(200)
def test_a_damaged_zip_is_refused_or_unpacked_but_never_a_crash(changes: list[tuple[int, int]]) -> None:
    packed = bytearray(zip_of(("a", "folder", ""), ("a/b", "file", "content" * 9), ("l", "symlink", "a/b")))
    for place, value in changes:
        packed[place % len(packed)] = value
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "some.archive"
        archive.write_bytes(packed)
        with contextlib.suppress(IntegrityError):
            extract(archive, Path(folder) / "root")


def test_damaged_content_is_noticed_where_the_format_has_a_checksum(tmp_path: Path) -> None:
    packed = bytearray(zip_of(("a", "file", "content" * 1000)))
    packed[40] ^= 1
    with pytest.raises(IntegrityError):
        unpacked(tmp_path, bytes(packed))
    zipped = bytearray(gzip.compress(tar_of(("a", "file", os.urandom(2000).hex()))))
    zipped[-6] ^= 1
    with pytest.raises(IntegrityError):
        unpacked(tmp_path / "root", bytes(zipped))


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04nonsense", b"\x1f\x8bnonsense", b"BZhx"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"some\.archive"):
        unpacked(tmp_path, content)


def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    archive = tmp_path / "some.archive"
    archive.write_bytes(tar_of(("a", "file", "x")))
    with pytest.raises(OSError, match="space"):
        extract(archive, tmp_path / "root")


def test_headers_without_end_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = 1
    with pytest.raises(IntegrityError):
        unpacked(tmp_path, (info.tobuf() + bytes(512)) * 2000)


SOUND = tar_of(("a", "folder", ""), ("a/" + "long" * 60, "file", "content"), ("b", "symlink", "a"), ("c", "file", "x"))


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=5), st.booleans())
@examples(300)
def test_a_damaged_archive_is_refused_or_unpacked_but_never_a_crash(changes: list[tuple[int, int]], mend: bool) -> None:
    packed = bytearray(SOUND)
    for place, value in changes:
        packed[place] = value
        if mend:
            start = place // 512 * 512
            block = packed[start : start + 512]
            checksum = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
            packed[start + 148 : start + 156] = b"%06o\0 " % checksum
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "some.archive"
        archive.write_bytes(packed)
        with contextlib.suppress(IntegrityError):
            extract(archive, Path(folder) / "root")
        assert everything(Path(folder)) >= {"some.archive", "root"}


PARTS = st.sampled_from(
    ["a", "b", "A", "..", ".", "", "link", "c:", "nul", "a\\b", "/", "ü", "u\u0308", "..."]
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)
ENTRIES = st.lists(st.tuples(PATHS, st.sampled_from(list(KINDS)), PATHS), max_size=12)


@given(ENTRIES)
@examples(150)
def test_no_set_of_entries_makes_anything_outside_the_root(entries: list[Entry]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        outer = base / "1" / "2" / "3" / "4" / "5"
        outer.mkdir(parents=True)
        (outer / "some.archive").write_bytes(tar_of(*entries))
        before = everything(base)
        try:
            extract(outer / "some.archive", outer / "root")
        except IntegrityError:
            pass
        except OSError as error:
            # A name longer than the file system allows.
            assert error.errno == 36  # noqa: PT017
        made = everything(base) - before
        assert all(name.startswith("1/2/3/4/5/root") for name in made)
        inside = (outer / "root").resolve()
        for name in made:
            path = base / name
            assert path.resolve() == inside or inside in path.resolve().parents
            assert path.is_symlink() or path.is_file() or path.is_dir()
