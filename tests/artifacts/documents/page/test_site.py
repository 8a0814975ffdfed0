from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from bundle.artifacts.catalogue_entry import Evidence, SetRecord
from bundle.artifacts.documents.page.site import Place, Site, bundle_of, path_of
from bundle.base.errors import IntegrityError
from bundle.model.manifest import PythonRecord, SkippedRecord
from tests.artifacts.documents.page.made import PACKAGES, described, files_of, index_of, renamed
from tests.artifacts.documents.page.read import Page, broken_links

BUNDLES = [described(), described("3.12.10"), described("3.12.10", "macosx-x64"), described("3.13.0-bare", packages=())]

PUBLISHED = Place(address="s3://runtimes", published=True)


def page_of(bundle: object = BUNDLES[0], place: Place | None = None, **changes: object) -> Page:
    """The page of a bundle with other values in its entry."""
    own = renamed(described() if bundle is BUNDLES[0] else bundle, **changes)  # type: ignore[arg-type]
    files = Site(place or Place()).of_bundle(own)
    return Page(next(content for path, content in files.items() if path.endswith(".html")))


def test_the_files_of_a_page() -> None:
    files = files_of(BUNDLES)
    assert sorted(files) == [
        "index.html",
        "page/3.12.10-atls/linux-x64.html",
        "page/3.12.10-atls/linux-x64.js",
        "page/3.12.10/linux-x64.html",
        "page/3.12.10/linux-x64.js",
        "page/3.12.10/macosx-x64.html",
        "page/3.12.10/macosx-x64.js",
        "page/3.13.0-bare/linux-x64.html",
        "page/3.13.0-bare/linux-x64.js",
        "page/difference.html",
        "page/difference.js",
        "page/index.json.zst",
        "page/page.css",
        "page/page.js",
        "page/search.js",
        "page/shared.html",
        "page/sharing.js",
    ]


def test_the_same_bundles_give_the_same_bytes() -> None:
    assert files_of(BUNDLES) == files_of(list(reversed(BUNDLES)))


def test_every_link_leads_somewhere_within_the_page() -> None:
    assert list(broken_links(files_of(BUNDLES))) == []


def test_pages_are_well_formed_and_need_no_other_host() -> None:
    for path, content in files_of(BUNDLES, PUBLISHED).items():
        if path.endswith(".html"):
            page = Page(content)
            assert page.unclosed == []
            assert not [one for one in page.addresses if re.match(r"[a-z]+:|//", one)]
            assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
            assert "style" not in {name for _, attributes in page.elements for name in attributes}
            assert len(page.values("id")) == len(set(page.values("id")))
            policy = page.values("content")[0]
            assert policy.startswith("default-src 'none'; script-src 'self' file:;")
            assert "unsafe" not in policy


def test_the_start_page_tells_versions_platforms_and_evidence() -> None:
    page = Page(files_of(BUNDLES)["index.html"])
    assert "4 bundles of 3 versions for 2 platforms" in page.text
    assert "audited, run glibc 2.28 2 from source" in page.text
    assert "audited 2 from source 1 left out" in page.text
    assert page.values("data-bundle") == [
        "3.12.10/linux-x64",
        "3.12.10/macosx-x64",
        "3.12.10-atls/linux-x64",
        "3.13.0-bare/linux-x64",
    ]


def test_a_page_without_bundles_says_so() -> None:
    files = files_of([])
    assert "There is no bundle yet" in Page(files["index.html"]).text
    assert list(broken_links(files)) == []


@pytest.mark.parametrize(
    "told",
    [
        "3.12.10-atls for linux-x64",
        "Python 3.12.10 (python-build-standalone), 21 packages",
        "passed files, records, paths, binaries",
        "passed requirements, imports, relocation, on a machine of linux-x64",
        "glibc 2.28 or newer, as measured (asked for: glibc 2.28)",
        "build-path: scipy : only in a comment",
        "By bundle 0.1.0.",
        "numpy 1.0 wheel a compatible wheel numpy-1.0-cp312-cp312-any.whl the configuration, scipy BSD-3-Clause",
        "freesasa 1.0 source no compatible wheel; resolution.allowSourceList; built in bubblewrap",
        "BSD-3-Clause 7 ",
        "bin/f2py numpy scipy",
        "openmm 1.0 wheel 85.0 MB",
    ],
)
def test_the_page_of_a_bundle_tells(told: str) -> None:
    assert told in page_of().text.replace("build-path: scipy:", "build-path: scipy :")


