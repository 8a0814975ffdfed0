"""A signed remote whose metadata is changed, and signed again: what an attacker with all keys could write."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Root

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.trust.metadata import LONGEST, ROLES, expiry, set_days, sign
from bundle.artifacts.trust.pins import Pin
from bundle.artifacts.trust.signed import renewed
from bundle.base.report import Reporter

KEY = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _root(version: int) -> Root:
    root = Root(version=version)
    for role in ROLES:
        root.add_key(KEY.public_key, role)
        set_days(root, role, LONGEST)
    root.expires = expiry(root, "root", _NOW)
    return root


def _files() -> dict[str, bytes]:
    empty = FileRemote(Folder(Path("absent"), reporter=Reporter()))
    files = {"1.root.json": sign(_root(1), [KEY])}
    for name, content in renewed(empty, None, [_root(1)], PublishedCatalogue(), [KEY], _NOW).items():
        value = json.loads(content)
        for meta in value.get("signed", {}).get("meta", {}).values():
            # They need not be there, and would refuse what is changed behind them.
            del meta["hashes"], meta["length"]
        files[name] = content if name.endswith(".catalogue.json") else _signed(value)
    return files


def _signed(value: dict[str, Any]) -> bytes:
    value["signatures"] = [KEY.sign(str(encode_canonical(value["signed"])).encode()).to_dict()]
    return json.dumps(value).encode()


FILES = _files()

SAMPLES: list[Any] = [json.loads(sign(_root(2), [KEY]))]
SAMPLES += [
    json.loads(content) for name, content in FILES.items() if not name.endswith(("root.json", "catalogue.json"))
]
"""The next root, and the metadata of the other roles."""

_NAMES = {"root": "2.root.json", "targets": "1.targets.json", "snapshot": "1.snapshot.json"}


def signed_remote(content: bytes, folder: Path) -> tuple[FileRemote, Pin]:
    """Return a remote with changed metadata in the place of its role, and the pin of its root.

    What still has a signed part is signed again.
    """
    name = "timestamp.json"
    with suppress(Exception):
        value = json.loads(content)
        name = _NAMES.get(value["signed"]["_type"], name)
        content = _signed(value)
    place = folder / "remote" / "trust"
    place.mkdir(parents=True)
    for known, own in {**FILES, name: content}.items():
        (place / known).write_bytes(own)
    remote = FileRemote(Folder(folder / "remote", reporter=Reporter()))
    access = Access(environ={}, reporter=Reporter(), data=folder)
    return remote, Pin(source="it", folder=folder / "pin", root=FILES["1.root.json"], access=access)
