"""The source of an installed wheel: names, sizes, tags and every byte are checked, for wheels may be hostile."""

from __future__ import annotations

import configparser
import csv
import errno
import hashlib
import io
import stat
import struct
import zipfile
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

from installer.exceptions import InstallerError
from installer.records import InvalidRecordEntry, RecordEntry, parse_record_file
from installer.sources import WheelContentElement, WheelFile
from installer.utils import SCHEME_NAMES, parse_entrypoints, parse_metadata_file
from isal import isal_zlib
from packaging.metadata import RawMetadata, parse_email
from packaging.tags import Tag, parse_tag
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from bundle.base.errors import IntegrityError
from bundle.base.extract import HARMLESS, RATIO, open_zip
from bundle.base.filenames import path_obstacle
from bundle.model.wheel_flaws import WheelFlaw
from bundle.model.wheeltags import MOST_TAGS, agree, parse_wheel_name, product_size

MOST_FILES = 200_000
LARGEST = 20 * 2**30
"""Bytes that a wheel may unpack to."""
_LARGEST_DOCUMENT = 2**26
"""Bytes of a file in .dist-info, some of which are read as a whole."""

MOST_FLAWS = 500
"""Flaws of a wheel whose RECORD is still about this wheel."""

# The binary distribution format requires SHA-256 or better.
_HASHES = frozenset({"sha256", "sha384", "sha512"})
_SIGNATURES = frozenset({"RECORD.jws", "RECORD.p7s"})
# Only an installer may write these; in a wheel they would be false.
_INSTALLERS_OWN = frozenset({"INSTALLER", "REQUESTED", "direct_url.json"})

# The errors of the libraries for a file that is no wheel, or one whose parts contradict each other.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    cast("type[Exception]", isal_zlib.error),
    struct.error,
    csv.Error,
    EOFError,
    NotImplementedError,
    ValueError,
    OverflowError,
    InstallerError,
    InvalidRecordEntry,
)


@contextmanager
def open_wheel(path: Path) -> Iterator[CheckedWheel]:
    """Open a wheel for PyPA installer's `install`.

    Names, kinds, sizes, tags and metadata are checked at once, the bytes of each file when it has been read; within
    the block, every error that shows a broken wheel becomes an IntegrityError. Where RECORD or WHEEL is wrong, and the
    wheel can be installed all the same, that is a flaw.

    Raises:
        IntegrityError: it is no wheel, unsafe, or contradicts itself or its file name; the text names the file in it.
    """
    try:
        with path.open("rb") as file, open_zip(file) as archive:
            yield CheckedWheel(archive, path)
    except _BROKEN as error:
        raise IntegrityError(f"{path.name} is not a wheel, or is damaged", cause=str(error)) from error
    except OSError as error:
        # A position that cannot be: the zip file's own table is wrong. Any other error comes from the disk.
        if error.errno != errno.EINVAL:
            raise
        raise IntegrityError(f"{path.name} is not a wheel, or is damaged", cause=str(error)) from error


