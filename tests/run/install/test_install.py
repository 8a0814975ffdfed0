from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.catalogue import Catalogue
from bundle.base.errors import ConfigError, IntegrityError, NetworkError
from bundle.base.folders import remove_tree
from bundle.run.install.install import install
from bundle.run.install.source import Source
from tests.artifacts.trees import File, Tree
from tests.base.server import Site, serving
from tests.run.install.shipped import LINUX, SITE, VERSION, WHEELS, Machine, Shop

NEWER = "3.12.10-newer"

UPGRADED: dict[str, Tree] = {**WHEELS, "numpy 2.3.0": {f"{SITE}/numpy/__init__.py": File(os.urandom(40_000))}}
del UPGRADED["numpy 2.2.6"]


class Counted:
    """A source that counts what is read of it."""

    def __init__(self, source: Source) -> None:
        self.url, self.authenticated = source.url, source.authenticated
        self.offers, self.contents, self.close = source.offers, source.contents, source.close
        self.is_signed = source.is_signed
        self._read = source.read
        self.sent = 0

    def read(self, container: str, first: int, length: int) -> bytes:
        content = self._read(container, first, length)
        self.sent += len(content)
        return content


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz", "zip"])
def test_an_install_from_a_folder_is_the_bundle_that_was_built(shop: Shop, machine: Machine, format_: str) -> None:
    shop.build(formats=[format_])
    report = machine.install(shop.folder)
    assert machine.tree().keys() == shop.tree().keys()
    ignored = slice(0, 2) if format_ == "zip" else slice(0, 4)  # A zip file has no times of folders and links.
    assert {path: entry[ignored] for path, entry in machine.tree().items()} == {
        path: entry[ignored] for path, entry in shop.tree().items()
    }
    assert report.replaced is None
    assert not report.unchanged
    assert machine.scratch() == []
    assert machine.left() == [".demo.bundle", ".demo.bundle.lock"]


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz", "zip"])
def test_an_archive_alone_is_installed(shop: Shop, machine: Machine, format_: str) -> None:
    shop.build(formats=[format_])
    machine.install_archive(shop.archive(suffix=format_))
    ignored = slice(0, 2) if format_ == "zip" else slice(0, 4)
    assert {path: entry[ignored] for path, entry in machine.tree().items()} == {
        path: entry[ignored] for path, entry in shop.tree().items()
    }
    assert not (machine.root / "cache").exists()


def test_layers_in_the_store_are_not_fetched(shop: Shop, machine: Machine) -> None:
    shop.build()
    first = machine.install(shop.folder)
    assert (first.fetched, first.reused) == (5, 0)
    machine.target.remove()
    again = machine.install(shop.folder)
    assert (again.fetched, again.moved, again.reused) == (0, 0, 5)
    assert machine.tree() == shop.tree()


def test_an_install_that_is_as_it_was_is_left_alone(shop: Shop, machine: Machine) -> None:
    shop.build()
    machine.install(shop.folder)
    inode = machine.target.path.stat().st_ino
    assert machine.install(shop.folder).unchanged
    assert machine.target.path.stat().st_ino == inode
    (machine.target.path / "bin" / "six").unlink()
    assert not machine.install(shop.folder).unchanged
    assert machine.tree() == shop.tree()


@pytest.mark.parametrize("store", ["full", "empty"])
def test_an_upgrade_fetches_what_differs(shop: Shop, machine: Machine, store: str) -> None:
    shop.build()
    shop.build(UPGRADED, version=NEWER)
    machine.install(shop.folder)
    if store == "empty":
        remove_tree(machine.root / "cache")
    source = Counted(machine.source(shop.folder))
    report = machine.install(shop.folder, NEWER, source=source)
    assert machine.tree() == shop.tree(NEWER)
    assert (report.fetched, report.reused) == (2, 3)  # The new wheel and the documents.
    assert source.sent == report.moved
    assert report.replaced is not None
    assert report.replaced.version == VERSION


