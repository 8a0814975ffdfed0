"""Interpreter source `archive`: a file or URL that the configuration or the command line names, with its hash."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bundle.artifacts.interpreters.archive_layouts import Unpacked, unpack
from bundle.artifacts.interpreters.archive_layouts import make as finish
from bundle.artifacts.interpreters.portable.facts import About
from bundle.artifacts.interpreters.source import Offer, Refusal, Request, Tools, archive_key, obtain
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import sha256_of
from bundle.base.folders import remove_tree
from bundle.model.config.config import ArchiveSpec

NAME = "archive"

_VERSION = re.compile(r"(?:cpython|python)-(3\.\d+\.\d+)(?![\d.])", re.IGNORECASE)
"""How the names of published archives begin."""


class Archive:
    """The source.

    Args:
        named: the one archive to take; None: the one in `interpreter.archives`.
    """

    name = NAME

    def __init__(self, named: ArchiveSpec | None = None) -> None:
        self._named = named
        self._unpacked: dict[str, Unpacked] = {}

    def offers(self, request: Request) -> Sequence[Offer | Refusal]:
        """Return the one archive; until it is fetched, its version is the one in its name, else the requested one."""
        spec = self._spec(request)
        if spec is None:
            reason = f"the configuration names no archive for {request.platform.key} (interpreter.archives)"
            return [Refusal(source=NAME, reason=reason)]
        if spec.path is not None:
            if not spec.path.is_file():
                return [Refusal(source=NAME, reason=f"there is no file {spec.path}")]
            detail = location = str(spec.path)
        else:
            from bundle.base.http.urls import redact

            location = spec.url or ""
            detail = redact(location)
        version = _VERSION.search(_filename(location))
        python = version[1] if version else request.python
        key = archive_key(spec.sha256, request.platform)
        return [Offer(source=NAME, python=python, detail=detail, key=key, location=location)]

    def fetch(self, offer: Offer, request: Request, tools: Tools) -> Offer:
        """Bring the archive here, check it, and find out which Python it is."""
        return replace(offer, python=self._open(offer, request, tools).python)

    def look(self, offer: Offer, request: Request, tools: Tools) -> None:
        """Ask whether the archive is there."""
        spec = self._spec(request)
        if spec is not None and spec.path is None and tools.files.get(spec.sha256) is None:
            tools.downloader.size(offer.location)

    def make(self, offer: Offer, request: Request, tree: Path, tools: Tools) -> About:
        """Unpack the archive and normalise it."""
        unpacked = self._open(offer, request, tools)
        del self._unpacked[offer.key["sha256"]]
        about = finish(unpacked, request, tree, tools)
        remove_tree(_scratch(offer, tools))
        return about

    def _spec(self, request: Request) -> ArchiveSpec | None:
        return self._named or request.config.archives.get(request.platform.key)

    def _open(self, offer: Offer, request: Request, tools: Tools) -> Unpacked:
        sha256 = offer.key["sha256"]
        if (known := self._unpacked.get(sha256)) and known.root.is_dir():
            return known
        spec = self._spec(request)
        if spec is None:
            raise ConfigError(f"The configuration names no archive for {request.platform.key}.")
        scratch = _scratch(offer, tools)
        remove_tree(scratch)
        unpacked = unpack(_file(spec, offer, tools), scratch / "tree", request.platform, name=offer.detail)
        self._unpacked[sha256] = unpacked
        return unpacked


def _file(spec: ArchiveSpec, offer: Offer, tools: Tools) -> Path:
    if spec.path is None:
        return obtain(spec.sha256, offer.location, _filename(offer.location), tools)
    if cached := tools.files.get(spec.sha256):
        return cached
    # Copied before the check, so that the checked bytes are the unpacked ones; errors show its own name.
    target = _scratch(offer, tools) / "archive" / spec.path.name
    target.parent.mkdir(parents=True)
    shutil.copyfile(spec.path, target)
    if (found := sha256_of(target)) != spec.sha256:
        raise IntegrityError(
            f"{spec.path} is not the configured archive.",
            details=[f"expected sha256 {spec.sha256}", f"it has sha256 {found}"],
            remedy="Find out why it changed; if it is right, correct interpreter.archives.",
        )
    return target


def _scratch(offer: Offer, tools: Tools) -> Path:
    return tools.work / offer.key["sha256"][:16]


def _filename(location: str) -> str:
    return unquote(urlsplit(location).path.rpartition("/")[2]) or "interpreter"
