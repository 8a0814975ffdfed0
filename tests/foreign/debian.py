"""Debian's packages for another machine, from the mirror that this machine is configured to use, verified and unpacked.

Nothing is installed, no maintainer script runs, and no address of a mirror is written anywhere.
"""

from __future__ import annotations

import lzma
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from bundle.artifacts.interpreters.debian_mirror import debian_mirror
from bundle.base.processes.run import check, run
from tests.foreign.cache import kept
from tests.foreign.downloads import downloader

SUITE = "bookworm"


class NoMirrorError(LookupError):
    """This machine has no mirror of Debian configured."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of the archive."""

    path: str
    """Relative to the mirror."""
    sha256: str


def mirror() -> str:
    """Return the address of the machine's mirror of Debian.

    Raises:
        NoMirrorError: there is none.
    """
    if address := debian_mirror({}):
        return address
    raise NoMirrorError("apt of this machine names no mirror of Debian")


@cache
def packages(machine: str, suite: str = SUITE) -> dict[str, File]:
    """Return the binary packages of a suite, by name.

    Args:
        machine: as Debian calls it: `arm64`, `amd64`.
        suite: the release.
    """
    text = _index(f"main/binary-{machine}/Packages.xz", suite)
    return {
        fields["Package"]: File(path=fields["Filename"], sha256=fields["SHA256"])
        for fields in _stanzas(text, ("Package", "Filename", "SHA256"))
    }


@cache
def sources(suite: str = SUITE) -> dict[str, tuple[File, ...]]:
    """Return the files of a suite's source packages, by name."""
    found = {}
    for stanza in _index("main/source/Sources.xz", suite).split("\n\n"):
        name = re.search(r"^Package: (\S+)$", stanza, re.MULTILINE)
        folder = re.search(r"^Directory: (\S+)$", stanza, re.MULTILINE)
        sums = re.search(r"^Checksums-Sha256:\n((?: .*\n?)+)", stanza, re.MULTILINE)
        if name and folder and sums:
            rows = (line.split() for line in sums[1].splitlines())
            found[name[1]] = tuple(File(path=f"{folder[1]}/{file}", sha256=digest) for digest, _, file in rows)
    return found


def fetch(file: File) -> Path:
    """Return a file of the archive, downloaded once and verified."""

    def download(target: Path) -> None:
        downloader().fetch(f"{mirror()}/{file.path}", target, sha256=file.sha256)

    return kept(f"files/{file.sha256}/{Path(file.path).name}", download)


def unpack(names: Sequence[str], machine: str, folder: Path, suite: str = SUITE) -> dict[str, str]:
    """Unpack binary packages into a folder.

    Args:
        names: of the packages.
        machine: as Debian calls it.
        folder: gets `usr/` and so on.
        suite: the release.

    Returns:
        The sha256 of each.
    """
    index = packages(machine, suite)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        check(run(["dpkg-deb", "-x", fetch(index[name]), folder]), f"Unpacking {name}")
    return {name: index[name].sha256 for name in names}


def sysroot(machine: str) -> Path:
    """Return a folder with the C library and what wheels take for granted, for an emulator to find libraries in.

    Args:
        machine: as Debian calls it.
    """
    names = ("libc6", "libgcc-s1", "libstdc++6", "zlib1g")
    stamp = sha256("".join(packages(machine)[name].sha256 for name in names).encode()).hexdigest()[:16]

    def make(folder: Path) -> None:
        unpack(names, machine, folder)
        for inside in ("etc", "usr/share"):
            if (folder / inside).exists():
                shutil.rmtree(folder / inside)

    return kept(f"sysroots/{SUITE}-{machine}-{stamp}", make)


def _index(path: str, suite: str = SUITE) -> str:
    """Return an index of a suite, verified by the suite's own list of hashes."""
    base = f"{mirror()}/dists/{suite}"
    release = downloader().get(f"{base}/InRelease").content.decode()
    found = re.search(rf"^ ([0-9a-f]{{64}}) +\d+ {re.escape(path)}$", release, re.MULTILINE)
    if found is None:
        raise LookupError(f"the suite {suite} lists no {path}")
    content = fetch(File(path=f"dists/{suite}/{path}", sha256=found[1])).read_bytes()
    return lzma.decompress(content).decode()


def _stanzas(text: str, names: Sequence[str]) -> Iterator[dict[str, str]]:
    pattern = re.compile(rf"^({'|'.join(names)}): (\S+)$", re.MULTILINE)
    for stanza in text.split("\n\n"):
        fields = {found[1]: found[2] for found in pattern.finditer(stanza)}
        if len(fields) == len(names):
            yield fields