def test_a_layer_that_another_one_overlaps_is_fetched_again(shop: Shop, machine: Machine) -> None:
    both = {**WHEELS, "over 1.0": {f"{SITE}/six.py": File(b"other")}}
    shop.build(both)
    shop.build({**both, "more 1.0": {f"{SITE}/more.py": File(b"1")}}, version=NEWER)
    machine.install(shop.folder)
    remove_tree(machine.root / "cache")
    report = machine.install(shop.folder, NEWER)
    assert (report.fetched, report.reused) == (3, 4)
    assert machine.tree() == shop.tree(NEWER)


def test_layers_of_another_folder_are_not_fetched(shop: Shop, machine: Machine) -> None:
    shop.build()
    place = replace(machine.place(), reuse=shop.folder / VERSION / LINUX.key)
    report = install(VERSION, LINUX.key, machine.source(shop.folder), place, machine.store, reporter=machine.told)
    assert (report.fetched, report.reused) == (1, 4)  # bundle.json is in no list of files.
    assert machine.tree() == shop.tree()


def test_files_that_were_changed_are_no_source_of_layers(shop: Shop, machine: Machine) -> None:
    shop.build()
    shop.build(UPGRADED, version=NEWER)
    machine.install(shop.folder)
    remove_tree(machine.root / "cache")
    place = machine.target.path / SITE / "six.py"
    moment = place.stat().st_mtime_ns
    place.write_bytes(place.read_bytes()[::-1])
    os.utime(place, ns=(moment, moment))
    pipe = machine.target.path / "bin" / "six"
    report = machine.install(shop.folder, NEWER)
    assert report.fetched == 3
    assert machine.tree() == shop.tree(NEWER)
    assert pipe.exists()


def test_what_was_added_to_an_install_is_kept(shop: Shop, machine: Machine) -> None:
    shop.build()
    shop.build(UPGRADED, version=NEWER)
    machine.install(shop.folder)
    (machine.target.path / SITE / "own.py").write_text("mine")
    (machine.target.path / SITE / "__pycache__").mkdir()
    report = machine.install(shop.folder, NEWER)
    assert report.kept
    assert "own.py was added" in machine.told.warnings[-1]
    machine.target.rollback()
    assert (machine.target.path / SITE / "own.py").read_text() == "mine"


def test_compiled_modules_are_no_change(shop: Shop, machine: Machine) -> None:
    shop.build()
    shop.build(UPGRADED, version=NEWER)
    machine.install(shop.folder)
    (machine.target.path / SITE / "__pycache__").mkdir()
    (machine.target.path / SITE / "__pycache__" / "six.cpython-312.pyc").write_bytes(b"compiled")
    assert not machine.install(shop.folder, NEWER).kept
    assert machine.target.previous is None


