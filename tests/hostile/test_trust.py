"""Attacks on a source with a pinned root: each is refused, and nothing of it is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.trust.attacks import TrustError
from bundle.base.errors import IntegrityError
from tests.artifacts.trees import File
from tests.artifacts.trust.publisher import Publisher
from tests.run.install.shipped import SITE, VERSION, WHEELS, Machine, Shop

NEWER = "3.12.10-newer"


@pytest.fixture
def publisher(shop: Shop, tmp_path: Path) -> Publisher:
    """A signed remote with one bundle, which `machine` has never read."""
    shop.build()
    publisher = Publisher(str(shop.publish()), tmp_path / "publisher")
    publisher.start()
    return publisher


@pytest.fixture
def remote(publisher: Publisher) -> Path:
    return Path(publisher.url)


def add_newer(shop: Shop, publisher: Publisher) -> None:
    shop.build({**WHEELS, "more 1.0": {f"{SITE}/more.py": File(b"more")}}, version=NEWER)
    shop.publish()
    publisher.take()


def refused(machine: Machine, publisher: Publisher, match: str, *, first: bool = True) -> None:
    """Require that a first install, or one from the pinned source, is refused, and leaves nothing."""
    before = {path: path.read_bytes() for path in (machine.root / "data").rglob("*.json")}
    with pytest.raises(IntegrityError, match=match) as caught:
        machine.install(publisher.url, source=machine.source(publisher.url, root=publisher.root if first else None))
    assert caught.value.exit_code == 4
    assert not machine.target.path.exists()
    assert machine.left() == []
    assert machine.scratch() == []
    if first:
        assert {path: path.read_bytes() for path in (machine.root / "data").rglob("*.json")} == before == {}


def pinned(machine: Machine, publisher: Publisher) -> None:
    machine.source(publisher.url, root=publisher.root)


def current(remote: Path, role: str) -> Path:
    """The newest metadata of a role."""
    if role == "timestamp":
        return remote / "trust" / "timestamp.json"
    return max((remote / "trust").glob(f"*.{role}.json"), key=lambda path: int(path.name.partition(".")[0]))


def catalogue(remote: Path) -> Path:
    (path,) = (remote / "trust").glob("*.catalogue.json")
    return path


def test_what_is_signed_is_installed_and_pinned(shop: Shop, machine: Machine, publisher: Publisher) -> None:
    source = machine.source(publisher.url, root=publisher.root)
    assert source.authenticated
    machine.install(publisher.url, source=source)
    assert machine.tree() == shop.tree()
    assert machine.told.warnings == []
    assert machine.source(publisher.url).authenticated
    assert machine.source(f"file://{publisher.url}/", offline=True).authenticated


def test_a_source_without_a_pinned_root_is_said_to_be_signed(machine: Machine, publisher: Publisher) -> None:
    machine.install(publisher.url)
    (warning,) = machine.told.warnings
    assert "not authenticated" in warning
    assert "--root FILE" in warning


@pytest.mark.parametrize("first", [True, False])
def test_a_changed_catalogue(machine: Machine, publisher: Publisher, remote: Path, first: bool) -> None:
    if not first:
        pinned(machine, publisher)
    path = catalogue(remote)
    for content in (path.read_bytes().replace(b"linux-x64", b"linux-x65"), path.read_bytes() + b" ", b"{}"):
        path.write_bytes(content)
        refused(machine, publisher, "arbitrary software", first=first)


def test_the_unsigned_catalogue_is_not_read(shop: Shop, machine: Machine, publisher: Publisher, remote: Path) -> None:
    (remote / "catalogue.json").write_text("{}")
    machine.install(publisher.url, source=machine.source(publisher.url, root=publisher.root))
    assert machine.tree() == shop.tree()


def test_a_changed_blob(machine: Machine, publisher: Publisher, remote: Path) -> None:
    for blob in (remote / "blobs").rglob("*"):
        if blob.is_file():
            blob.write_bytes(blob.read_bytes()[::-1])
    refused_but_pinned(machine, publisher)


def test_the_blobs_of_another_bundle(shop: Shop, machine: Machine, publisher: Publisher, remote: Path) -> None:
    blobs = sorted(path for path in (remote / "blobs").rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in blobs]
    for path, other in zip(blobs, contents[1:] + contents[:1], strict=True):
        path.write_bytes((other * 99)[: path.stat().st_size])
    refused_but_pinned(machine, publisher)


def test_the_document_of_another_version(shop: Shop, machine: Machine, publisher: Publisher, remote: Path) -> None:
    add_newer(shop, publisher)
    (own,) = (remote / "bundles" / VERSION / "linux-x64").iterdir()
    (other,) = (remote / "bundles" / NEWER / "linux-x64").iterdir()
    own.write_bytes(other.read_bytes())
    refused_but_pinned(machine, publisher)


def refused_but_pinned(machine: Machine, publisher: Publisher) -> None:
    """Require that an install is refused whose catalogue is right."""
    pinned(machine, publisher)
    refused(machine, publisher, ".", first=False)
    assert [*machine.records.all()] == []


def test_an_older_catalogue_replayed(shop: Shop, machine: Machine, publisher: Publisher, remote: Path) -> None:
    older = remote.with_name("older")
    shutil.copytree(remote, older)
    add_newer(shop, publisher)
    pinned(machine, publisher)
    shutil.rmtree(remote)
    older.rename(remote)
    refused(machine, publisher, "rollback", first=False)


def test_an_older_timestamp_replayed(shop: Shop, machine: Machine, publisher: Publisher, remote: Path) -> None:
    older = current(remote, "timestamp").read_bytes()
    publisher.refresh()
    pinned(machine, publisher)
    current(remote, "timestamp").write_bytes(older)
    refused(machine, publisher, "rollback", first=False)


def test_an_older_catalogue_is_refused_to_a_publisher(shop: Shop, publisher: Publisher, remote: Path) -> None:
    older = remote.with_name("older")
    shutil.copytree(remote, older)
    add_newer(shop, publisher)
    shutil.rmtree(remote)
    older.rename(remote)
    with pytest.raises(TrustError, match="rollback"):
        publisher.take()


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
@pytest.mark.parametrize("offline", [True, False])
def test_expired_metadata(shop: Shop, machine: Machine, tmp_path: Path, role: str, offline: bool) -> None:
    shop.build()
    publisher = Publisher(str(shop.publish()), tmp_path / "publisher")
    days = {"root": 400, "targets": 400, "snapshot": 400, "timestamp": 400} | {role: 3}
    publisher.start(days=-4, change={"days": days})
    with pytest.raises(TrustError, match=f"{role}.*freeze") as caught:
        machine.source(publisher.url, root=publisher.root, offline=offline)
    assert "bundle trust refresh" in caught.value.as_text()
    publisher.refresh()
    assert machine.source(publisher.url, root=publisher.root, offline=offline).authenticated


def test_an_expired_root(machine: Machine, shop: Shop, tmp_path: Path) -> None:
    shop.build()
    publisher = Publisher(str(shop.publish()), tmp_path / "publisher")
    publisher.start(days=-400)
    refused(machine, publisher, "freeze")


def test_metadata_that_vanished(machine: Machine, publisher: Publisher, remote: Path) -> None:
    pinned(machine, publisher)
    shutil.rmtree(remote / "trust")
    refused(machine, publisher, "not read without", first=False)


def test_an_unsigned_source_of_a_pinned_root(shop: Shop, machine: Machine, publisher: Publisher, remote: Path) -> None:
    shutil.rmtree(remote / "trust")
    refused(machine, publisher, "not read without")
    shutil.rmtree(remote)
    shop.folder.rename(remote)
    refused(machine, publisher, "not read without")


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_metadata_that_was_changed(machine: Machine, publisher: Publisher, remote: Path, role: str) -> None:
    path = current(remote, role)
    value = json.loads(path.read_bytes())
    value["signed"]["expires"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True))
    refused(machine, publisher, "wrong keys" if role == "timestamp" else "mix-and-match")


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_metadata_without_signatures(machine: Machine, publisher: Publisher, remote: Path, role: str) -> None:
    path = current(remote, role)
    value = json.loads(path.read_bytes())
    value["signatures"] = []
    path.write_text(json.dumps(value))
    refused(machine, publisher, "wrong keys" if role == "timestamp" else "mix-and-match")


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_metadata_of_an_earlier_state(
    shop: Shop, machine: Machine, publisher: Publisher, remote: Path, role: str
) -> None:
    older = current(remote, role).read_bytes()
    add_newer(shop, publisher)
    pinned(machine, publisher)
    current(remote, role).write_bytes(older)
    (machine.root / "data" / "trust").rename(machine.root / "kept")
    if role == "timestamp":
        # A client that never saw the newer state cannot tell; one that did can.
        (machine.root / "kept").rename(machine.root / "data" / "trust")
        refused(machine, publisher, "rollback", first=False)
    else:
        refused(machine, publisher, "mix-and-match")


@pytest.mark.parametrize("role", ["targets", "snapshot"])
def test_metadata_that_is_missing(machine: Machine, publisher: Publisher, remote: Path, role: str) -> None:
    current(remote, role).unlink()
    refused(machine, publisher, "mix-and-match")


def test_a_catalogue_that_is_missing(machine: Machine, publisher: Publisher, remote: Path) -> None:
    catalogue(remote).unlink()
    refused(machine, publisher, "arbitrary software")


def test_a_whole_remote_signed_by_other_keys(shop: Shop, machine: Machine, publisher: Publisher, remote: Path) -> None:
    shutil.rmtree(remote / "trust")
    stranger = Publisher(publisher.url, publisher.folder / "stranger")
    stranger.start()
    refused(machine, publisher, "wrong keys")
    pinned_before = machine.source(publisher.url, root=stranger.root)
    assert pinned_before.authenticated


def test_a_root_that_follows_without_the_keys_of_the_former(
    machine: Machine, publisher: Publisher, remote: Path
) -> None:
    stranger = Publisher(publisher.url, publisher.folder / "stranger")
    root = Metadata[Any].from_bytes(publisher.root.read_bytes())
    root.signed.version = 2
    root.signed.add_key(stranger.root_key.public_key, "root")
    root.sign(stranger.root_key)
    (remote / "trust" / "2.root.json").write_bytes(root.to_bytes())
    refused(machine, publisher, "wrong keys")


def test_a_root_of_another_version(machine: Machine, publisher: Publisher, remote: Path) -> None:
    (remote / "trust" / "2.root.json").write_bytes(publisher.root.read_bytes())
    refused(machine, publisher, "root.json.*mix-and-match")


def signed_again(publisher: Publisher, path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a root and sign it with the key that it needs."""
    root = Metadata[Any].from_bytes(publisher.root.read_bytes())
    root.signed.version = 2
    root.sign(publisher.root_key)
    value = json.loads(root.to_bytes())
    change(value)
    path.write_text(json.dumps(value))


