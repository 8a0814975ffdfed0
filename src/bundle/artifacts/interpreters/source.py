"""The protocol of interpreter sources, which supply portable CPythons.

A source has three duties, in this order; only the first is asked of every source:

1. `offers`: list the interpreters that it has. It answers from tables and from files of this machine, quickly (an
   unchanged build asks it, too) and without the network. For the others it gives a `Refusal` with the reason, written
   for the reader of `bundle interpreters`; it raises only for a wrong configuration.
2. `fetch`: download the files of the offer, verified, into the file cache. It returns the offer with the facts that
   only its bytes show (an archive's real version). `NotFoundError` means "not there", and the next offer is tried; any
   other `NetworkError` means "no answer" and ends this source for the run. An `IntegrityError` never falls back to
   another source. `look` checks the same without downloading.
3. `make`: fill an empty folder with the finished interpreter: relocatable, normalised, deterministic, holding no path
   of this machine. The same offer gives the same bytes.

Everything that shapes the tree is in `Offer.key`, and nothing else is: it is the name under which the layer is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bundle.artifacts.interpreters.portable.facts import About
from bundle.base.report import Reporter
from bundle.model import revisions
from bundle.model.config.config import Interpreter
from bundle.model.platforms import Platform, short_version

if TYPE_CHECKING:
    from bundle.artifacts.store.file_cache import FileCache
    from bundle.base.http.client import Downloader


@dataclass(frozen=True, kw_only=True)
class Request:
    """The interpreter that a version asks for."""

    python: str
    """Such as `3.12.10`; `3.12` asks for the newest release of a series."""
    platform: Platform
    config: Interpreter
    """The `interpreter` part of the configuration."""
    machine: Platform | None
    """The platform of this machine, None if it is unknown."""
    environ: Mapping[str, str] = field(repr=False)
    """The environment variables."""
    user_site: bool = False
    """Whether its scripts, such as `pip`, import packages of the user's own (`build.userSite`)."""
    carry: bool = False
    """Whether it takes along the libraries that wheels expect (`build.carry`)."""

    @property
    def is_series(self) -> bool:
        """Whether any release of X.Y will do, the newest first."""
        return self.python == short_version(self.python)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A Python that a source can give."""

    source: str
    """The source's name."""
    python: str
    """The version it is, or claims to be until it is fetched."""
    detail: str
    """Its origin, for messages; without credentials."""
    key: Mapping[str, str]
    """Everything that shapes the tree."""
    location: str = field(default="", repr=False, compare=False)
    """Its origin, for the source itself; may hold credentials."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a source gives nothing, or not this one."""

    source: str
    reason: str
    """One sentence, with the remedy."""
    unreachable: bool = False
    """Whether the reason is a missing answer."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The tools of a source."""

    downloader: Downloader
    files: FileCache
    reporter: Reporter
    work: Path
    """An existing folder for scratch that the caller removes."""


class Source(Protocol):
    """See the module's text for the contract."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    def offers(self, request: Request) -> Sequence[Offer | Refusal]:
        """Return the interpreters of the source, best first, and its refusals."""
        ...

    def fetch(self, offer: Offer, request: Request, tools: Tools) -> Offer:
        """Download the files of the offer; return it with the facts that only its bytes show."""
        ...

    def look(self, offer: Offer, request: Request, tools: Tools) -> None:
        """Ask whether `fetch` would find it, without bringing it; raise as `fetch` does."""
        ...

    def make(self, offer: Offer, request: Request, tree: Path, tools: Tools) -> About:
        """Fill the empty folder `tree` with the finished interpreter of an offer that was fetched."""
        ...


def archive_key(sha256: str, platform: Platform) -> dict[str, str]:
    """Return the key of an interpreter that is made from an archive."""
    return {"kind": "archive", "platform": platform.key, "rules": str(revisions.INTERPRETER), "sha256": sha256}


def obtain(sha256: str, url: str, filename: str, tools: Tools) -> Path:
    """Return a file from the cache, downloaded and verified first if it is not there.

    Raises:
        NetworkError: it is not in the cache and cannot be downloaded.
        IntegrityError: the bytes are not the ones promised.
    """
    if cached := tools.files.get(sha256):
        return cached
    target = tools.files.path_for(sha256, filename)
    target.parent.mkdir(parents=True, exist_ok=True)
    tools.downloader.fetch(url, target, sha256=sha256, label=filename)
    return target