def test_a_folder_that_is_not_ours_is_not_replaced(shop: Shop, machine: Machine) -> None:
    shop.build()
    machine.target.path.mkdir(parents=True)
    (machine.target.path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is no install of bundle"):
        machine.install(shop.folder)
    with pytest.raises(ConfigError, match="is no install of bundle"):
        machine.install_archive(shop.archive())
    assert (machine.target.path / "mine.txt").read_text() == "mine"
    assert machine.left() == []


def test_a_bundle_that_was_unpacked_by_hand_is_not_replaced(shop: Shop, machine: Machine) -> None:
    shop.build()
    machine.target.path.parent.mkdir(parents=True)
    (shop.folder / VERSION / "linux-x64").rename(machine.target.path)
    with pytest.raises(ConfigError, match="is no install of bundle"):
        machine.install(shop.folder)


def test_a_link_is_not_replaced(shop: Shop, machine: Machine) -> None:
    shop.build()
    machine.install(shop.folder)
    elsewhere = machine.target.path.with_name("elsewhere")
    machine.target.path.rename(elsewhere)
    machine.target.path.symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is no install of bundle"):
        machine.install(shop.folder)


def test_an_empty_folder_becomes_the_install(shop: Shop, machine: Machine) -> None:
    shop.build()
    machine.target.path.mkdir(parents=True)
    machine.install(shop.folder)
    assert machine.tree() == shop.tree()


def test_a_version_has_a_place_by_default(shop: Shop, machine: Machine) -> None:
    shop.build()
    place = replace(machine.place(), into=None)
    assert place.target(VERSION, LINUX.key).path == machine.root / "data" / "installed" / VERSION
    with pytest.raises(ConfigError, match="does not run here"):
        place.target(VERSION, "windows-x64")
    with pytest.raises(ConfigError, match="a version's name is"):
        place.target("../../up", LINUX.key)


def test_the_first_install_from_a_source_says_that_it_is_not_authenticated(shop: Shop, machine: Machine) -> None:
    shop.build()
    shop.build(UPGRADED, version=NEWER)
    machine.install(shop.folder)
    assert ["is not authenticated" in warning for warning in machine.told.warnings] == [True]
    machine.install(shop.folder, NEWER)
    assert len(machine.told.warnings) == 1


def test_a_version_that_the_source_lacks_is_told_with_those_that_it_has(shop: Shop, machine: Machine) -> None:
    shop.build()
    with pytest.raises(ConfigError, match=r"no bundle of 3\.12\.10-dmo") as caught:
        machine.install(shop.folder, "3.12.10-dmo")
    assert VERSION in str(caught.value)
    assert machine.left() == []


def test_a_folder_without_a_catalogue_is_told(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no catalogue\.json"):
        machine.install(tmp_path)


def test_an_archive_of_another_build_than_the_catalogue_is_refused(shop: Shop, machine: Machine) -> None:
    entry = shop.build()
    shop.build(UPGRADED)
    shop.put(Catalogue(entries=(entry,)))
    with pytest.raises(IntegrityError):
        machine.install(shop.folder)
    assert machine.left() == []
    assert machine.scratch() == []


def put_on(site: Site, shop: Shop) -> None:
    for path in shop.folder.iterdir():
        if path.is_file():
            site.files[f"/{path.name}"] = path.read_bytes()


@pytest.mark.real
def test_an_upgrade_over_http_asks_for_the_ranges_of_the_new_layers(shop: Shop, machine: Machine) -> None:
    shop.build()
    shop.build(UPGRADED, version=NEWER)
    with serving() as site:
        put_on(site, shop)
        machine.install(site.url)
        assert machine.tree() == shop.tree()
        remove_tree(machine.root / "cache")
        report = machine.install(site.url, NEWER)
        assert machine.tree() == shop.tree(NEWER)
        assert report.fetched == 2
        ranges = [seen.headers.get("range") for seen in site.seen if seen.path.endswith(".tar.zst")]
        assert all(ranges)


@pytest.mark.real
def test_a_server_without_ranges_sends_the_archive_once(shop: Shop, machine: Machine) -> None:
    shop.build()
    with serving() as site:
        put_on(site, shop)
        site.behaviours = ["ok", *["whole"] * 20]
        machine.install(site.url)
        assert machine.tree() == shop.tree()
        bodies = [seen for seen in site.seen if seen.path.endswith(".tar.zst") and seen.method == "GET"]
        assert len([seen for seen in bodies if "range" not in seen.headers]) == 1


@pytest.mark.real
def test_credentials_reach_neither_another_host_nor_the_record(shop: Shop, machine: Machine) -> None:
    shop.build()
    with serving() as site, serving() as other:
        put_on(site, shop)
        put_on(other, shop)
        site.behaviours = ["ok", *[f"to {other.url}/{shop.archive().name}"] * 20]
        machine.install(site.url.replace("//", "//user:planted@"))
        assert machine.tree() == shop.tree()
        assert any(seen.credentials == "user:planted" for seen in site.seen)
        assert other.seen
        assert not any(seen.credentials for seen in other.seen)
    kept = [path.read_text(errors="replace") for path in machine.root.rglob("*.json")]
    assert not any("planted" in text for text in [*kept, *machine.told.messages, *machine.told.warnings])


def test_offline_needs_no_network(shop: Shop, machine: Machine) -> None:
    shop.build()
    machine.install(shop.folder, source=machine.source(shop.folder, offline=True))
    assert machine.tree() == shop.tree()
    with pytest.raises(NetworkError, match="--offline"):
        machine.source("https://cdn.example/runtimes", offline=True)
