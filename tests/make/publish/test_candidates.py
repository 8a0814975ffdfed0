from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import BundleError, ConfigError, IntegrityError, VerificationError
from bundle.base.folders import remove_tree
from bundle.make.build_state import STATE, Record, write_record
from bundle.make.publish.candidates import Candidate, candidate_of, entries_of
from tests.make.publish.built import Built


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return Built(tmp_path / "project")


def candidate(built: Built, version: str = "3.12.10", *, substitutes: bool = False) -> Candidate:
    (entry,) = entries_of(built.project, [version], [])
    return candidate_of(entry, built.project, built.store, substitutes=substitutes)


def content(one: Candidate) -> list[bytes]:
    return [b"".join(one.sources[layer.blob]()) for layer in one.document.layers]


def test_the_blobs_are_the_frames_of_the_archive(built: Built) -> None:
    entry = built.bundle()
    found = candidate(built)
    assert b"".join(content(found)) == built.archive().read_bytes()[: sum(map(len, content(found)))]
    assert [layer.digest for layer in found.document.layers] == [layer.digest for layer in entry.layers]
    assert found.document.entry.digest == entry.digest
    assert (found.document.entry.path, found.document.entry.archives) == ("", ())


@pytest.mark.parametrize("formats", [("zip",), ("tar.gz",)])
def test_a_bundle_without_frames_in_an_archive_has_the_same_blobs(
    built: Built, tmp_path: Path, formats: tuple[str, ...]
) -> None:
    built.bundle()
    other = Built(tmp_path / "other")
    other.bundle(formats=formats)
    assert candidate(other).document == candidate(built).document
    assert content(candidate(other)) == content(candidate(built))


def test_layers_that_are_in_no_archive_and_not_in_the_store_are_missed(built: Built) -> None:
    built.bundle(formats=("zip",))
    remove_tree(built.store.root / "layers")
    with pytest.raises(ConfigError, match="no longer has all"):
        candidate(built)


def test_a_substitute_is_published_only_when_that_is_allowed(built: Built) -> None:
    built.bundle(python="3.12.1")
    with pytest.raises(ConfigError, match=r"holds Python 3\.12\.1, not 3\.12\.10"):
        candidate(built)
    assert candidate(built, substitutes=True).document.entry.python.actual == "3.12.1"


def test_a_bundle_that_was_built_again_unverified_is_refused(built: Built) -> None:
    entry = built.bundle()
    path = built.project.output / STATE / "3.12.10-linux-x64.json"
    for manifest, fits in ((entry.manifest, True), ("b" * 64, False)):
        write_record(path, Record(inputs="", tree="", archives={}, result={}, manifest=manifest))
        if fits:
            candidate(built)
        else:
            with pytest.raises(VerificationError, match="not verified"):
                candidate(built)


def test_a_bundle_that_is_not_in_the_catalogue_is_not_verified(built: Built) -> None:
    built.bundle()
    folder = built.project.output / "3.12.10-plain" / "linux-x64"
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")
    with pytest.raises(VerificationError, match="not verified"):
        entries_of(built.project, ["3.12.10-plain"], [])


def test_what_was_never_built_is_no_candidate(built: Built) -> None:
    built.bundle()
    with pytest.raises(ConfigError, match=r"3\.12\.11 is not built\. Did you mean"):
        entries_of(built.project, ["3.12.11"], [])
    with pytest.raises(ConfigError, match="for windows-x64 is not built"):
        entries_of(built.project, ["3.12.10"], ["windows-x64"])


def test_platforms_are_chosen_by_their_keys(built: Built) -> None:
    built.bundle()
    built.bundle(platform="windows-x64")
    assert [one.platform for one in entries_of(built.project, ["3.12.10"], [])] == ["linux-x64", "windows-x64"]
    assert [one.platform for one in entries_of(built.project, ["3.12.10"], ["windows-x64"])] == ["windows-x64"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!"),
        lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
def test_a_changed_archive_is_refused(built: Built, damage: object) -> None:
    built.bundle()
    assert callable(damage)
    damage(built.archive())
    with pytest.raises((IntegrityError, ConfigError)) as caught:
        candidate(built)
    assert isinstance(caught.value, BundleError)
    assert str(built.archive()) in caught.value.as_text() or "index" in caught.value.what


def test_the_archive_of_another_bundle_is_refused(built: Built) -> None:
    built.bundle()
    built.bundle("3.12.10-other", {})
    built.archive().write_bytes(built.archive("3.12.10-other").read_bytes())
    with pytest.raises(IntegrityError, match="not the archive that the catalogue names"):
        candidate(built)
