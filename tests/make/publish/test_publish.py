from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Barrier, Thread

import pytest

from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.published import Blob, PublishedCatalogue, PublishedEntry
from bundle.artifacts.remotes.remote import Remote, Token
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from bundle.make.publish.candidates import Candidate, candidate_of, entries_of
from bundle.make.publish.collect import collect
from bundle.make.publish.publish import Publication, publish
from tests.make.publish.built import Built


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return Built(tmp_path / "project")


@pytest.fixture
def remote(tmp_path: Path) -> FileRemote:
    return FileRemote(Folder(tmp_path / "remote", reporter=Reporter()))


def candidates(built: Built, *versions: str) -> list[Candidate]:
    entries = entries_of(built.project, versions, [])
    return [candidate_of(entry, built.project, built.store, substitutes=False) for entry in entries]


def send(
    built: Built, remote: Remote, *versions: str, dry_run: bool = False, repair: bool = False
) -> list[Publication]:
    return publish(candidates(built, *versions), remote, reporter=Reporter(), dry_run=dry_run, repair=repair)


def require_whole(remote: Remote, *versions: str) -> None:
    """Every blob of every bundle is there and has its bytes."""
    catalogue, _ = remote.catalogue()
    assert catalogue.versions() == list(versions)
    for entry in catalogue.bundles:
        for blob in remote.bundle(entry).blobs:
            assert Blob.of(b"".join(remote.read(blob))) == blob


def test_a_bundle_is_published_whole(built: Built, remote: FileRemote) -> None:
    built.bundle()
    (done,) = send(built, remote, "3.12.10")
    assert (done.status, done.layers, done.sent) == ("new", 2, 2)
    assert done.bytes_sent == done.size > 0
    require_whole(remote, "3.12.10")


def test_only_what_the_remote_lacks_is_sent(built: Built, remote: FileRemote) -> None:
    built.bundle()
    built.bundle("3.12.10-atls", {"numpy": b"numpy " * 900, "scipy": os.urandom(1000)})
    send(built, remote, "3.12.10")
    (done,) = send(built, remote, "3.12.10-atls")
    assert (done.status, done.layers, done.sent) == ("new", 3, 1)
    assert 1000 < done.bytes_sent < 2000
    require_whole(remote, "3.12.10", "3.12.10-atls")


def test_a_layer_of_two_bundles_is_sent_once(built: Built, remote: FileRemote) -> None:
    built.bundle()
    built.bundle("3.12.10-atls")
    assert [one.sent for one in send(built, remote, "3.12.10", "3.12.10-atls")] == [2, 0]


def test_what_is_damaged_on_the_remote_is_replaced_where_that_is_asked_for(
    built: Built, remote: FileRemote, tmp_path: Path
) -> None:
    built.bundle()
    send(built, remote, "3.12.10")
    (document,) = (tmp_path / "remote/bundles").rglob("*.json.zst")
    blob = next(path for path in (tmp_path / "remote/blobs").rglob("*") if path.is_file())
    for path in (blob, document):
        path.write_bytes(bytes(path.stat().st_size))
    assert [one.sent for one in send(built, remote, "3.12.10")] == [0]
    assert [one.sent for one in send(built, remote, "3.12.10", repair=True)] == [1]
    require_whole(remote, "3.12.10")


def test_what_is_published_already_is_unchanged(built: Built, remote: FileRemote) -> None:
    built.bundle()
    send(built, remote, "3.12.10")
    before = remote.catalogue()
    (done,) = send(built, remote, "3.12.10")
    assert (done.status, done.sent, done.bytes_sent) == ("unchanged", 0, 0)
    assert remote.catalogue() == before


def test_a_later_build_replaces_the_entry(built: Built, remote: FileRemote) -> None:
    built.bundle()
    send(built, remote, "3.12.10")
    entry = built.bundle(packages={"numpy": b"later"})
    (done,) = send(built, remote, "3.12.10")
    assert (done.status, done.sent) == ("replaced", 1)
    assert [one.digest for one in remote.catalogue()[0].bundles] == [entry.digest]


def test_a_dry_run_says_the_same_and_sends_nothing(built: Built, remote: FileRemote, tmp_path: Path) -> None:
    built.bundle()
    said = send(built, remote, "3.12.10", dry_run=True)
    assert not (tmp_path / "remote").exists()
    assert send(built, remote, "3.12.10") == said


