"""New roots: other keys, thresholds and lives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.trust.attacks import TrustError
from bundle.artifacts.trust.client import trusted_catalogue
from bundle.artifacts.trust.metadata import ONLINE
from bundle.artifacts.trust.pins import Pin, pin_of
from bundle.artifacts.trust.roots import Change, as_json, change_root, expand, refresh
from bundle.artifacts.trust.state import read_state
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from tests.artifacts.trust.publisher import Publisher, now


def client(publisher: Publisher, tmp_path: Path) -> Pin:
    """A client with the first root, which remembers what it has seen."""
    pin = pin_of(publisher.url, Access(environ={}, reporter=Reporter(), data=tmp_path / "client", root=publisher.root))
    assert pin is not None
    trusted_catalogue(publisher.remote, pin)
    return pin


def added(role: str, key: CryptoSigner) -> Change:
    return Change(add=[(one, key.public_key) for one in expand([role])])


def test_a_further_root_key_must_be_signed_by_the_old_ones(publisher: Publisher, tmp_path: Path) -> None:
    pin = client(publisher, tmp_path)
    new = CryptoSigner.generate_ed25519()
    change = replace(added("root", new), thresholds={"root": 2})
    for keys in ([new], [publisher.online_key], [publisher.root_key]):
        with pytest.raises(ConfigError, match="Keys are missing"):
            change_root(publisher.remote, publisher.pin, change, keys, now())
    state = change_root(publisher.remote, publisher.pin, change, [publisher.root_key, new], now())
    assert state.root.version == 2
    assert trusted_catalogue(publisher.remote, pin).versions() == ["3.12.10"]
    with pytest.raises(ConfigError, match="1 of 2"):
        raise_details(publisher, [publisher.root_key])


def raise_details(publisher: Publisher, keys: list[CryptoSigner]) -> None:
    try:
        change_root(publisher.remote, publisher.pin, Change(), keys, now())
    except ConfigError as error:
        raise ConfigError(" ".join(error.details)) from error


def test_the_online_key_is_replaced_without_a_gap_and_without_the_old_one(publisher: Publisher, tmp_path: Path) -> None:
    pin = client(publisher, tmp_path)
    old, publisher.online_key = publisher.online_key, CryptoSigner.generate_ed25519()
    change = replace(added("online", publisher.online_key), remove=[old.public_key.keyid[:10]])
    with pytest.raises(ConfigError, match="Keys are missing"):
        change_root(publisher.remote, publisher.pin, change, [publisher.root_key, old], now())
    change_root(publisher.remote, publisher.pin, change, [*publisher.keys, old], now())
    assert trusted_catalogue(publisher.remote, pin).versions() == ["3.12.10"]
    (Path(publisher.url) / "trust" / "2.root.json").rename(tmp_path / "aside")
    # Before the root is written, the metadata is what the former root vouches for as well.
    assert trusted_catalogue(publisher.remote, client(publisher, tmp_path / "new")).versions() == ["3.12.10"]
    (tmp_path / "aside").rename(Path(publisher.url) / "trust" / "2.root.json")
    with pytest.raises(ConfigError, match="Keys are missing"):
        publisher.publish(lambda catalogue: catalogue, keys=[old])
    lost, publisher.online_key = publisher.online_key, CryptoSigner.generate_ed25519()
    change = replace(added("online", publisher.online_key), remove=[lost.public_key.keyid])
    change_root(publisher.remote, publisher.pin, change, publisher.keys, now())
    assert trusted_catalogue(publisher.remote, pin).versions() == ["3.12.10"]


def test_a_key_for_the_timestamp_alone_refreshes_and_does_not_publish(publisher: Publisher, tmp_path: Path) -> None:
    pin = client(publisher, tmp_path)
    timer = CryptoSigner.generate_ed25519()
    change_root(publisher.remote, publisher.pin, added("timestamp", timer), [publisher.root_key, timer], now())
    state = refresh(publisher.remote, publisher.pin, [timer], now(1))
    assert (state.timestamp.version, state.snapshot.version) == (2, 1)
    with pytest.raises(ConfigError, match="Keys are missing"):
        publisher.publish(lambda catalogue: catalogue, keys=[timer])
    with pytest.raises(ConfigError, match="Keys are missing"):
        refresh(publisher.remote, publisher.pin, [publisher.root_key], now())
    with pytest.raises(ConfigError, match="Keys are missing"):
        refresh(publisher.remote, publisher.pin, [timer], now(100))
    assert trusted_catalogue(publisher.remote, pin).versions() == ["3.12.10"]


def test_what_is_about_to_expire_is_signed_with_the_timestamp(publisher: Publisher) -> None:
    assert refresh(publisher.remote, publisher.pin, publisher.keys, now(50)).snapshot.version == 1
    state = refresh(publisher.remote, publisher.pin, publisher.keys, now(70))
    assert (state.timestamp.version, state.snapshot.version, state.targets.version) == (3, 2, 2)
    told = as_json(state, now(70 + 12))["roles"]
    assert [role for role, one in told.items() if one["due"]] == ["timestamp"]
    assert [role for role, one in as_json(state, now(100))["roles"].items() if one["expired"]] == ["timestamp"]


def test_days_and_thresholds_are_those_of_the_root(publisher: Publisher) -> None:
    change = Change(days={"timestamp": 3, "root": 30})
    state = change_root(publisher.remote, publisher.pin, change, [publisher.root_key], now())
    assert (state.root.expires - now()).days in (29, 30)
    state = refresh(publisher.remote, publisher.pin, publisher.keys, now())
    assert (state.timestamp.expires - now()).days in (2, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change(thresholds={"root": 2}), "would need 2 keys"),
        (Change(thresholds={"snapshot": 0}), "would need 0 keys"),
        (Change(remove=["zz"]), "No keys have an id"),
        (Change(remove=[""]), "2 keys have an id"),
    ],
)
def test_a_root_without_a_valid_form_is_not_written(publisher: Publisher, change: Change, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        change_root(publisher.remote, publisher.pin, change, publisher.keys, now())
    with pytest.raises(ConfigError, match="has the key"):
        change_root(publisher.remote, publisher.pin, added("root", publisher.root_key), publisher.keys, now())
    assert read_state(publisher.remote, publisher.pin).root.version == 1


def test_a_root_that_expired_is_written_again(tmp_path: Path) -> None:
    publisher = Publisher(str(tmp_path / "remote"), tmp_path / "publisher")
    publisher.start(days=-400)
    change_root(publisher.remote, publisher.pin, Change(), publisher.keys, now())
    publisher.refresh()
    pin = client(publisher, tmp_path)
    assert trusted_catalogue(publisher.remote, pin).versions() == []


def test_metadata_of_a_key_that_was_removed_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    pin = client(publisher, tmp_path)
    older = (Path(publisher.url) / "trust" / "timestamp.json").read_bytes()
    old, publisher.online_key = publisher.online_key, CryptoSigner.generate_ed25519()
    change = replace(added("online", publisher.online_key), remove=[old.public_key.keyid])
    change_root(publisher.remote, publisher.pin, change, publisher.keys, now())
    (Path(publisher.url) / "trust" / "timestamp.json").write_bytes(older)
    with pytest.raises(TrustError, match="wrong keys"):
        trusted_catalogue(publisher.remote, pin)


def test_online_stands_for_three_roles() -> None:
    assert expand(["root", "online", "timestamp"]) == ["root", *ONLINE]
