from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bundle.artifacts.remotes.published import (
    DOCUMENT_FORMAT,
    FORMAT,
    LARGEST_DOCUMENT,
    Blob,
    BundleDocument,
    PublishedCatalogue,
    PublishedEntry,
)
from bundle.base.errors import IntegrityError
from tests.artifacts.remotes.made import document

ENTRY = PublishedEntry.of(document())


def test_a_catalogue_comes_back_as_it_was_written() -> None:
    catalogue = PublishedCatalogue().with_entries([PublishedEntry.of(document("3.12.10-atls")), ENTRY])
    assert PublishedCatalogue.from_bytes(catalogue.to_bytes(), "it") == catalogue
    assert catalogue.versions() == ["3.12.10", "3.12.10-atls"]
    assert catalogue.find("3.12.10", "linux-x64") == ENTRY
    assert catalogue.without("3.12.10", ["linux-x64"]).versions() == ["3.12.10-atls"]
    assert catalogue.without("3.12.10", ["windows-x64"]) == catalogue


def test_an_entry_replaces_the_one_of_its_name() -> None:
    later = PublishedEntry.of(document(layers=document("3.12.10-atls").layers))
    catalogue = PublishedCatalogue().with_entries([ENTRY]).with_entries([later])
    assert catalogue.bundles == (later,)


def test_a_document_comes_back_as_it_was_written() -> None:
    made = document()
    content = made.to_bytes()
    assert BundleDocument.from_bytes(content, "it") == made
    assert Blob.of(content) == ENTRY.document
    assert ENTRY.compressed == 11


def test_keys_of_a_later_version_are_passed_over() -> None:
    value = PublishedCatalogue().with_entries([ENTRY]).to_json()
    value["page"] = value["bundles"][0]["stars"] = 5
    assert PublishedCatalogue.from_bytes(json.dumps(value).encode(), "it").bundles == (ENTRY,)


def test_documents_and_catalogues_of_the_first_format_are_read() -> None:
    former = replace(document(), format=1)
    content = former.to_bytes()
    assert b"inputs" not in content
    assert BundleDocument.from_bytes(content, "it").to_bytes() == content
    value = PublishedCatalogue().with_entries([PublishedEntry.of(former)]).to_json()
    del value["bundles"][0]["inputs"]
    value["published"] = 1
    read = PublishedCatalogue.from_bytes(json.dumps(value).encode(), "it")
    assert (read.published, read.bundles) == (FORMAT, (PublishedEntry.of(former),))


def test_a_program_that_is_too_old_for_a_remote_says_so() -> None:
    catalogue = replace(PublishedCatalogue().with_entries([ENTRY]), published=FORMAT + 1)
    made = replace(document(), format=DOCUMENT_FORMAT + 1)
    for read, content, newest in (
        (PublishedCatalogue.from_bytes, catalogue.to_bytes(), FORMAT),
        (BundleDocument.from_bytes, made.to_bytes(), DOCUMENT_FORMAT),
    ):
        with pytest.raises(IntegrityError, match=f"it has format {newest + 1}, and this program is too old") as raised:
            read(content, "it")
        assert raised.value.remedy == "Install a newer version of this program."


def test_the_inputs_of_a_bundle_stand_in_its_document_and_in_the_catalogue() -> None:
    made = replace(document(), inputs={"lock": "a" * 64})
    assert PublishedEntry.of(BundleDocument.from_bytes(made.to_bytes(), "it")).inputs == {"lock": "a" * 64}


@pytest.mark.parametrize("inputs", [{"lock": "a"}, {"../lock": "a" * 64}, {"lock": 1}, {"": "a" * 64}, []])
def test_inputs_that_are_no_digests_are_refused(inputs: object) -> None:
    bundle = json.loads(document().to_bytes())
    catalogue = PublishedCatalogue().with_entries([ENTRY]).to_json()
    bundle["inputs"] = catalogue["bundles"][0]["inputs"] = inputs
    with pytest.raises(IntegrityError):
        BundleDocument.from_bytes(json.dumps(bundle).encode(), "it")
    with pytest.raises(IntegrityError):
        PublishedCatalogue.from_bytes(json.dumps(catalogue).encode(), "it")


def _set(*path: str | int, to: object) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("published", to=0),
        _set("published", to=True),
        _set("bundles", to={}),
        _set("bundles", 0, "version", to="../3.12.10"),
        _set("bundles", 0, "version", to="3.12.10-" + "a" * 130),
        _set("bundles", 0, "platform", to="linux/x64"),
        _set("bundles", 0, "platform", to=".."),
        _set("bundles", 0, "digest", to="d" * 63 + "/"),
        _set("bundles", 0, "size", to=-1),
        _set("bundles", 0, "size", to=True),
        _set("bundles", 0, "compressed", to=2**60),
        _set("bundles", 0, "packages", to="3"),
        _set("bundles", 0, "document", "size", to=LARGEST_DOCUMENT + 1),
        _set("bundles", 0, "document", "sha256", to="../" * 20),
        _set("bundles", 0, "python", to=None),
        _set("bundles", 0, "archives", to=[{"format": "zip", "path": "../x.zip", "sha256": "a" * 64, "size": 1}]),
        _set("bundles", to=[ENTRY.version]),
        lambda value: value["bundles"].append(value["bundles"][0]),
    ],
)
def test_a_catalogue_that_makes_no_sense_is_refused(change: Callable[[Any], None]) -> None:
    value = PublishedCatalogue().with_entries([ENTRY]).to_json()
    change(value)
    with pytest.raises(IntegrityError, match="it cannot be used"):
        PublishedCatalogue.from_bytes(json.dumps(value).encode(), "it")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"format": 1, "bundles": []}']
)
def test_what_is_no_catalogue_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="it cannot be used"):
        PublishedCatalogue.from_bytes(content, "it")


@pytest.mark.parametrize(
    "change",
    [
        _set("format", to=0),
        _set("entry", "digest", to="0" * 64),
        _set("entry", "version", to="/3.12.10"),
        _set("layers", to=[]),
        _set("layers", 0, "digest", to="0" * 64),
        _set("layers", 0, "blob", "sha256", to="x"),
        _set("layers", 0, "blob", "size", to=5),
        _set("layers", 0, "frames", to=[]),
        _set("layers", 0, "frames", 1, "offset", to=2),
        _set("layers", 0, "frames", 0, "length", to=0),
        _set("layers", 0, "frames", 0, "size", to=0),
        _set("layers", 0, "frames", 0, "sha256", to=None),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(change: Callable[[Any], None]) -> None:
    value = json.loads(document().to_bytes())
    change(value)
    with pytest.raises(IntegrityError, match="it cannot be used"):
        BundleDocument.from_bytes(json.dumps(value).encode(), "it")
