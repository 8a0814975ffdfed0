"""Roots: the first of a remote, and those that follow it; each is signed by the keys of the former and by its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner, Key
from tuf.api.metadata import Metadata, Root

from bundle.artifacts.documents.page.site import INDEX
from bundle.artifacts.remotes.files import TIMESTAMP, FileRemote
from bundle.artifacts.remotes.remote import CatalogueChangedError, Remote
from bundle.artifacts.trust.keys import require_signers, signers_of
from bundle.artifacts.trust.metadata import DAYS, LARGEST, ONLINE, ROLES, days_of, expiry, keys_of, set_days, sign
from bundle.artifacts.trust.pins import Pin
from bundle.artifacts.trust.signed import newest, renewed, stamped
from bundle.artifacts.trust.state import State, read_state
from bundle.base.errors import ConfigError

_SOON = 1 / 3
"""The part of its life that is left when metadata counts as about to expire."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a new root changes. Keys of roles that are not named stay."""

    add: Sequence[tuple[str, Key]] = ()
    """Roles and their further keys."""
    remove: Sequence[str] = ()
    """Beginnings of the ids of keys that no role has any more."""
    thresholds: Mapping[str, int] = field(default_factory=dict)
    days: Mapping[str, int] = field(default_factory=dict)

    def apply(self, root: Root) -> None:
        """Change a root.

        Raises:
            ConfigError: it would have no valid form.
        """
        for role, key in self.add:
            if key.keyid in root.roles[role].keyids:
                raise ConfigError(f"The role {role} has the key {key.keyid[:16]} already.", remedy="Name another key.")
            root.add_key(key, role)
        for start in self.remove:
            _remove(root, start)
        for role, threshold in self.thresholds.items():
            root.roles[role].threshold = threshold
        for role, days in self.days.items():
            set_days(root, role, days)
        _require_thresholds(root)


def _remove(root: Root, start: str) -> None:
    found = [keyid for keyid in root.keys if keyid.startswith(start)]
    if len(found) != 1:
        raise ConfigError(
            f"{len(found) or 'No'} keys have an id that begins with {start!r:.80}.",
            remedy="`bundle trust show` lists the keys.",
        )
    for role in ROLES:
        if found[0] in root.roles[role].keyids:
            root.revoke_key(found[0], role)


def _require_thresholds(root: Root) -> None:
    for role in ROLES:
        if not 1 <= root.roles[role].threshold <= len(root.roles[role].keyids):
            raise ConfigError(
                f"The role {role} would need {root.roles[role].threshold} keys, "
                f"and has {len(root.roles[role].keyids)}.",
                remedy="Add keys, or set another threshold.",
            )


def found_trust(remote: Remote, change: Change, keys: Sequence[CryptoSigner], now: datetime) -> bytes:
    """Sign the catalogue of a remote for the first time, as it is; return the root.

    Raises:
        ConfigError: it has signed metadata.
    """
    if remote.metadata(TIMESTAMP, LARGEST[TIMESTAMP]) is not None:
        raise ConfigError(
            f"{remote.url} has signed metadata already.",
            remedy="`bundle trust add-key` and `bundle trust rotate` change its keys.",
        )
    number = 1
    while remote.metadata(f"{number}.root.json", LARGEST["root.json"]) is not None:
        number += 1  # Of an attempt that was killed.
    root = Root(version=number, expires=now)
    Change(add=change.add, thresholds=change.thresholds, days={**DAYS, **change.days}).apply(root)
    root.expires = expiry(root, "root", now)
    require_signers(root, ROLES, keys)
    content = sign(root, signers_of([root], "root", keys))
    catalogue, _ = remote.catalogue()
    page = remote.page_file(INDEX) if isinstance(remote, FileRemote) else None
    files = renewed(remote, None, [root], catalogue, keys, now, page)
    remote.put_metadata({f"{number}.root.json": content, **files}, None)
    return content


