"""Roots that people sign on machines of their own: proposed, signed one after the other, published when enough have.

A proposal is the file of the coming root with the signatures so far. Signatures that several people gave at the same
time are put together, so their copies may go around in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from bundle.artifacts.remotes.remote import Remote
from bundle.artifacts.trust.keys import signers_of
from bundle.artifacts.trust.metadata import LARGEST, ROLES, days_of, keys_of, parsed
from bundle.artifacts.trust.pins import Pin
from bundle.artifacts.trust.roots import Change, next_root, write_root
from bundle.artifacts.trust.state import State, read_state
from bundle.base.errors import ConfigError
from bundle.base.files import read_regular


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A coming root, and who has signed it."""

    metadata: Metadata[Root]

    @property
    def root(self) -> Root:
        """The coming root."""
        return self.metadata.signed

    def to_bytes(self) -> bytes:
        """Return the content of the proposal's file."""
        return self.metadata.to_bytes()

    def sign(self, keys: Sequence[CryptoSigner], former: Root | None) -> list[str]:
        """Sign with those keys that the root has by this root or the former, and return their ids.

        Raises:
            ConfigError: it has none of them.
        """
        own = signers_of([self.root, *([former] if former else [])], "root", keys)
        if not own:
            raise ConfigError(
                "The root has none of these keys, so their signatures would not count.",
                cause="They are other keys, or the new root takes them away; then the former root has to be known.",
                remedy="Name the key file of a root key with --key, and the former root with --root.",
            )
        for signer in own:
            self.metadata.sign(signer, append=True)
        return [signer.public_key.keyid for signer in own]

    def missing(self, former: Root) -> list[str]:
        """Return whose signatures are missing: of the keys of the former root, and of its own."""
        found = []
        for title, root in (("the former root", former), ("the new root", self.root)):
            done = root.get_verification_result("root", self.metadata.signed_bytes, self.metadata.signatures)
            if not done.verified:
                left = ", ".join(keyid[:16] for keyid in done.unsigned)
                found.append(f"{title}: {len(done.signed)} of {done.threshold}; not signed by {left}")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return what a person must know who is to sign it."""
        return {
            "version": self.root.version,
            "expires": self.root.expires.isoformat(),
            "signedBy": sorted(self.metadata.signatures),
            "roles": {role: self._role(role) for role in ROLES},
        }

    def _role(self, role: str) -> Mapping[str, Any]:
        return {
            "threshold": self.root.roles[role].threshold,
            "days": days_of(self.root, role),
            "keys": [key.keyid for key in keys_of(self.root, role)],
        }


def propose(remote: Remote, pin: Pin, change: Change, now: datetime) -> Proposal:
    """Return the next root of a remote, which nobody has signed.

    Raises:
        ConfigError: the root would have no valid form.
        TrustError: the root does not vouch for what is there.
    """
    return Proposal(metadata=Metadata(next_root(read_state(remote, pin), change, now)))


def read_proposal(paths: Sequence[Path]) -> Proposal:
    """Return the proposal in some files, with the signatures of all of them.

    Raises:
        ConfigError: one holds none, or they propose different roots.
    """
    found: list[Metadata[Root]] = []
    for path in paths:
        try:
            found.append(parsed(Root, read_regular(path, most=LARGEST["root.json"])))
        except (OSError, RepositoryError) as error:
            raise ConfigError(
                f"{path} holds no proposal of a root: {error}.", remedy="Name a file that `bundle trust propose` wrote."
            ) from error
    first, *others = found
    for path, other in zip(paths[1:], others, strict=True):
        if other.signed_bytes != first.signed_bytes:
            raise ConfigError(f"{path} proposes another root than {paths[0]}.", remedy="Sign copies of one proposal.")
        for keyid, signature in other.signatures.items():
            first.signatures.setdefault(keyid, signature)
    return Proposal(metadata=first)


def accept(remote: Remote, pin: Pin, proposal: Proposal, keys: Sequence[CryptoSigner], now: datetime) -> State:
    """Publish a proposed root that enough people have signed; return the state after it.

    Args:
        keys: those at hand; the root's sign as well, the online ones sign what the new root does not vouch for.

    Raises:
        ConfigError: signatures or keys are missing, or another root was published meanwhile.
        TrustError: the root does not vouch for what is there.
    """
    state = read_state(remote, pin)
    if proposal.root.version != state.root.version + 1:
        raise ConfigError(
            f"The proposal is for version {proposal.root.version} of the root, and {remote.url} has version "
            f"{state.root.version}.",
            cause="Another root was published meanwhile, or this one already.",
            remedy="Propose the change again with `bundle trust propose`.",
        )
    if proposal.root.is_expired(now):
        raise ConfigError("The proposed root has expired.", remedy="Propose the change again.")
    for signer in signers_of([state.root, proposal.root], "root", keys):
        proposal.metadata.sign(signer, append=True)
    if missing := proposal.missing(state.root):
        raise ConfigError(
            "Not enough people have signed the proposed root.",
            remedy="Have it signed with `bundle trust sign FILE`, and name all signed copies.",
            details=missing,
        )
    return write_root(remote, pin, state, proposal.metadata, keys, now)
