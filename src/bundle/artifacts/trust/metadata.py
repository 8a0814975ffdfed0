"""Signed metadata (TUF) of a published catalogue: names, bounds, lives, signatures.

The specification is https://theupdateframework.github.io/specification/latest/. The catalogue is a target; it names
documents and these name blobs, all by SHA-256. The index of the page for people is the other target; it names the
files of the page. A file of the page is replaced under its own name, so the index is, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner, Key
from tuf.api.exceptions import DownloadLengthMismatchError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from bundle.artifacts.remotes.files import CATALOGUE
from bundle.artifacts.remotes.published import LARGEST_CATALOGUE
from bundle.artifacts.remotes.remote import ReadableRemote, Token, TooLargeError
from bundle.base.errors import IntegrityError

ROLES = ("root", "targets", "snapshot", "timestamp")

ONLINE = ROLES[1:]
"""Roles that sign with each publication."""

LARGEST: Mapping[str, int] = {
    "root.json": 2**19,
    "targets.json": 2**16,
    "snapshot.json": 2**16,
    "timestamp.json": 2**14,
    CATALOGUE: LARGEST_CATALOGUE,
}
"""Bytes of each kind of file."""

DAYS: Mapping[str, int] = {"root": 365, "targets": 365, "snapshot": 90, "timestamp": 14}
"""How long each role's metadata is valid, if the root does not say otherwise."""

LONGEST = 3650
"""Days that metadata may be valid."""

_DAYS = "x-bundle-days"
"""The field of a role that tells its days; the specification permits further fields."""

_NAME = re.compile(
    r"(?:[1-9][0-9]{0,8}\.(root|snapshot|targets)\.json|(timestamp)\.json|[0-9a-f]{64}\.(catalogue)\.json)"
)


def read_metadata(remote: ReadableRemote, name: str) -> tuple[bytes, Token] | None:
    """Return a file of a remote's signed metadata, unverified, and its token; None if it is not there.

    Raises:
        DownloadLengthMismatchError: it is larger than its kind may be.
        DeserializationError: it is not plain JSON, or has keys of an unknown kind.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        found = remote.metadata(name, LARGEST[f"{match[match.lastindex or 0]}.json"])
    except TooLargeError as error:
        raise DownloadLengthMismatchError(error.what) from error
    if found is not None and match[3] is None:
        require_plain(found[0])
    return found


def require_plain(content: bytes) -> None:
    """Refuse JSON that different programs may read in different ways, and keys that are not Ed25519.

    Raises:
        DeserializationError: it is such, or no JSON.
    """
    try:
        value = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_refuse)
        signed = value.get("signed", {}) if isinstance(value, dict) else {}
        for key in signed.get("keys", {}).values() if signed.get("_type") == "root" else ():
            if (key["keytype"], key["scheme"]) != ("ed25519", "ed25519"):
                raise ValueError(f"a key of the kind {key['keytype']!r:.40}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DeserializationError(str(error)[:200] or type(error).__name__) from error


def parsed(kind: type[Any], content: bytes) -> Metadata[Any]:
    """Return metadata of a role from its file.

    Raises:
        DeserializationError: it is none, or another role's.
    """
    require_plain(content)
    found: Metadata[Any] = Metadata.from_bytes(content)
    if not isinstance(found.signed, kind):
        raise DeserializationError(f"{found.signed.type} in place of {kind.type}")
    return found


def read_root(content: bytes) -> Metadata[Root]:
    """Return a root that its own keys signed.

    Raises:
        RepositoryError: it is none.
    """
    root = parsed(Root, content)
    root.signed.verify_delegate("root", root.signed_bytes, root.signatures)
    return root


def sign(payload: Root | Targets | Snapshot | Timestamp, signers: Iterable[CryptoSigner]) -> bytes:
    """Return the file of a role's metadata with the signatures of some keys."""
    metadata: Metadata[Any] = Metadata(payload)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def days_of(root: Root, role: str) -> int:
    """Return how long a role's metadata is valid."""
    days = root.roles[role].unrecognized_fields.get(_DAYS)
    return days if type(days) is int and 0 < days <= LONGEST else DAYS[role]


def set_days(root: Root, role: str, days: int) -> None:
    """Record how long a role's metadata is to be valid."""
    root.roles[role].unrecognized_fields[_DAYS] = days


def expiry(root: Root, role: str, now: datetime) -> datetime:
    """Return when metadata expires that a role signs now."""
    return now.replace(microsecond=0) + timedelta(days=days_of(root, role))


def keys_of(root: Root, role: str) -> list[Key]:
    """Return the keys of a role."""
    return [root.keys[keyid] for keyid in root.roles[role].keyids if keyid in root.keys]


def require_unambiguous(content: bytes, name: str) -> None:
    """Refuse a signed document that different programs may read in different ways.

    Raises:
        IntegrityError: it is such.
    """
    try:
        require_plain(content)
    except DeserializationError as error:
        raise IntegrityError(f"{name} cannot be used: {error}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r:.40} comes twice")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(f"the number {text[:40]}")
