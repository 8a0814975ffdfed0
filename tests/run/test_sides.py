from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.difference import Side, Transfer, difference
from bundle.artifacts.remotes.addresses import Access
from bundle.base.errors import BundleError, ConfigError, IntegrityError
from bundle.base.report import Reporter
from bundle.model.config.project import Project
from bundle.run.sides import Reader
from tests.artifacts.trees import File, Tree
from tests.cli.project.locked import VERSION as LOCKED
from tests.cli.project.locked import locked_project
from tests.run.install.shipped import LINUX, SITE, VERSION, WHEELS, Shop

NEWER = "3.12.10-newer"

UPGRADED: dict[str, Tree] = {**WHEELS, "numpy 2.3.0": {f"{SITE}/numpy/__init__.py": File(b"version = '2.3.0'\n" * 9)}}
del UPGRADED["numpy 2.2.6"]

FORMATS = ("tar.zst", "tar.gz", "zip", "sh")

FOREIGN = "macosx-x64"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "dist")
    shop.build(formats=FORMATS, sbom=True)
    shop.build(UPGRADED, version=NEWER, formats=FORMATS, sbom=True)
    return shop


def read(name: str | Path, *, project: Path | None = None, platform: str = LINUX.key) -> Side:
    access = Access(environ={}, reporter=Reporter())
    return Reader(project=Project(project) if project else None, access=access).read(str(name), platform)


def names(shop: Shop, version: str) -> dict[str, str]:
    """All ways to name a bundle without a project."""
    remote = shop.folder.with_name("remote")
    if not remote.exists():
        shop.publish()
    return {
        **{one: str(shop.archive(version, one)) for one in FORMATS},
        "folder": str(shop.folder / version / LINUX.key),
        "built": f"{shop.folder}@{version}",
        "published": f"{remote}@{version}",
        "address": f"{remote.as_uri()}@{version}",
    }


def test_all_ways_to_name_a_bundle_tell_the_same(shop: Shop) -> None:
    sides = {kind: read(name) for kind, name in names(shop, VERSION).items()}
    for kind, side in sides.items():
        for other in sides.values():
            found = difference(other, side)
            assert found.same, (kind, other.title)
            assert found.not_compared == ("floor",)
        assert side.licences == {"CPython": ("PSF-2.0",), "numpy": ("MIT",), "six": ("MIT",), "tiny": ("MIT",)}, kind


@pytest.mark.parametrize("kind", ["tar.zst", "built", "published"])
def test_an_index_or_blobs_tell_the_compressed_bytes(shop: Shop, kind: str) -> None:
    found = difference(read(names(shop, VERSION)["folder"]), read(names(shop, NEWER)[kind]))
    assert found.transfer is not None
    assert (found.transfer.layers, found.transfer.compressed) == (1, True)
    assert [(one.before.version, one.after.version) for one in found.packages.changed] == [("2.2.6", "2.3.0")]


@pytest.mark.parametrize("kind", ["folder", "tar.gz", "zip", "sh"])
def test_other_sides_tell_uncompressed_bytes(shop: Shop, kind: str) -> None:
    after = read(names(shop, NEWER)[kind])
    found = difference(read(names(shop, VERSION)["tar.zst"]), after)
    numpy = next(one for one in after.layers or () if one.name == "numpy")
    assert found.transfer == Transfer(layers=1, size=numpy.size, compressed=False)


def project_of(shop: Shop) -> Path:
    """A project whose catalogue has the bundles of a shop."""
    root = shop.folder
    (root / "shared-config.json").write_text("{}")
    (root / "versions").mkdir()
    (root / "catalogue").mkdir()
    (root / "catalogue.json").rename(root / "catalogue" / "catalogue.json")
    return root


def test_a_version_is_that_of_the_catalogue(shop: Shop) -> None:
    root = project_of(shop)
    before, after = (read(version, project=root) for version in (VERSION, NEWER))
    found = difference(before, after)
    assert found.transfer is not None
    assert (found.transfer.layers, found.transfer.compressed) == (2, True)  # The new wheel and the documents.
    assert found.licences is not None


def test_a_version_whose_files_are_gone_tells_less(shop: Shop) -> None:
    root = project_of(shop)
    shop.archive(NEWER).unlink()
    (root / NEWER / LINUX.key / "bundle.json").unlink()
    side = read(NEWER, project=root)
    assert (side.compressed, side.licences) == ({}, None)


def test_the_archive_of_another_build_tells_no_sizes(shop: Shop) -> None:
    root = project_of(shop)
    shop.archive(NEWER).write_bytes(shop.archive(VERSION).read_bytes())
    assert read(NEWER, project=root).compressed == {}


def test_a_lock_tells_of_packages_only(tmp_path: Path) -> None:
    project = Project(locked_project(tmp_path))
    linux, windows = (read(project.lock_path(LOCKED, key)) for key in ("linux-x64", "windows-x64"))
    found = difference(linux, windows)
    assert found.platform is not None
    assert [one.name for one in found.packages.removed] == ["core"]
    assert found.not_compared == ("layers", "floor", "licences")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", ["nothing is not known", "ADDRESS@VERSION"]),
        ("{shop}", ["is no bundle", "Add @VERSION"]),
        ("{shop}@3.9.1", ["no bundle of 3.9.1", VERSION]),
        ("{shop}@newest", ["newest"]),
        ("file:///nowhere@3.9.1", ["no catalogue.json"]),
        ("https://me:secret@host.example/x", ["is no bundle"]),
    ],
)
def test_what_is_not_there_is_refused(shop: Shop, name: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(name.format(shop=shop.folder))
    text = caught.value.as_text()
    assert [word for word in words if word not in text] == []
    assert "secret" not in text


def test_a_version_for_a_platform_without_a_bundle_is_refused(shop: Shop) -> None:
    with pytest.raises(ConfigError, match=f"no bundle of {VERSION} for {FOREIGN}") as caught:
        read(VERSION, project=project_of(shop), platform=FOREIGN)
    assert LINUX.key in (caught.value.cause or "")


def test_only_versions_need_a_platform(shop: Shop) -> None:
    assert read(shop.archive(), platform="").platform == LINUX.key
    with pytest.raises(ConfigError, match="no default"):
        read(f"{shop.folder}@{VERSION}", platform="")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x28\xb5\x2f\xfd no index", b"\x1f\x8b", b"PK\x03\x04"])
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "x.tar.zst"
    archive.write_bytes(content)
    with pytest.raises(IntegrityError):
        read(archive)


@pytest.mark.parametrize("name", ["bundle.json", "pylock.toml"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b"lock-version = '1.0'"])
def test_a_malformed_manifest_or_lock_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BundleError):
        read(tmp_path if name == "bundle.json" else tmp_path / name)


def test_a_malformed_bill_of_materials_leaves_licences_untold(shop: Shop) -> None:
    folder = shop.folder / VERSION / LINUX.key
    for content in (b"", b"[]", b'{"bomFormat": "CycloneDX", "components": [1]}'):
        (folder / "sbom.cdx.json").unlink()
        (folder / "sbom.cdx.json").write_bytes(content)
        assert replace(read(folder), licences=None) == read(folder)
