"""What an interpreter source is: the plug-in point through which a portable CPython comes in.

A source is asked three things, in this order, and only the first of every source:

1. `offers`: what it could give. It answers from tables and from what lies on this machine, quickly (a build that has
   nothing to do asks it, too) and without the network. For what it will not do it gives a `Refusal` with the reason,
   written for the person who reads `bundle interpreters`; it does not raise, but for a configuration that is wrong.
2. `fetch`: bring what the offer needs to this machine, verified, into the file cache. It returns the offer with what
   only its bytes could tell (an archive's real version). `NotFoundError` says "not there" and leaves the source in the
   game; any other `NetworkError` says "nobody answers" and ends this source for the run. `IntegrityError` is never
   papered over by another source. `look` asks the same question without bringing anything.
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
from bundle.model.config.config import Interpreter
from bundle.model.platforms import Platform

if TYPE_CHECKING:
    from bundle.base.http.client import Downloader


@dataclass(frozen=True, kw_only=True)
class Request:
    """The interpreter that a version asks for."""

    python: str
    """Such as `3.12.10`."""
    platform: Platform
    """Where the bundle is to run."""
    config: Interpreter
    """The `interpreter` part of the configuration."""
    machine: Platform | None
    """The platform of this machine, None if it is none of ours."""
    environ: Mapping[str, str] = field(repr=False)
    """The environment variables."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A Python that a source can give."""

    source: str
    """The source's name."""
    python: str
    """The version it is, or claims to be until it is fetched."""
    detail: str
    """Where it comes from, for people; without credentials."""
    key: Mapping[str, str]
    """Everything that shapes the tree."""
    location: str = field(default="", repr=False, compare=False)
    """Where it comes from, for the source itself; may hold credentials."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a source gives nothing, or not this one."""

    source: str
    reason: str
    """One sentence; what could be done about it included."""
    unreachable: bool = False
    """Whether the reason is that nobody answered."""


class Files(Protocol):
    """The cache of files by their hash, as far as sources use it."""

    def get(self, sha256: str) -> Path | None:
        """Return a file whose bytes have just been verified, None if it is not there."""
        ...

    def path_for(self, sha256: str, filename: str) -> Path:
        """Return where a file with that hash belongs."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a source needs to do its work."""

    downloader: Downloader
    files: Files
    reporter: Reporter
    work: Path
    """An existing folder for scratch that the caller removes."""


class Source(Protocol):
    """See the module's text for the contract."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...

    def offers(self, request: Request) -> Sequence[Offer | Refusal]:
        """Return what the source could give, best first, and why it gives nothing else."""
        ...

    def fetch(self, offer: Offer, request: Request, tools: Tools) -> Offer:
        """Bring what the offer needs to this machine; return it with what only its bytes could tell."""
        ...

    def look(self, offer: Offer, request: Request, tools: Tools) -> None:
        """Ask whether `fetch` would find it, without bringing it; raise as `fetch` does."""
        ...

    def make(self, offer: Offer, request: Request, tree: Path, tools: Tools) -> About:
        """Fill the empty folder `tree` with the finished interpreter of an offer that was fetched."""
        ...


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