class CheckedWheel(WheelFile):
    """The source that `installer.install` reads; see `open_wheel`."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive = archive
        self.filename = path.name
        self.flaws: dict[WheelFlaw, None] = {}
        """What is wrong and yet does no harm, with paths inside of the wheel; complete when all files are read."""
        name, version, self.tags = _parsed(path.name)
        super().__init__(archive)
        self.name: NormalizedName = name
        self.release: Version = version
        self._files = self._check_entries(path.stat().st_size)
        self._check_identity()
        self._record = self._read_record()
        self._check_entry_points()

    @cached_property
    def data_dir(self) -> str:
        """The folder of files for other places, however its name is spelt."""
        for name in self._files:
            top, slash, _ = name.partition("/")
            if slash and top.endswith(".data") and self._is_ours(top.removesuffix(".data")):
                return top
        return self.dist_info_dir.removesuffix(".dist-info") + ".data"

    @cached_property
    def metadata(self) -> RawMetadata:
        """The core metadata."""
        return parse_email(self._archive.read(f"{self.dist_info_dir}/METADATA"))[0]

    def get_contents(self) -> Iterator[WheelContentElement]:
        """Yield each file to install; one that differs from RECORD raises once it has been read."""
        for name, info in self._files.items():
            mode = info.external_attr >> 16
            with self._archive.open(info) as stream:
                _inflate_quickly(stream, info)
                member = Member(stream, self._record.get(name))
                if self._is_installed(name):
                    yield (name, "", ""), cast("BinaryIO", member), bool(stat.S_ISREG(mode) and mode & 0o111)
                if not member.is_true():
                    self._flaw("wheel-record", name, f"differs from the RECORD of {self.filename}")

    def _is_installed(self, name: str) -> bool:
        folder, _, base = name.rpartition("/")
        return "__pycache__" not in folder.split("/") and not (folder == self.dist_info_dir and base in _INSTALLERS_OWN)

    def _is_ours(self, stem: str) -> bool:
        name, _, version = stem.rpartition("-")
        # A local version may be spelt with the underscore that replaces every other sign.
        return canonicalize_name(name) == self.name and self.release in {
            parsed for spelling in (version, version.replace("_", "+")) if (parsed := _version(spelling))
        }

    def _check_entries(self, size: int) -> dict[str, zipfile.ZipInfo]:
        infos = self._archive.infolist()
        total = sum(info.file_size for info in infos)
        if len(infos) > MOST_FILES or total > LARGEST or total > max(HARMLESS, RATIO * size):
            raise IntegrityError(
                f"{self.filename} would unpack to {len(infos)} files with {total} bytes",
                cause="It is a zip bomb, or too large for a bundle.",
            )
        files: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            if stat.S_ISLNK(info.external_attr >> 16):
                message = f"is a link in {self.filename}; as pip does, its target is written as a text"
                self._flaw("wheel-link", info.orig_filename, message)
            if reason := _unsafe(info):
                raise IntegrityError(f"{self.filename}: the entry {info.orig_filename!r} {reason}")
            if info.is_dir():
                continue
            if info.filename in files:
                raise IntegrityError(f"{self.filename} holds {info.filename} twice")
            if ".dist-info/" in info.filename and info.file_size > _LARGEST_DOCUMENT:
                raise IntegrityError(f"{self.filename}: {info.filename} claims {info.file_size} bytes")
            files[info.filename] = info
        return files

    def _check_identity(self) -> None:
        """Compare file name, folder name, METADATA and WHEEL."""
        if not self._is_ours(self.dist_info_dir.removesuffix(".dist-info")):
            raise IntegrityError(f"{self.filename} holds {self.dist_info_dir}, another package or version")
        for required in ("METADATA", "WHEEL", "RECORD"):
            if f"{self.dist_info_dir}/{required}" not in self._files:
                raise IntegrityError(f"{self.filename} has no {self.dist_info_dir}/{required}")
        name, version = self.metadata.get("name", ""), self.metadata.get("version", "")
        if canonicalize_name(name, validate=True) != self.name or Version(version) != self.release:
            raise IntegrityError(f"{self.filename} says in its METADATA that it is {name} {version}")
        stated = parse_metadata_file(self.read_dist_info("WHEEL")).get_all("Tag", [])
        if sum(map(product_size, stated)) > MOST_TAGS:
            raise IntegrityError(f"{self.filename} says in its WHEEL file that it is for more than {MOST_TAGS} tags")
        tags = frozenset(tag for line in stated for tag in self._parsed_tag(line))
        if tags and not agree(self.tags, tags):
            raise IntegrityError(
                f"{self.filename} says in its WHEEL file that it is for {', '.join(sorted(map(str, tags)))}"
            )
        for path in self._files:
            top, *rest = path.split("/")
            hidden = any(part.lower().endswith(".dist-info") for part in rest)
            if top == self.data_dir and (len(rest) < 2 or rest[0] not in SCHEME_NAMES or hidden):
                raise IntegrityError(f"{self.filename}: {path} is in no folder that wheels may use")

    def _read_record(self) -> dict[str, RecordEntry]:
        folder = self.dist_info_dir
        unhashed = {f"{folder}/RECORD", *(f"{folder}/{name}" for name in _SIGNATURES)}
        record: dict[str, RecordEntry] = {}
        for row in parse_record_file(io.StringIO(self.read_dist_info("RECORD"), newline="")):
            entry = RecordEntry.from_elements(*row)
            if record.setdefault(entry.path, entry) != entry:
                message = f"of {self.filename} contradicts itself about {entry.path!r:.200}"
                self._flaw("wheel-record", f"{folder}/RECORD", message)
        for name in self._files:
            found = record.get(name)
            if name in unhashed:
                continue
            if found is None or found.hash_ is None:
                self._flaw("wheel-record", name, f"is not in the RECORD of {self.filename}, or without a hash")
            elif found.hash_.name not in _HASHES:
                record[name] = RecordEntry(name, None, found.size)
                self._flaw("wheel-record", name, f"has only a {found.hash_.name} hash in the RECORD of {self.filename}")
        for name in sorted(record.keys() - self._files.keys() - unhashed):
            # Old tools listed bytecode and folders, and left them out of the wheel.
            if not name.endswith(("/", ".pyc")):
                message = f"of {self.filename} names {name!r:.200}, which is not in the wheel"
                self._flaw("wheel-record", f"{folder}/RECORD", message)
        return record

    def _parsed_tag(self, line: str) -> frozenset[Tag]:
        try:
            return parse_tag(line)
        except ValueError:
            message = f"of {self.filename} has the tag {line!r:.100}, which is none; the file's name counts"
            self._flaw("wheel-tags", f"{self.dist_info_dir}/WHEEL", message)
            return frozenset()

    def _flaw(self, rule: Literal["wheel-record", "wheel-link", "wheel-tags"], name: str, message: str) -> None:
        if len(self.flaws) >= MOST_FLAWS:
            raise IntegrityError(
                f"{self.filename}: {name} {message}, and so on for more than {MOST_FLAWS} files",
                cause="The wheel's RECORD describes another wheel.",
            )
        self.flaws[WheelFlaw(rule=rule, file=name, message=f"{message}.")] = None

    def _check_entry_points(self) -> None:
        if f"{self.dist_info_dir}/entry_points.txt" not in self._files:
            return
        try:
            for _ in parse_entrypoints(self.read_dist_info("entry_points.txt")):
                pass
        except (configparser.Error, AssertionError, AttributeError) as error:
            raise IntegrityError(f"{self.filename}: entry_points.txt cannot be read", cause=str(error)) from error


class Member:
    """A stream out of a wheel that hashes while it is read.

    Args:
        stream: the file as the zip module gives it, which is never longer than its declared size.
        entry: its line in RECORD, if it has one.
    """

    def __init__(self, stream: IO[bytes], entry: RecordEntry | None) -> None:
        self._stream = stream
        self._entry = entry
        self._sha256 = hashlib.sha256()
        expected = entry.hash_ if entry else None
        self._other = hashlib.new(expected.name) if expected and expected.name != "sha256" else None
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self._stream.read(size)
        self._sha256.update(data)
        if self._other:
            self._other.update(data)
        self.size += len(data)
        return data

    @property
    def sha256(self) -> str:
        """The hash of the bytes read so far, as RECORD spells it."""
        return _encoded(self._sha256.digest())

    def is_true(self) -> bool:
        """Read the rest, and return whether RECORD is right."""
        while self.read(2**20):
            pass
        if self._entry is None:
            return True
        digest = _encoded(self._other.digest()) if self._other else self.sha256
        right_hash = self._entry.hash_ is None or self._entry.hash_.value.rstrip("=") == digest
        return right_hash and self._entry.size in {None, self.size}


def _inflate_quickly(stream: Any, info: zipfile.ZipInfo) -> None:
    """Let a member that nothing was read of be unpacked by ISA-L, which takes half of zlib's time for the same bytes.

    Args:
        stream: as the zip module gives it; it goes on to count the bytes and to compare their CRC-32.
    """
    if info.compress_type == zipfile.ZIP_DEFLATED:
        # There is no public way. Where a release of Python has another name for it, this changes nothing.
        stream._decompressor = isal_zlib.decompressobj(-zlib.MAX_WBITS)


def _encoded(digest: bytes) -> str:
    """Return a digest as RECORD spells it: URL-safe base64 without padding."""
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _parsed(filename: str) -> tuple[NormalizedName, Version, frozenset[Tag]]:
    try:
        name, version, _, tags = parse_wheel_name(filename)
    except InvalidWheelFilename as error:
        raise IntegrityError(f"{filename:.300} is not the file name of a wheel", cause=str(error)) from error
    return name, version, tags


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _unsafe(info: zipfile.ZipInfo) -> str | None:
    """Return why an entry is refused, None if it is not."""
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if why := path_obstacle(name):
        return why
    parts = name.removesuffix("/").split("/")
    if {"", "."} & set(parts):
        return "has an empty part or a dot in its path"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
        return "is a device"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "has a compression that wheels do not use"
    return None
