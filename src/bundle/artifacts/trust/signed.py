"""The catalogue of a remote, signed with each change.

The metadata is what counts: a publisher starts from the catalogue that the pinned root vouches for, never from the
unsigned one, which anybody may have changed who can write there. Files have names that are used once, by their
version or hash, and the timestamp that leads to them is written last, if it is still the one that was read. So
readers find what belongs together at each moment. The unsigned catalogue, for readers without a root, follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from bundle.artifacts.documents.page.site import INDEX
from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.remotes.files import CATALOGUE, TIMESTAMP
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.remotes.remote import CatalogueChangedError, CatalogueHolder, ReadableRemote, Remote, Token
from bundle.artifacts.trust.keys import require_signers, signers_of
from bundle.artifacts.trust.metadata import LARGEST, ONLINE, expiry, sign
from bundle.artifacts.trust.pins import Pin, pin_of
from bundle.artifacts.trust.state import State, read_state
from bundle.base.errors import ConfigError

Clock = Callable[[], datetime]

_ATTEMPTS = 50


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


class SignedCatalogue:
    """The catalogue of a remote by its metadata.

    Args:
        keys: those at hand.
    """

    def __init__(self, remote: Remote, pin: Pin, keys: Sequence[CryptoSigner], clock: Clock) -> None:
        self._remote = remote
        self._pin = pin
        self._keys = keys
        self._clock = clock
        self._state: State | None = None

    def require_keys(self) -> None:
        """Refuse if a publication could not be signed.

        Raises:
            ConfigError: a key is missing.
        """
        require_signers(self._read().root, ONLINE, self._keys)

    def catalogue(self) -> tuple[PublishedCatalogue, Token]:
        """Return the catalogue that the root vouches for; see `CatalogueHolder`."""
        state = self._read()
        return state.catalogue, state.token

    def replace_catalogue(self, catalogue: PublishedCatalogue, token: Token) -> None:
        """Sign another catalogue; see `CatalogueHolder`."""
        state = self._state
        if state is None or state.token != token:
            raise CatalogueChangedError(f"The signed catalogue of {self._remote.url} was not read before.")
        self._put(renewed(self._remote, state, [state.root], catalogue, self._keys, self._clock()), token)

    def page(self) -> str:
        """Return the SHA-256 of the signed index of the page for people; empty if none is signed."""
        target = self._read().targets.targets.get(INDEX)
        return target.hashes.get("sha256", "") if target else ""

    def sign_page(self, index: bytes, token: Token) -> None:
        """Sign the index of the page that was made of the token's catalogue.

        Raises:
            CatalogueChangedError: the catalogue, or the page, is another now.
        """
        state = self._read()
        if state.token != token:
            raise CatalogueChangedError(f"Another process changed the signed catalogue of {self._remote.url}.")
        now = self._clock()
        self._put(renewed(self._remote, state, [state.root], state.catalogue, self._keys, now, index), token)

    def _put(self, files: dict[str, bytes], token: Token) -> None:
        self._remote.put_metadata(files, token)
        self._pin.remember(newest(files))

    def follow(self) -> None:
        """Let the unsigned catalogue be the signed one, also where a killed publisher had left it behind."""
        for _ in range(_ATTEMPTS):
            # In this order: if the signed catalogue is replaced in between, so is the token.
            unsigned, token = self._remote.catalogue()
            catalogue = self._read().catalogue
            if unsigned == catalogue:
                return
            try:
                self._remote.replace_catalogue(catalogue, token)
            except CatalogueChangedError:
                continue
        raise CatalogueChangedError(f"Other processes keep changing {self._remote.url}.")

    def _read(self) -> State:
        self._state = read_state(self._remote, self._pin)
        return self._state


@contextmanager
def catalogue_of(
    remote: Remote, address: str, access: Access, keys: Callable[[], Sequence[CryptoSigner]], clock: Clock = utc_now
) -> Iterator[CatalogueHolder]:
    """Give what a publisher changes the catalogue of a remote by: signed if the remote has metadata, else itself.

    Args:
        keys: returns those at hand; called if they are needed.

    Raises:
        ConfigError: a key is missing, or the root of the remote is not known here.
        TrustError: the root does not vouch for what is there.
    """
    pin = pin_of(address, access)
    if pin is None and remote.metadata(TIMESTAMP, LARGEST[TIMESTAMP]) is None:
        yield remote
        return
    signed = SignedCatalogue(remote, require_pin(pin, remote), keys(), clock)
    signed.require_keys()
    yield signed
    signed.follow()


def require_pin(pin: Pin | None, remote: ReadableRemote) -> Pin:
    """Return the pin of a remote with signed metadata.

    Raises:
        ConfigError: there is none, or no signed metadata.
    """
    if pin is None and remote.metadata(TIMESTAMP, LARGEST[TIMESTAMP]) is None:
        raise ConfigError(
            f"{remote.url} has no signed metadata.",
            cause="Its catalogue was never signed, or the address is wrong.",
            remedy="`bundle trust init --to URL` signs a remote for the first time.",
        )
    if pin is None:
        raise ConfigError(
            f"{remote.url} has signed metadata, and this machine does not know its root.",
            cause="What is there could be anybody's, and signing would vouch for it.",
            remedy="Name the root that `bundle trust init` wrote with --root FILE or in BUNDLE_TRUST_ROOT.",
        )
    return pin


def renewed(
    remote: Remote,
    state: State | None,
    roots: Sequence[Root],
    catalogue: PublishedCatalogue,
    keys: Sequence[CryptoSigner],
    now: datetime,
    page: bytes | None = None,
) -> dict[str, bytes]:
    """Return the files of new metadata for a catalogue.

    Args:
        state: the one before; None if it is the first.
        roots: those whose keys sign, the newest last.
        page: the index of the page for people; None for the one that is signed already, if any.
    """
    content = catalogue.to_bytes()
    number = 1 + (max(state.targets.version, state.snapshot.version) if state else 0)
    # A publisher that was killed, or is about to fail, may have taken the next names.
    while any(remote.metadata(f"{number}.{role}.json", LARGEST[f"{role}.json"]) for role in ("targets", "snapshot")):
        number += 1
    root = roots[-1]
    target = TargetFile.from_data(CATALOGUE, content, ["sha256"])
    signed = {CATALOGUE: target}
    if page is not None:
        signed[INDEX] = TargetFile.from_data(INDEX, page, ["sha256"])
    elif state and INDEX in state.targets.targets:
        signed[INDEX] = state.targets.targets[INDEX]
    targets = sign(
        Targets(version=number, expires=expiry(root, "targets", now), targets=signed),
        signers_of(roots, "targets", keys),
    )
    snapshot = sign(
        Snapshot(
            version=number,
            expires=expiry(root, "snapshot", now),
            meta={"targets.json": MetaFile.from_data(number, targets, ["sha256"])},
        ),
        signers_of(roots, "snapshot", keys),
    )
    return {
        f"{target.hashes['sha256']}.{CATALOGUE}": content,
        f"{number}.targets.json": targets,
        f"{number}.snapshot.json": snapshot,
        TIMESTAMP: stamped(state, roots, MetaFile.from_data(number, snapshot, ["sha256"]), keys, now),
    }


def stamped(
    state: State | None, roots: Sequence[Root], snapshot: MetaFile, keys: Sequence[CryptoSigner], now: datetime
) -> bytes:
    """Return the file of a new timestamp.

    Args:
        state: the one before; None if it is the first.
        roots: those whose keys sign, the newest last.
    """
    timestamp = Timestamp(
        version=1 + (state.timestamp.version if state else 0),
        expires=expiry(roots[-1], "timestamp", now),
        snapshot_meta=snapshot,
    )
    return sign(timestamp, signers_of(roots, "timestamp", keys))


def newest(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the metadata of new files by the names that clients keep it under."""
    return {".".join(name.split(".")[-2:]): content for name, content in files.items() if not name.endswith(CATALOGUE)}