def test_what_was_left_out_stands_with_its_reason() -> None:
    missing = SkippedRecord(name="parasail", kind="missing", reason="no wheel fits", available=("py3-win_amd64",))
    page = page_of(skipped=(missing,), sets={"gpu": SetRecord(packages=(), skipped=(missing,))})
    assert "parasail missing no wheel fits there is: py3-win_amd64" in page.text
    assert "Set gpu" in page.text


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        (Evidence(), "this entry does not tell which checks it passed. Run The catalogue does not tell."),
        (Evidence(audited=("files",)), "passed files Run not run It was built on a machine of another platform."),
    ],
)
def test_evidence_that_is_missing_is_not_claimed(evidence: Evidence, told: str) -> None:
    assert told in page_of(evidence=evidence).text


def test_a_substitute_is_told() -> None:
    page = page_of(python=PythonRecord(requested="3.12.10", actual="3.12.1", source="host"))
    assert "Python 3.12.1 in place of 3.12.10 (host)" in page.text
    assert "Python 3.12.10 was asked for, and no source had it." in page.text


def test_what_nothing_tells_is_not_told() -> None:
    bundle = replace(described(), licences=None, manifest=None, compressed={})
    page = page_of(bundle)
    assert "so nothing tells" in page.text
    assert "packed" not in page.text


def test_the_map_has_a_table_beside_it_and_is_walked_by_keyboard() -> None:
    page = page_of()
    tiles = [attributes for tag, attributes in page.elements if tag == "a" and "linux" not in str(attributes)]
    named = [one["aria-label"] for one in tiles if "%" in one.get("aria-label", "")]
    assert named[0] == "openmm 1.0, 85.0 MB, 18.9 %"
    assert len(named) == 2 * len([one for one in page.values("id") if one.startswith("layer-")])


@pytest.mark.parametrize(
    ("place", "lines"),
    [
        (Place(), ["bundle publish 3.12.10-atls --platform linux-x64 --to URL", "bundle run 3.12.10-atls -- python"]),
        (PUBLISHED, ["bundle install 3.12.10-atls --from s3://runtimes"]),
        (Place(published=True), ["bundle install 3.12.10-atls --from URL", "URL is the address of the folder"]),
        (Place(address="/mnt/my runtimes; rm"), ["bundle install 3.12.10-atls --from '/mnt/my runtimes; rm'"]),
    ],
)
def test_lines_to_copy(place: Place, lines: list[str]) -> None:
    text = page_of(place=place).text
    assert [line for line in lines if line not in text] == []


def test_archives_are_links_only_where_they_are_published() -> None:
    assert "../../archives/3.12.10-atls.tar.zst" in page_of(place=PUBLISHED).addresses
    assert not [one for one in page_of().addresses if "archives" in one]


def test_the_data_of_a_bundle_is_what_differences_need() -> None:
    content = files_of(BUNDLES)["page/3.12.10/linux-x64.js"].decode()
    assert content.startswith("bundlePage.take('3.12.10/linux-x64', '")
    value = json.loads(content.split("', '", 1)[1].removesuffix("');\n").replace("\\\\", "\\"))
    assert [one["name"] for one in value["packages"]] == [name for name, _, _ in PACKAGES]
    assert value["licences"]["numpy"] == ["BSD-3-Clause"]


def test_the_revision_changes_with_the_place_of_the_page() -> None:
    assert Site(Place()).revision == Site(Place()).revision != Site(PUBLISHED).revision


@pytest.mark.parametrize(
    ("version", "platform"),
    [("..", "linux-x64"), ("3.12.10", ".."), ("3.12.10/..", "x"), ("3.12.10", "a/b"), ("", ""), ("3.12.10", "x" * 65)],
)
def test_names_that_are_no_part_of_a_path_are_refused(version: str, platform: str) -> None:
    with pytest.raises(IntegrityError, match="has a bundle with the name"):
        path_of(version, platform)
    with pytest.raises(IntegrityError):
        Site(Place()).of_all(index_of([renamed(described(), version=version, platform=platform)]))


@pytest.mark.parametrize(
    ("path", "bundle"),
    [
        ("page/3.12.10/linux-x64.html", ("3.12.10", "linux-x64")),
        ("page/3.12.10/linux-x64.js", ("3.12.10", "linux-x64")),
        ("page/page.js", None),
        ("page/3.12.10/notes.txt", None),
        ("page/mine/linux-x64.html", None),
        ("other/3.12.10/linux-x64.html", None),
    ],
)
def test_files_about_a_bundle_are_known_by_their_path(path: str, bundle: object) -> None:
    assert bundle_of(path) == bundle
