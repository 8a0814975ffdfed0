from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.folders import remove_tree
from tests.artifacts.remotes.stores import registry, s3
from tests.artifacts.trees import File, Tree
from tests.base.relay import Counter
from tests.base.server import serving
from tests.run.install.shipped import SITE, VERSION, WHEELS, Machine, Shop

NEWER = "3.12.10-newer"


@pytest.fixture
def remote(shop: Shop) -> Path:
    shop.build()
    shop.build({**WHEELS, "more 1.0": {f"{SITE}/more.py": File(b"more")}}, version=NEWER)
    return shop.publish()


def test_an_install_from_a_remote_is_the_bundle_that_was_published(shop: Shop, machine: Machine, remote: Path) -> None:
    report = machine.install(remote)
    assert machine.tree() == shop.tree()
    assert report.fetched == 5
    assert report.mark.source == remote.as_uri()


@pytest.mark.parametrize("store", ["full", "empty"])
def test_an_upgrade_from_a_remote_fetches_what_differs(shop: Shop, machine: Machine, remote: Path, store: str) -> None:
    machine.install(remote)
    if store == "empty":
        remove_tree(machine.root / "cache")
    assert machine.install(remote, NEWER).fetched == 2
    assert machine.tree() == shop.tree(NEWER)


def test_an_install_from_a_remote_of_an_earlier_format_is_the_bundle(
    shop: Shop, machine: Machine, remote: Path
) -> None:
    for packed in list((remote / "bundles").rglob("*.json.zst")):
        packed.with_suffix("").write_bytes(zstandard.ZstdDecompressor().decompress(packed.read_bytes(), 2**20))
        packed.unlink()
    catalogue = json.loads((remote / "catalogue.json").read_text())
    (remote / "catalogue.json").write_text(json.dumps(catalogue | {"published": 2}))
    machine.install(remote)
    assert machine.tree() == shop.tree()


def blobs(remote: Path) -> list[Path]:
    return sorted(path for path in (remote / "blobs").rglob("*") if path.is_file())


@pytest.mark.parametrize("change", ["other bytes", "cut short", "gone", "exchanged"])
def test_changed_blobs_are_refused(machine: Machine, remote: Path, change: str) -> None:
    for blob, other in zip(blobs(remote), reversed(blobs(remote)), strict=True):
        content = blob.read_bytes()
        if change == "gone":
            blob.unlink()
        elif change == "exchanged":
            blob.write_bytes((other.read_bytes() * 99)[: len(content)])
        else:
            blob.write_bytes(content[:-1] if change == "cut short" else content[:-9] + b"x" + content[-8:])
    with pytest.raises(NetworkError if change == "gone" else IntegrityError):
        machine.install(remote)
    assert machine.left() == []
    assert machine.scratch() == []


def test_the_document_of_another_bundle_is_refused(machine: Machine, remote: Path) -> None:
    (own,) = (remote / "bundles" / VERSION / "linux-x64").iterdir()
    (other,) = (remote / "bundles" / NEWER / "linux-x64").iterdir()
    own.write_bytes(other.read_bytes())
    with pytest.raises(IntegrityError):
        machine.install(remote)
    assert machine.left() == []


@pytest.mark.real
def test_an_install_from_a_registry(shop: Shop, machine: Machine, remote: Path, tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry") as host:
        shop.publish(f"oci://{host}/team/runtimes")
        report = machine.install(f"oci://{host}/team/runtimes")
        assert machine.tree() == shop.tree()
        assert report.fetched == 5
        assert machine.install(f"oci://{host}/team/runtimes", NEWER).fetched == 2
        assert machine.tree() == shop.tree(NEWER)
        remove_tree(machine.root)
        for blob in blobs(remote):
            (stored,) = (tmp_path / "registry").rglob(f"{blob.name}/data")
            stored.write_bytes(stored.read_bytes()[::-1])
        with pytest.raises(IntegrityError):
            machine.install(f"oci://{host}/team/runtimes")
    assert machine.left() == []
    assert machine.scratch() == []


@pytest.mark.real
@pytest.mark.parametrize("ranges", [True, False])
def test_an_install_from_a_remote_on_a_web_server(shop: Shop, machine: Machine, remote: Path, ranges: bool) -> None:
    with serving() as site:
        for path in remote.rglob("*"):
            if path.is_file():
                site.files[f"/{path.relative_to(remote).as_posix()}"] = path.read_bytes()
        if not ranges:
            site.behaviours = ["whole"] * 40
        machine.install(site.url)
        assert machine.tree() == shop.tree()


@pytest.mark.real
def test_an_install_from_an_object_store(shop: Shop, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.build()
    shop.build({**WHEELS, "more 1.0": {f"{SITE}/more.py": File(b"more")}}, version=NEWER)
    with s3() as environ:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        shop.publish("s3://runtimes/all")
        assert machine.install("s3://runtimes/all").fetched == 5
        assert machine.tree() == shop.tree()
        assert machine.install("s3://runtimes/all", NEWER).fetched == 2
        assert machine.tree() == shop.tree(NEWER)


@pytest.mark.real
@pytest.mark.parametrize("store", ["full", "empty"])
def test_an_upgrade_moves_the_new_layers_and_little_more(shop: Shop, machine: Machine, store: str) -> None:
    """Every byte on the wire counts, headers, catalogue and documents included."""
    many: dict[str, Tree] = {
        f"many{number} 1.0": {f"{SITE}/many{number}.py": File(os.urandom(30_000))} for number in range(30)
    }
    shop.build({**many, "large 1.0": {f"{SITE}/large.py": File(os.urandom(4_000_000))}})
    shop.build({**many, "large 1.1": {f"{SITE}/large.py": File(os.urandom(4_000_000))}}, version=NEWER)
    remote = shop.publish()
    with serving() as site:
        for path in (one for one in remote.rglob("*") if one.is_file()):
            site.files[f"/{path.relative_to(remote).as_posix()}"] = path.read_bytes()
        with closing(Counter(site.url)) as counter:
            machine.install(counter.url)
            if store == "empty":
                remove_tree(machine.root / "cache")
            before = counter.sent + counter.received
            report = machine.install(counter.url, NEWER)
            moved = counter.sent + counter.received - before
    assert (report.fetched, report.reused) == (2, 31)
    assert report.moved < moved <= 1.02 * report.moved
    assert machine.tree() == shop.tree(NEWER)
