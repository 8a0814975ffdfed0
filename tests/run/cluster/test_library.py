from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.cluster import library
from bundle.run.cluster.connection import require_scheduler
from bundle.run.cluster.library import Tls, checked_address, is_loopback, local_workers, require

SOME = Tls(ca_file=Path("ca"), cert=Path("cert"), key=Path("key"))


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "tcp://host:1", "tcp://[::1]:8786"])
def test_addresses_are_taken_as_they_are(address: str) -> None:
    assert checked_address(address, Tls()) == address


@pytest.mark.parametrize(
    "address",
    [
        *("", "host:8786", "http://host:1", "tcp://host", "tcp://:1", "tcp://host:x", "tcp://host:99999"),
        *("tcp://u@host:1", "tcp://host:1/x", "locally", "inproc://1"),
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        checked_address(address, Tls())


def test_encryption_needs_both_the_address_and_the_files() -> None:
    with pytest.raises(ConfigError, match="needs the files"):
        checked_address("tls://host:1", Tls())
    with pytest.raises(ConfigError, match="is not encrypted"):
        checked_address("tcp://host:1", SOME)
    assert checked_address("tls://host:1", SOME) == "tls://host:1"


def test_encryption_needs_all_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--tls-cert is not given"):
        Tls(ca_file=tmp_path).security()
    with pytest.raises(ConfigError, match="--tls-ca-file: there is no file"):
        Tls(ca_file=tmp_path / "no", cert=tmp_path, key=tmp_path).security()


def test_files_that_hold_something_else_are_no_fault_of_the_scheduler(tmp_path: Path) -> None:
    (tmp_path / "odd.pem").write_text("odd")
    for path, why in ((tmp_path / "no.pem", "there is no file"), (tmp_path / "odd.pem", "cannot be used")):
        with pytest.raises(ConfigError, match=why):
            require_scheduler("tls://127.0.0.1:1", Tls(ca_file=path, cert=path, key=path))


@pytest.mark.parametrize(("address", "count"), [("local", 0), ("local:4", 4), ("tcp://local:4", None)])
def test_workers_of_this_machine_are_asked_for_by_a_word(address: str, count: int | None) -> None:
    assert local_workers(address) == count


@pytest.mark.parametrize("address", ["local:0", "local:x", "local:-1", "local:99999"])
def test_a_number_of_workers_is_a_number(address: str) -> None:
    with pytest.raises(ConfigError, match="names no number"):
        local_workers(address)


def test_loopback_is_known() -> None:
    assert is_loopback("tcp://127.0.0.1:1")
    assert not is_loopback("tcp://10.0.0.5:1")


def test_a_missing_library_is_told_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        require()
    assert caught.value.remedy == "pip install 'bundle-toolchain[cluster]'"
