"""Wheel file to file tree: what stands in a bundle for a wheel, for any platform, the same bytes on every host."""

from __future__ import annotations

import functools
import io
import mmap
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from installer import install
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from bundle.artifacts.wheel.destination import WheelTree
from bundle.artifacts.wheel.source import CheckedWheel, open_wheel
from bundle.base.errors import WorkError
from bundle.base.files import canonical_json
from bundle.model.platforms import Floors, Platform, short_version

_NO_FLOOR = Floors(glibc="2.99", macos="99.0")
_NATIVE = re.compile(r"\.(so(\.[0-9.]+)?|dylib|pyd|dll)$")
_LICENCE = re.compile(r"(licenses|license_files)/|[^/]*(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Licence:
    """What a package says about its licence."""

    expression: str | None
    """SPDX expression (PEP 639)."""
    text: str | None
    """The older `License` field: a name, or a whole text."""
    classifiers: tuple[str, ...]
    files: tuple[str, ...]
    """Relative to the bundle's root."""


@dataclass(frozen=True, kw_only=True)
class Laid:
    """A wheel that was laid out; all paths are relative to the bundle's root, with `/`."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    requires_dist: tuple[str, ...]
    requires_python: str | None
    native: tuple[str, ...]
    """Native libraries and extension modules."""
    modules: tuple[str, ...]
    """Dotted names of the extension modules among them, as `import` wants them."""
    scripts: tuple[str, ...]
    """File names in the platform's scripts folder."""
    licence: Licence
    dropped: tuple[str, ...]
    """Files of the wheel that were left out: bytecode, and what only an installer may write."""
    size: int
    """Bytes of all files."""


def lay_out(
    wheel: Path,
    tree: Path,
    *,
    platform: Platform,
    python: str,
    direct_url: Mapping[str, Any] | None = None,
    requested: bool = False,
) -> Laid:
    """Lay a wheel out as it stands in a bundle.

    Source: the PyPA specifications "Binary distribution format", "Recording installed projects", "Entry points".

    Args:
        wheel: the wheel; its bytes are compared with its RECORD.
        tree: a folder that stands for the bundle's root and has none of the wheel's files yet; after an error it
            holds a part of them.
        platform: where the bundle will run.
        python: the bundle's Python, such as `3.12.10`.
        direct_url: where it came from if not from an index (PEP 610). Credentials and queries are taken out; an
            address on this machine is not written at all.
        requested: whether the user asked for the package by name.

    Raises:
        IntegrityError: no wheel, an unsafe one, or one that contradicts its name or its RECORD.
        WorkError: it is for another platform, or cannot exist on this one.
    """
    if not fits(wheel.name, platform, python, _NO_FLOOR):
        raise WorkError(
            f"{wheel.name} is no wheel for Python {short_version(python)} on {platform.key}",
            remedy="Run `bundle lock` again, so that it chooses a file for this platform.",
        )
    with open_wheel(wheel) as source:
        destination = WheelTree(tree, source, platform=platform, python=python)
        notes = {"INSTALLER": b"bundle\n"}
        if requested:
            notes["REQUESTED"] = b""
        if direct_url and (address := _public(str(direct_url.get("url", "")))):
            notes["direct_url.json"] = canonical_json({**direct_url, "url": address})
        install(source, destination, notes)
        native = tuple(sorted(path for path in destination.written if _NATIVE.search(path)))
        return Laid(
            name=source.name,
            version=str(source.release),
            requires_dist=tuple(source.metadata.get("requires_dist", ())),
            requires_python=source.metadata.get("requires_python"),
            native=native,
            modules=_modules(tree, native, platform=platform, python=python),
            scripts=tuple(sorted(destination.in_scripts())),
            licence=_licence(source, destination),
            dropped=tuple(sorted((*source.dropped, *destination.superseded))),
            size=sum(size for _, size in destination.written.values()),
        )


def fits(filename: str, platform: Platform, python: str, floors: Floors) -> bool:
    """Say whether a wheel runs on a platform.

    Args:
        filename: the wheel's; one that is no wheel's name fits nothing.
        platform: the target.
        python: the bundle's Python, such as `3.12.10`.
        floors: the oldest systems that it must run on.
    """
    try:
        _, _, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return False
    return not tags.isdisjoint(_tags(platform, python, floors))


@functools.lru_cache(maxsize=64)
def _tags(platform: Platform, python: str, floors: Floors) -> frozenset[Tag]:
    return frozenset(platform.tags(python, floors))


def _public(url: str) -> str | None:
    """Return an address without anything secret, or None if it is an address on this machine."""
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        return None
    user, _, host = parts.netloc.rpartition("@")
    # PEP 610: the one user name that is no credential.
    netloc = f"git@{host}" if user == "git" else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _licence(source: CheckedWheel, destination: WheelTree) -> Licence:
    metadata = source.metadata
    folder = next(posixpath.dirname(path) for path in destination.written if path.endswith(".dist-info/METADATA"))
    return Licence(
        expression=metadata.get("license_expression"),
        text=metadata.get("license"),
        classifiers=tuple(value for value in metadata.get("classifiers", ()) if value.startswith("License ::")),
        files=tuple(
            sorted(
                path
                for path in destination.written
                if path.startswith(f"{folder}/") and _LICENCE.match(path.removeprefix(f"{folder}/"))
            )
        ),
    )


def _modules(tree: Path, native: Iterable[str], *, platform: Platform, python: str) -> tuple[str, ...]:
    """Return the dotted names of extension modules.

    A shared library may look like one (`package/libthing.so`); what it exports tells them apart.
    """
    site_packages = f"{platform.site_packages(python)}/"
    suffix = _extension_suffix(platform, python)
    modules: set[str] = set()
    for path in native:
        if not path.startswith(site_packages) or not (found := suffix.search(path)):
            continue
        parts = path[len(site_packages) : found.start()].split("/")
        if len(parts) > 1 and parts[-1] == "__init__":
            del parts[-1]
        if all(part.isidentifier() for part in parts) and (
            found["abi"] or not parts[-1].isascii() or _contains(tree / path, f"PyInit_{parts[-1]}".encode())
        ):
            modules.add(".".join(parts))
    return tuple(sorted(modules))


def _extension_suffix(platform: Platform, python: str) -> re.Pattern[str]:
    """Return what the import system of that Python takes as an extension module's suffix."""
    version = short_version(python).replace(".", "")
    if platform.is_windows:
        return re.compile(rf"(?P<abi>\.cp{version}-win_amd64)?\.pyd$")
    machine = "darwin" if platform.system == "macosx" else f"{platform.machine}-linux-gnu"
    return re.compile(rf"(?P<abi>\.cpython-{version}-{machine}|\.abi3)?\.so$")


def _contains(path: Path, needle: bytes) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, io.SEEK_END):
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(needle) >= 0
