"""A folder with the release files that versions need, for builders without a way to the release host.

The layout is the host's own, `TAG/FILE`, which `interpreter.mirror`, `BUNDLE_PYTHON_MIRROR` and uv's
`UV_PYTHON_INSTALL_MIRROR` read; `SHA256SUMS` at the top is for `sha256sum --check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bundle.artifacts.interpreters.python_build_standalone import (
    MIRROR_VARIABLE,
    NAME,
    PythonBuildStandalone,
    place_of,
)
from bundle.artifacts.interpreters.source import Offer, Refusal, Request, Tools
from bundle.base.errors import ConfigError, IntegrityError, NetworkError
from bundle.base.files import locked, sha256_of
from bundle.base.http.urls import local_path
from bundle.base.staging import sweep_staging, write_atomically

SUMS = "SHA256SUMS"


@dataclass(frozen=True, kw_only=True)
class Need:
    """One file that belongs into the mirror."""

    offer: Offer
    request: Request
    versions: tuple[str, ...]
    """The versions that need it."""

    @property
    def path(self) -> str:
        """Its path in the mirror."""
        return "/".join(place_of(self.offer))

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that says which file it is."""
        return {
            "python": self.offer.python,
            "platform": self.request.platform.key,
            "versions": list(self.versions),
            "file": self.path,
            "sha256": self.offer.key["sha256"],
        }


@dataclass(frozen=True, kw_only=True)
class Left:
    """A version that needs nothing from a mirror on a platform, or cannot have it."""

    version: str
    platform: str
    reason: str
    lacking: bool
    """Whether it requires a file that was never released."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The outcome for one file."""

    need: Need
    status: Literal["fetched", "present", "failed"]
    size: int = 0
    """Bytes."""
    error: NetworkError | IntegrityError | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value."""
        facts = {**self.need.as_json(), "status": self.status, "size": self.size}
        return facts if self.error is None else {**facts, "error": self.error.as_json()}


def needs(wanted: Iterable[tuple[str, Request]], source: PythonBuildStandalone) -> tuple[list[Need], list[Left]]:
    """Return the files that versions need, each once, and the versions that need none.

    A version gets the file that a build would take: the exact release, or where `interpreter.substitute` permits it and
    there is none, the newest patch release.

    Args:
        wanted: each version with its request on one platform.
    """
    found: dict[str, Need] = {}
    left: list[Left] = []
    for version, request in wanted:
        answer = _choice(request, source)
        if isinstance(answer, Left):
            left.append(replace(answer, version=version))
            continue
        known = found.get(answer.key["sha256"])
        versions = (*known.versions, version) if known else (version,)
        found[answer.key["sha256"]] = Need(offer=answer, request=request, versions=versions)
    return list(found.values()), left


def fill(folder: Path, needed: Sequence[Need], source: PythonBuildStandalone, tools: Tools) -> list[Kept]:
    """Bring files into a mirror; those that are there and right are left alone, and a failure stops no other file.

    Args:
        folder: the mirror; made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept: list[Kept] = []
    try:
        for need in needed:
            kept.append(_keep(folder, need, source, tools))  # noqa: PERF401 - finished files count if one raises
    finally:
        sums = {one.need.path: one.need.offer.key["sha256"] for one in kept if one.status != "failed"}
        with locked(folder / f".{SUMS}.lock", reporter=tools.reporter, what=f"the mirror {folder}"):
            _write_sums(folder, sums)
    return kept


def _keep(folder: Path, need: Need, source: PythonBuildStandalone, tools: Tools) -> Kept:
    target = folder / need.path
    if target.is_file():
        if sha256_of(target) == need.offer.key["sha256"]:
            return Kept(need=need, status="present", size=target.stat().st_size)
        tools.reporter.warning(f"{target} is damaged and is downloaded again")
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep_staging(target.parent)
    try:
        source.place(need.offer, _not_from(folder, need.request), target, tools)
    except (NetworkError, IntegrityError) as error:
        return Kept(need=need, status="failed", error=error)
    return Kept(need=need, status="fetched", size=target.stat().st_size)


def _choice(request: Request, source: PythonBuildStandalone) -> Offer | Left:
    def left(reason: str, *, lacking: bool) -> Left:
        return Left(version="", platform=request.platform.key, reason=reason, lacking=lacking)

    if NAME not in request.config.sources:
        return left(f"takes its interpreter from {', '.join(request.config.sources)} alone", lacking=False)
    answers = source.offers(request)
    offers = [answer for answer in answers if isinstance(answer, Offer)]
    exact = next((offer for offer in offers if offer.python == request.python), None)
    if exact or (request.config.substitute == "patch" and offers):
        return exact or offers[0]
    reason = next(answer.reason for answer in answers if isinstance(answer, Refusal))
    return left(reason, lacking=True)


def _not_from(folder: Path, request: Request) -> Request:
    """Return the request without a mirror that is the folder itself."""
    mirror = request.environ.get(MIRROR_VARIABLE) or request.config.mirror
    if not mirror:
        return request
    try:
        place = Path(mirror) if Path(mirror).is_absolute() else local_path(mirror)
    except ConfigError:
        return request  # The reader of the mirror reports a wrong address.
    if place is None or place.resolve() != folder.resolve():
        return request
    environ = {name: value for name, value in request.environ.items() if name != MIRROR_VARIABLE}
    return replace(request, environ=environ, config=replace(request.config, mirror=None))


def _write_sums(folder: Path, sums: Mapping[str, str]) -> None:
    """Add to the list of hashes; entries of earlier runs stay while their files do."""
    path = folder / SUMS
    listed = dict(sums)
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
            if found and (folder / found[2]).is_file():
                listed.setdefault(found[2], found[1])
    if listed:
        write_atomically(path, "".join(f"{digest}  {file}\n" for file, digest in sorted(listed.items())))
