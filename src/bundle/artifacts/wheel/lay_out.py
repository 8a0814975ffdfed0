"""Lay out a wheel as a file tree, for any platform, with the same bytes on every host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from installer import install

from bundle.artifacts.wheel.destination import WheelTree
from bundle.artifacts.wheel.source import open_wheel
from bundle.base.errors import IntegrityError, WorkError
from bundle.base.files import canonical_json
from bundle.model.platforms import Platform, short_version
from bundle.model.wheel_flaws import WheelFlaw
from bundle.model.wheeltags import ANY_SYSTEM, fits, tags_of


@dataclass(frozen=True, kw_only=True)
class Laid:
    """The package of a wheel that was laid out."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    flaws: tuple[WheelFlaw, ...] = ()

    def require_sound(self) -> None:
        """Raise an IntegrityError if the wheel has a flaw that is more than a note."""
        for flaw in self.flaws:
            if flaw.rule != "wheel-tags":
                raise IntegrityError(f"{flaw.file} {flaw.message}")


def lay_out(
    wheel: Path,
    tree: Path,
    *,
    platform: Platform,
    python: str,
    direct_url: Mapping[str, Any] | None = None,
    user_site: bool = False,
) -> Laid:
    """Lay a wheel out as a bundle holds it.

    Source: the PyPA specifications "Binary distribution format", "Recording installed projects", "Entry points".

    Args:
        wheel: the wheel; its bytes are compared with its RECORD, and what differs is a flaw.
        tree: a folder that stands for the bundle's root and has none of the wheel's files yet; after an error it
            holds a part of them.
        direct_url: where it came from if not from an index (PEP 610). Credentials and queries are taken out; an
            address on this machine is not written at all.
        user_site: whether the package's scripts import packages of the user's own.

    Raises:
        IntegrityError: no wheel, an unsafe one, or one that contradicts its name.
        WorkError: it is for another platform, or cannot exist on this one.
    """
    if not fits(tags_of(wheel.name), platform, python, ANY_SYSTEM):
        raise WorkError(
            f"{wheel.name} is not a wheel for Python {short_version(python)} on {platform.key}",
            remedy="Run `bundle lock` again, so that it chooses a file for this platform.",
        )
    with open_wheel(wheel) as source:
        destination = WheelTree(tree, source, platform=platform, python=python, user_site=user_site)
        notes = {"INSTALLER": b"bundle\n"}
        if direct_url and (address := _public(str(direct_url.get("url", "")))):
            notes["direct_url.json"] = canonical_json({**direct_url, "url": address})
        install(source, destination, notes)
        site = platform.site_packages(python)
        flaws = tuple(replace(flaw, file=f"{site}/{flaw.file}") for flaw in source.flaws)
        return Laid(name=source.name, version=str(source.release), flaws=flaws)


def _public(url: str) -> str | None:
    """Return an address without secrets, or None if it is an address on this machine."""
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        return None
    user, _, host = parts.netloc.rpartition("@")
    # PEP 610: the one user name that is no credential.
    netloc = f"git@{host}" if user == "git" else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