def test_a_key_of_an_unknown_type(machine: Machine, publisher: Publisher, remote: Path) -> None:
    def change(value: dict[str, Any]) -> None:
        value["signed"]["keys"]["ab" * 32] = {"keytype": "quantum", "scheme": "cat", "keyval": {"public": "ab"}}

    signed_again(publisher, remote / "trust" / "2.root.json", change)
    refused(machine, publisher, "cannot be used|can be used")
    strange = publisher.folder / "strange.json"
    signed_again(publisher, strange, change)
    with pytest.raises(Exception, match="holds no root"):
        machine.source(publisher.url, root=strange)


DEEP = b"[" * 100_000 + b"]" * 100_000

MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "changed"),
    "no JSON": (b"{", "changed"),
    "no object": (b"[]", "changed"),
    "not UTF-8": (b'{"signed": "\xff"}', "changed"),
    "null": (b"null", "changed"),
    "no signatures": (b'{"signed": {"_type": "timestamp"}}', "changed"),
    "keys twice": (b'{"signatures": [], "signatures": [], "signed": {}}', "comes twice"),
    "a number that is none": (b'{"signatures": [], "signed": {"version": NaN}}', "changed"),
    "a fraction": (b'{"signatures": [], "signed": {"version": 1.5}}', "changed"),
    "a long number": (b'{"signatures": [], "signed": {"version": ' + b"9" * 5000 + b"}}", "changed"),
    "deep": (b'{"signed": ' + b"[" * 5000 + b"]" * 5000 + b"}", "changed"),
    "huge": (b" " * 2**21, "endless"),
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_metadata_that_is_malformed(machine: Machine, publisher: Publisher, remote: Path, what: str, name: str) -> None:
    content, said = MALFORMED[what]
    (remote / "trust" / name).write_bytes(content)
    with pytest.raises(TrustError) as caught:
        machine.source(publisher.url, root=publisher.root)
    assert said in caught.value.as_text()
    with pytest.raises(TrustError):
        publisher.take()
    assert not [*(machine.root / "data").rglob("*.json")]


@pytest.mark.parametrize(
    "content", [b'{"published": 1, "published": 1, "bundles": []}', DEEP, b'{"published": 1, "bundles": [NaN]}', b"{}"]
)
def test_a_signed_catalogue_that_is_malformed(machine: Machine, publisher: Publisher, content: bytes) -> None:
    class Malformed(PublishedCatalogue):
        def to_bytes(self) -> bytes:
            return content

    with pytest.raises(IntegrityError, match="cannot be used"):
        publisher.publish(lambda _: Malformed())
    refused(machine, publisher, "cannot be used")


def test_a_folder_in_place_of_metadata(machine: Machine, publisher: Publisher, remote: Path) -> None:
    path = current(remote, "timestamp")
    path.unlink()
    path.mkdir()
    refused(machine, publisher, "cannot be used")


def test_a_key_file_of_a_stranger_signs_nothing(publisher: Publisher) -> None:
    with pytest.raises(Exception, match="Keys are missing"):
        publisher.publish(lambda before: before, keys=[CryptoSigner.generate_ed25519()])