def change_root(remote: Remote, pin: Pin, change: Change, keys: Sequence[CryptoSigner], now: datetime) -> State:
    """Write the next root, and sign anew what its keys did not sign; return the state after it.

    Raises:
        ConfigError: keys are missing, or the root would have no valid form.
        TrustError: the root does not vouch for what is there.
    """
    state = read_state(remote, pin)
    root = next_root(state, change, now)
    require_signers(state.root, ["root"], keys)
    require_signers(root, ["root"], keys)
    metadata = Metadata(root)
    for signer in signers_of([state.root, root], "root", keys):
        metadata.sign(signer, append=True)
    return write_root(remote, pin, state, metadata, keys, now)


def next_root(state: State, change: Change, now: datetime) -> Root:
    """Return the root that follows by a change.

    Raises:
        ConfigError: it would have no valid form.
    """
    root = deepcopy(state.root)
    root.version += 1
    change.apply(root)
    root.expires = expiry(root, "root", now)
    return root


def write_root(
    remote: Remote, pin: Pin, state: State, metadata: Metadata[Root], keys: Sequence[CryptoSigner], now: datetime
) -> State:
    """Write the next root, which is signed, and sign anew what its keys did not sign; return the state after it.

    Metadata that both roots vouch for is written before the root, so that readers find no other.

    Raises:
        ConfigError: online keys are missing.
    """
    root = metadata.signed
    stale = [
        role
        for role in ONLINE
        if len(state.signed_by[role].intersection(root.roles[role].keyids)) < root.roles[role].threshold
    ]
    require_signers(root, ONLINE if stale else (), keys)
    files: dict[str, bytes] = {}
    new = {f"{root.version}.root.json": metadata.to_bytes()}
    parts = [new]
    if stale:
        files = renewed(remote, state, [state.root, root], state.catalogue, keys, now)
        both = all(len(signers_of([state.root], role, keys)) >= state.root.roles[role].threshold for role in ONLINE)
        parts = [files, new] if both else [new, files]
    for part in parts:
        found = remote.metadata(TIMESTAMP, LARGEST[TIMESTAMP])
        if found is None or found[0] not in (state.timestamp_file, files.get(TIMESTAMP)):
            raise CatalogueChangedError(f"Another process changed the signed metadata of {remote.url}.")
        remote.put_metadata(part, found[1])
    pin.remember(newest(files))
    return read_state(remote, pin)


def refresh(remote: Remote, pin: Pin, keys: Sequence[CryptoSigner], now: datetime) -> State:
    """Sign the timestamp again, and what is about to expire beside it; return the state after it.

    Raises:
        ConfigError: the timestamp's keys are missing, or those of roles whose metadata has expired.
        TrustError: the root does not vouch for what is there.
    """
    state = read_state(remote, pin)
    root = state.root
    due = [role for role in ("targets", "snapshot") if is_due(state, role, now)]
    can = all(len(signers_of([root], role, keys)) >= root.roles[role].threshold for role in ONLINE)
    expired = [role for role in due if state.signed(role).is_expired(now)]
    require_signers(root, ONLINE if expired else ["timestamp"], keys)
    if due and can:
        files = renewed(remote, state, [root], state.catalogue, keys, now)
    else:
        files = {TIMESTAMP: stamped(state, [root], state.timestamp.snapshot_meta, keys, now)}
    remote.put_metadata(files, state.token)
    pin.remember(newest(files))
    return read_state(remote, pin)


def is_due(state: State, role: str, now: datetime) -> bool:
    """Return whether metadata of a role is about to expire, or has expired."""
    return state.signed(role).expires - now < _SOON * timedelta(days=days_of(state.root, role))


def as_json(state: State, now: datetime) -> dict[str, Any]:
    """Return what `bundle trust show` tells."""
    roles = {
        role: {
            "threshold": state.root.roles[role].threshold,
            "keys": [key.keyid for key in keys_of(state.root, role)],
            "version": state.signed(role).version,
            "expires": state.signed(role).expires.isoformat(),
            "expired": state.signed(role).is_expired(now),
            "due": is_due(state, role, now),
        }
        for role in ROLES
    }
    return {"roles": roles, "bundles": len(state.catalogue.bundles)}


def expand(roles: Iterable[str]) -> list[str]:
    """Return roles with `online` spelled out."""
    return list(dict.fromkeys(one for role in roles for one in (ONLINE if role == "online" else (role,))))
