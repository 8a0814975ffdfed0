"""Publishing to a remote with signed metadata."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from securesystemslib.signer import CryptoSigner

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.remotes.published import PublishedCatalogue, PublishedEntry
from bundle.artifacts.remotes.remote import CatalogueChangedError, Remote
from bundle.artifacts.trust.attacks import TrustError
from bundle.artifacts.trust.client import trusted_catalogue
from bundle.artifacts.trust.pins import pin_of
from bundle.artifacts.trust.signed import SignedCatalogue, catalogue_of
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.make.publish.publish import change_catalogue
from tests.artifacts.remotes.made import document, publish
from tests.artifacts.trust.publisher import Publisher, now

OTHER = PublishedEntry.of(document("3.12.10-other"))


def with_other(catalogue: PublishedCatalogue) -> PublishedCatalogue:
    return catalogue.with_entries([OTHER])


def seen(publisher: Publisher, tmp_path: Path) -> list[str]:
    """The versions that a new client sees."""
    access = Access(environ={}, reporter=Reporter(), data=tmp_path / "client", root=publisher.root)
    pin = pin_of(publisher.url, access)
    assert pin is not None
    return trusted_catalogue(publisher.remote, pin).versions()


def names(publisher: Publisher) -> set[str]:
    return {path.name for path in Path(publisher.url, "trust").iterdir()}


def test_the_catalogue_that_is_there_is_signed_first(publisher: Publisher, tmp_path: Path) -> None:
    assert seen(publisher, tmp_path) == ["3.12.10"]
    with pytest.raises(ConfigError, match="has signed metadata already"):
        publisher.start()


def test_a_change_is_signed_and_the_unsigned_catalogue_follows(publisher: Publisher, tmp_path: Path) -> None:
    before = names(publisher)
    publisher.publish(with_other)
    assert seen(publisher, tmp_path) == ["3.12.10", "3.12.10-other"]
    assert publisher.remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-other"]
    assert before < names(publisher)


def test_what_does_not_change_is_not_signed_again(publisher: Publisher) -> None:
    before = names(publisher)
    publisher.publish(lambda catalogue: catalogue)
    assert names(publisher) == before


def test_a_remote_without_metadata_is_published_to_as_before(tmp_path: Path) -> None:
    publisher = Publisher(str(tmp_path / "remote"), tmp_path / "publisher")
    publish(publisher.remote, document())
    publisher.publish(with_other, keys=[])
    assert publisher.remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-other"]
    assert not Path(publisher.url, "trust").exists()


def test_a_missing_key_is_told_before_anything_is_written(publisher: Publisher) -> None:
    before = names(publisher)
    with pytest.raises(ConfigError, match="Keys are missing") as caught:
        publisher.publish(with_other, keys=[publisher.root_key, CryptoSigner.generate_ed25519()])
    assert len(caught.value.details) == 3
    assert publisher.online_key.public_key.keyid[:16] in caught.value.as_text()
    assert names(publisher) == before


def test_a_publisher_who_does_not_know_the_root_signs_nothing(publisher: Publisher, tmp_path: Path) -> None:
    access = Access(environ={}, reporter=Reporter(), data=tmp_path / "stranger")
    way = catalogue_of(publisher.remote, publisher.url, access, lambda: publisher.keys)
    with pytest.raises(ConfigError, match="does not know its root"):
        way.__enter__()


def test_an_entry_that_somebody_wrote_into_the_unsigned_catalogue_is_not_signed(
    publisher: Publisher, tmp_path: Path
) -> None:
    unsigned, token = publisher.remote.catalogue()
    publisher.remote.replace_catalogue(unsigned.with_entries([PublishedEntry.of(document("3.12.10-evil"))]), token)
    publisher.publish(with_other)
    assert seen(publisher, tmp_path) == ["3.12.10", "3.12.10-other"]
    assert publisher.remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-other"]


class KilledError(Exception):
    pass


def dying(remote: Remote, name: str) -> Remote:
    """Let a publisher die right before it writes a file."""
    files = remote._files  # type: ignore[attr-defined]
    write, put = files.replace, files.put

    def replace_file(path: str, content: bytes, token: str | None) -> None:
        if path.endswith(name):
            raise KilledError
        write(path, content, token)

    def put_file(path: str, chunks: list[bytes], size: int) -> None:
        if path.endswith(name):
            raise KilledError
        put(path, chunks, size)

    files.replace, files.put = replace_file, put_file
    return remote


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        (".catalogue.json", ["3.12.10"]),
        ("2.targets.json", ["3.12.10"]),
        ("2.snapshot.json", ["3.12.10"]),
        ("trust/timestamp.json", ["3.12.10"]),
        ("catalogue.json", ["3.12.10"]),
    ],
)
def test_a_publisher_that_dies_leaves_what_fits_together(
    publisher: Publisher, tmp_path: Path, name: str, versions: list[str]
) -> None:
    remote = dying(publisher.remote, name)
    with (
        pytest.raises(KilledError),
        catalogue_of(remote, publisher.url, publisher.access, lambda: publisher.keys) as way,
    ):
        change_catalogue(way, with_other)
    assert seen(publisher, tmp_path) == versions
    publisher.publish(with_other)
    assert seen(publisher, tmp_path) == ["3.12.10", "3.12.10-other"]
    assert publisher.remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-other"]


def test_an_unsigned_catalogue_that_was_left_behind_follows_the_next_time(publisher: Publisher) -> None:
    signed = SignedCatalogue(publisher.remote, publisher.pin, publisher.keys, now)
    catalogue, token = signed.catalogue()
    signed.replace_catalogue(with_other(catalogue), token)
    assert publisher.remote.catalogue()[0].versions() == ["3.12.10"]
    publisher.publish(with_other)
    assert publisher.remote.catalogue()[0].versions() == ["3.12.10", "3.12.10-other"]


def test_the_second_of_two_publishers_starts_again(publisher: Publisher) -> None:
    one, two = (SignedCatalogue(publisher.remote, publisher.pin, publisher.keys, now) for _ in range(2))
    (before, first), (_, second) = one.catalogue(), two.catalogue()
    two.replace_catalogue(with_other(before), second)
    with pytest.raises(CatalogueChangedError):
        one.replace_catalogue(before.without("3.12.10", ["linux-x64"]), first)
    with pytest.raises(CatalogueChangedError):
        one.replace_catalogue(before, "another token")
    assert one.catalogue()[0].versions() == ["3.12.10", "3.12.10-other"]


def test_publishers_at_the_same_time_lose_no_entry(publisher: Publisher, tmp_path: Path) -> None:
    entries = [replace(OTHER, version=f"3.12.10-n{number}") for number in range(6)]
    failed: list[Exception] = []

    def run(own: int) -> None:
        for entry in entries[own::2]:
            try:
                publisher.publish(lambda catalogue, entry=entry: catalogue.with_entries([entry]))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - shown by the test
                failed.append(error)

    threads = [Thread(target=run, args=(own,)) for own in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    everything = ["3.12.10", *(entry.version for entry in entries)]
    assert seen(publisher, tmp_path) == everything
    assert publisher.remote.catalogue()[0].versions() == everything


def test_what_expired_can_be_published_to(tmp_path: Path) -> None:
    publisher = Publisher(str(tmp_path / "remote"), tmp_path / "publisher")
    publisher.start(days=-100)
    with pytest.raises(TrustError, match="freeze"):
        seen(publisher, tmp_path)
    publisher.publish(with_other)
    assert seen(publisher, tmp_path) == ["3.12.10-other"]
