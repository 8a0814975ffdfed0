"""The signed metadata of a remote as a publisher reads it: verified, but also when it has expired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuf.api.exceptions import BadVersionNumberError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from bundle.artifacts.remotes.files import CATALOGUE, TIMESTAMP
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.remotes.remote import ReadableRemote, Token
from bundle.artifacts.trust.attacks import TrustError, refusals, vanished
from bundle.artifacts.trust.metadata import LARGEST, parsed, read_metadata, read_root, require_unambiguous
from bundle.artifacts.trust.pins import Pin
from bundle.base.files import read_regular

_MOST_ROOTS = 1000


@dataclass(frozen=True, kw_only=True)
class State:
    """What a remote's metadata says, as its root vouches for it."""

    root: Root
    root_file: bytes
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    catalogue: PublishedCatalogue
    signed_by: Mapping[str, frozenset[str]]
    """The ids of the keys that signed for each online role."""
    timestamp_file: bytes
    token: Token
    """Of the timestamp."""

    def signed(self, role: str) -> Root | Targets | Snapshot | Timestamp:
        """Return what a role signed."""
        found: Root | Targets | Snapshot | Timestamp = getattr(self, role)
        return found


class _Reader:
    def __init__(self, remote: ReadableRemote) -> None:
        self.remote = remote
        self.last = ""
        self.token: Token = None

    def get(self, name: str) -> bytes | None:
        self.last = name
        found = read_metadata(self.remote, name)
        if found is not None and name == TIMESTAMP:
            self.token = found[1]
        return None if found is None else found[0]

    def require(self, name: str) -> bytes:
        content = self.get(name)
        if content is None:
            raise DownloadHTTPError(f"{name} is missing", 404)
        return content


def read_state(remote: ReadableRemote, pin: Pin) -> State:
    """Return the metadata of a remote, verified from the pinned root on.

    A publisher must be able to renew what has expired, so that is no fault here; an older state than was seen is.

    Raises:
        TrustError: the root does not vouch for what is there, or nothing is there.
        NetworkError: the remote does not answer.
    """
    reader = _Reader(remote)
    # Before the remote is read: another process of this user may remember a newer state meanwhile.
    known = _remembered(pin)
    with refusals(pin.source, lambda: reader.last):
        if reader.get(TIMESTAMP) is None:
            raise vanished(pin.source)
        root, root_file = _newest_root(reader, pin)
        timestamp_file = content = reader.require(TIMESTAMP)
        signed_by: dict[str, frozenset[str]] = {}
        timestamp = _verified(Timestamp, content, root, signed_by)
        _require_no_rollback(timestamp, root, known)
        meta = timestamp.snapshot_meta
        content = reader.require(f"{meta.version}.snapshot.json")
        meta.verify_length_and_hashes(content)
        snapshot = _verified(Snapshot, content, root, signed_by)
        _require_version(snapshot, meta)
        listed = snapshot.meta.get("targets.json")
        if listed is None:
            raise RepositoryError("The snapshot names no targets.")
        content = reader.require(f"{listed.version}.targets.json")
        listed.verify_length_and_hashes(content)
        targets = _verified(Targets, content, root, signed_by)
        _require_version(targets, listed)
        target = targets.targets.get(CATALOGUE)
        if target is None or "sha256" not in target.hashes:
            raise TrustError(f"The metadata of {pin.source} names no catalogue.")
        content = reader.require(f"{target.hashes['sha256']}.{CATALOGUE}")
        target.verify_length_and_hashes(content)
    require_unambiguous(content, f"The catalogue of {pin.source}")
    return State(
        root=root,
        root_file=root_file,
        timestamp=timestamp,
        snapshot=snapshot,
        targets=targets,
        catalogue=PublishedCatalogue.from_bytes(content, f"The catalogue of {pin.source}"),
        signed_by=signed_by,
        timestamp_file=timestamp_file,
        token=reader.token,
    )


def _newest_root(reader: _Reader, pin: Pin) -> tuple[Root, bytes]:
    content = pin.root
    root: Root = read_root(content).signed
    for _ in range(_MOST_ROOTS):
        name = f"{root.version + 1}.root.json"
        try:
            found: bytes | None = read_regular(pin.metadata / "root_history" / name)
        except OSError:
            found = reader.get(name)
        if found is None:
            break
        new = read_root(found)
        root.verify_delegate("root", new.signed_bytes, new.signatures)
        if new.signed.version != root.version + 1:
            raise BadVersionNumberError(f"{name} has version {new.signed.version}")
        content, root = found, new.signed
    return root, content


def _verified(kind: type[Any], content: bytes, root: Root, signed_by: dict[str, frozenset[str]]) -> Any:
    metadata: Metadata[Any] = parsed(kind, content)
    root.verify_delegate(kind.type, metadata.signed_bytes, metadata.signatures)
    result = root.get_verification_result(kind.type, metadata.signed_bytes, metadata.signatures)
    signed_by[kind.type] = frozenset(result.signed)
    return metadata.signed


def _require_version(signed: Snapshot | Targets, meta: MetaFile) -> None:
    if signed.version != meta.version:
        raise BadVersionNumberError(f"{signed.type} has version {signed.version}, not {meta.version}")


def _remembered(pin: Pin) -> bytes | None:
    try:
        return read_regular(pin.metadata / TIMESTAMP, most=LARGEST[TIMESTAMP])
    except OSError:
        return None


def _require_no_rollback(timestamp: Timestamp, root: Root, content: bytes | None) -> None:
    if content is None:
        return
    try:
        known: Timestamp = _verified(Timestamp, content, root, {})
    except RepositoryError:
        return  # It was signed by keys that were replaced, or is damaged; the client workflow passes over it, too.
    if timestamp.version < known.version or timestamp.snapshot_meta.version < known.snapshot_meta.version:
        raise BadVersionNumberError(f"version {timestamp.version}, and {known.version} was seen")