def test_archives_are_published_only_when_that_is_asked(built: Built, remote: FileRemote, tmp_path: Path) -> None:
    built.bundle(formats=("tar.zst", "zip"))
    send(built, remote, "3.12.10")
    assert not (tmp_path / "remote" / "archives").exists()

    def archived() -> list[Publication]:
        entries = entries_of(built.project, ["3.12.10"], [])
        ready = [candidate_of(one, built.project, built.store, substitutes=False, archives=True) for one in entries]
        return publish(ready, remote, reporter=Reporter())

    (done,) = archived()
    assert (done.status, done.sent) == ("replaced", 0)
    (entry,) = remote.catalogue()[0].bundles
    names = ["archives/3.12.10-linux-x64.tar.zst", "archives/3.12.10-linux-x64.zip"]
    assert [one.path for one in entry.archives] == names
    for one in entry.archives:
        content = (tmp_path / "remote" / one.path).read_bytes()
        assert Blob.of(content) == Blob(sha256=one.sha256, size=one.size)
    assert [one.status for one in archived()] == ["unchanged"]
    assert collect(remote, grace=0, reporter=Reporter()).kept == 5
    send(built, remote, "3.12.10")
    gone = collect(remote, grace=0, reporter=Reporter()).removed
    assert sorted(one.name for one in gone if one.kind == "archive") == names


def test_an_archive_that_was_changed_is_not_published(built: Built) -> None:
    entry = built.bundle(formats=("tar.zst", "zip"))
    archive = built.project.output / "3.12.10-linux-x64.zip"
    archive.write_bytes(archive.read_bytes() + b"more")
    assert candidate_of(entry, built.project, built.store, substitutes=False).archives == {}
    with pytest.raises(IntegrityError, match="not the archive that the catalogue names"):
        candidate_of(entry, built.project, built.store, substitutes=False, archives=True)


def test_lost_blobs_are_sent_again(built: Built, remote: FileRemote, tmp_path: Path) -> None:
    built.bundle()
    send(built, remote, "3.12.10")
    next((tmp_path / "remote" / "blobs").rglob("?" * 64)).unlink()
    (done,) = send(built, remote, "3.12.10")
    assert (done.status, done.sent) == ("unchanged", 1)
    require_whole(remote, "3.12.10")


class Breaking(FileRemote):
    """Fails when a number of blobs was sent."""

    left = 1

    def send(self, blob: Blob, source: object) -> None:
        if not self.left:
            raise ConnectionError("broken")
        self.left -= 1
        super().send(blob, source)  # type: ignore[arg-type]  # as it came


def test_what_was_sent_before_a_failure_is_not_sent_again(built: Built, tmp_path: Path) -> None:
    built.bundle(packages={name: name.encode() * 99 for name in "abcdef"})
    folder = Folder(tmp_path / "remote", reporter=Reporter())
    breaking = Breaking(folder)
    breaking.left = 3
    with pytest.raises(ConnectionError):
        send(built, breaking, "3.12.10")
    assert breaking.catalogue()[0] == PublishedCatalogue()
    (done,) = send(built, FileRemote(folder), "3.12.10")
    assert (done.layers, done.sent) == (7, 4)
    require_whole(FileRemote(folder), "3.12.10")


def test_publishers_at_the_same_time_lose_nothing(built: Built, remote: FileRemote) -> None:
    names = [f"3.12.10-v{number}" for number in range(4)]
    for name in names:
        built.bundle(name, {name: name.encode()})
    ready = [candidates(built, name) for name in names]
    start = Barrier(len(ready))

    def run(own: list[Candidate]) -> None:
        start.wait()
        publish(own, remote, reporter=Reporter())

    threads = [Thread(target=run, args=(own,)) for own in ready]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    require_whole(remote, *names)


class Meddled(FileRemote):
    """Lets a collection run right before the catalogue is written for the first time."""

    collected = 0

    def lacking(self, blobs: Iterable[Blob]) -> set[Blob]:
        answer = super().lacking(blobs)
        if not self.collected:
            self.collected = len(collect(FileRemote(self._files), grace=0, reporter=Reporter()).removed)
        return answer


def test_blobs_that_a_collection_took_are_sent_again(built: Built, remote: FileRemote, tmp_path: Path) -> None:
    built.bundle()
    send(built, remote, "3.12.10")
    catalogue, token = remote.catalogue()
    remote.replace_catalogue(catalogue.without("3.12.10", ["linux-x64"]), token)
    meddled = Meddled(Folder(tmp_path / "remote", reporter=Reporter()))
    send(built, meddled, "3.12.10")
    assert meddled.collected == 3
    require_whole(remote, "3.12.10")


class Refusing(FileRemote):
    """Sees another publisher's entry at each of the first attempts to write the catalogue."""

    others: list[PublishedEntry]

    def replace_catalogue(self, catalogue: PublishedCatalogue, token: Token) -> None:
        if self.others:
            before, own = self.catalogue()
            super().replace_catalogue(before.with_entries([self.others.pop()]), own)
        super().replace_catalogue(catalogue, token)


def test_the_entries_of_others_are_merged_at_each_attempt(built: Built, tmp_path: Path) -> None:
    names = [f"3.12.10-v{number}" for number in range(3)]
    for name in ("3.12.10", *names):
        built.bundle(name)
    refusing = Refusing(Folder(tmp_path / "remote", reporter=Reporter()))
    refusing.others = [PublishedEntry.of(one.document) for one in candidates(built, *names)]
    send(built, refusing, "3.12.10")
    assert refusing.catalogue()[0].versions() == ["3.12.10", *names]
