"""Publishing with signed metadata, and installing with a pinned root, through real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.artifacts.trust.attacks import TrustError
from bundle.artifacts.trust.roots import Change, change_root
from bundle.base.folders import remove_tree
from tests.artifacts.remotes.stores import address
from tests.artifacts.trees import File
from tests.artifacts.trust.publisher import Publisher, now
from tests.base.server import serving
from tests.run.install.shipped import SITE, WHEELS, Machine, Shop

pytestmark = pytest.mark.real

NEWER = "3.12.10-newer"


@pytest.fixture(params=["folder", "s3", "oci"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new remote."""
    with address(request.param, tmp_path) as url:
        yield url


def test_a_signed_bundle_is_installed_as_it_was_published(
    shop: Shop, machine: Machine, url: str, tmp_path: Path
) -> None:
    shop.build()
    shop.publish(url)
    publisher = Publisher(url, tmp_path / "publisher")
    publisher.start()
    machine.install(url, source=machine.source(url, root=publisher.root))
    assert machine.tree() == shop.tree()
    shop.build({**WHEELS, "more 1.0": {f"{SITE}/more.py": File(b"more")}}, version=NEWER)
    shop.publish(url)
    publisher.take()
    change_root(publisher.remote, publisher.pin, Change(), publisher.keys, now())
    publisher.refresh()
    source = machine.source(url)
    assert source.authenticated
    assert machine.install(url, NEWER, source=source).fetched == 2
    assert machine.tree() == shop.tree(NEWER)
    assert machine.told.warnings == []
    remove_tree(publisher.folder / "data")
    stranger = Publisher(url, tmp_path / "stranger")
    stranger.folder.mkdir()
    stranger.root.write_bytes(publisher.root.read_bytes())
    with pytest.raises(Exception, match="Keys are missing"):
        stranger.take()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("absent", [404, 403])
def test_a_signed_bundle_is_installed_from_a_web_server(
    shop: Shop, machine: Machine, tmp_path: Path, ranges: bool, absent: int
) -> None:
    shop.build()
    remote = shop.publish()
    publisher = Publisher(str(remote), tmp_path / "publisher")
    publisher.start()
    with serving() as site:
        for path in remote.rglob("*"):
            if path.is_file():
                site.files[f"/{path.relative_to(remote).as_posix()}"] = path.read_bytes()
        # The first question is for the next root, which stores behind web servers may answer in two ways.
        site.behaviours = [str(absent), *(["whole"] * 40 if not ranges else [])]
        machine.install(site.url, source=machine.source(site.url, root=publisher.root))
        assert machine.tree() == shop.tree()
        machine.target.remove()
        remove_tree(machine.root / "cache")
        for name in [name for name in site.files if name.endswith(".catalogue.json")]:
            site.files[name] = site.files[name].replace(b"linux-x64", b"linux-x65")
        with pytest.raises(TrustError, match="arbitrary software"):
            machine.source(site.url)
        site.files["/trust/timestamp.json"] = bytes(2**25)
        with pytest.raises(TrustError, match="endless data"):
            machine.source(site.url)
        site.files.pop("/trust/timestamp.json")
        with pytest.raises(TrustError, match="not read without"):
            machine.source(site.url)
    assert machine.left() in ([], [".demo.bundle.lock"])
