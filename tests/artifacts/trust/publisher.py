"""A publisher of signed metadata, with keys and a data folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.remotes.remote import Remote
from bundle.artifacts.trust.metadata import ONLINE
from bundle.artifacts.trust.pins import Pin, pin_of
from bundle.artifacts.trust.roots import Change, found_trust, refresh
from bundle.artifacts.trust.signed import catalogue_of
from bundle.base.report import Reporter
from bundle.make.publish.publish import change_catalogue


def now(days: float = 0) -> datetime:
    """The present, or some days from it."""
    return datetime.now(UTC) + timedelta(days=days)


@dataclass
class Publisher:
    """Signs what is at an address.

    Args:
        folder: for its root and its data.
    """

    url: str
    folder: Path
    root_key: CryptoSigner = field(default_factory=CryptoSigner.generate_ed25519)
    online_key: CryptoSigner = field(default_factory=CryptoSigner.generate_ed25519)

    @property
    def remote(self) -> Remote:
        return open_writable(self.url, self.access)

    @property
    def access(self) -> Access:
        root = self.root if self.root.exists() else None
        return Access(environ={}, reporter=Reporter(), data=self.folder / "data", root=root)

    @property
    def root(self) -> Path:
        """The root that clients pin."""
        return self.folder / "root.json"

    @property
    def keys(self) -> list[CryptoSigner]:
        return [self.root_key, self.online_key]

    @property
    def pin(self) -> Pin:
        pin = pin_of(self.url, self.access)
        assert pin is not None
        return pin

    def start(self, *, days: float = 0, change: dict[str, Any] | None = None) -> None:
        """Sign the catalogue for the first time, some days from now."""
        add = [("root", self.root_key.public_key), *((role, self.online_key.public_key) for role in ONLINE)]
        content = found_trust(self.remote, Change(**{"add": add, **(change or {})}), self.keys, now(days))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.root.write_bytes(content)

    def publish(
        self,
        change: Callable[[PublishedCatalogue], PublishedCatalogue],
        *,
        keys: Sequence[CryptoSigner] | None = None,
        days: float = 0,
    ) -> None:
        """Change the catalogue."""
        clock = lambda: now(days)  # noqa: E731 - a clock
        with catalogue_of(self.remote, self.url, self.access, lambda: keys or self.keys, clock) as holder:
            change_catalogue(holder, change)

    def take(self) -> None:
        """Sign what the unsigned catalogue has."""
        unsigned, _ = self.remote.catalogue()
        self.publish(lambda _: unsigned)

    def refresh(self, *, days: float = 0) -> None:
        """Sign the timestamp again."""
        refresh(self.remote, self.pin, self.keys, now(days))
