from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.trust.attacks import TrustError
from bundle.artifacts.trust.client import trusted_catalogue
from bundle.artifacts.trust.pins import Pin, is_signed, pin_of
from bundle.artifacts.trust.reading import read_catalogue
from bundle.artifacts.trust.roots import Change, change_root
from bundle.artifacts.trust.state import read_state
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from tests.artifacts.trust.publisher import Publisher, now


def access(tmp_path: Path, root: Path | None = None) -> Access:
    return Access(environ={}, reporter=Reporter(), data=tmp_path / "client", root=root)


def require(pin: Pin | None) -> Pin:
    assert pin is not None
    return pin


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("https://cdn.example/runtimes", "HTTPS://me:secret@CDN.example:443/runtimes/?sig=1"),
        ("https://cdn.example/runtimes", "https://cdn.example//x/../runtime%73#part"),
        ("oci://localhost:5000/team", "oci://localhost:5000/team/"),
        ("s3://runtimes", "s3://runtimes/"),
    ],
)
def test_a_source_has_several_addresses(publisher: Publisher, tmp_path: Path, first: str, second: str) -> None:
    one, two = (require(pin_of(url, access(tmp_path, publisher.root))) for url in (first, second))
    assert one.folder == two.folder
    assert "secret" not in two.source


@pytest.mark.parametrize(
    "other",
    ["http://cdn.example/runtimes", "https://cdn.example:8443/runtimes", "https://cdn.example/other", "runtimes"],
)
def test_other_addresses_are_other_sources(publisher: Publisher, tmp_path: Path, other: str) -> None:
    one, two = (
        require(pin_of(url, access(tmp_path, publisher.root))) for url in ("https://cdn.example/runtimes", other)
    )
    assert one.folder != two.folder


def test_a_folder_is_one_source_through_links_and_as_a_url(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "remote")
    trusted_catalogue(publisher.remote, require(pin_of(publisher.url, access(tmp_path, publisher.root))))
    for url in (tmp_path / "link", tmp_path / "remote" / "." / "", (tmp_path / "remote").as_uri()):
        assert require(pin_of(str(url), access(tmp_path))).is_remembered


def test_a_root_is_remembered_once_it_vouched_for_something(publisher: Publisher, tmp_path: Path) -> None:
    assert pin_of(publisher.url, access(tmp_path)) is None
    assert read_catalogue(publisher.remote, publisher.url, access(tmp_path)) == (publisher.remote.catalogue()[0], False)
    pin = require(pin_of(publisher.url, access(tmp_path, publisher.root)))
    assert not pin.is_remembered
    trusted_catalogue(publisher.remote, pin)
    assert require(pin_of(publisher.url, access(tmp_path))).root == publisher.root.read_bytes()
    assert read_catalogue(publisher.remote, publisher.url, access(tmp_path))[1]


def test_a_later_version_of_the_root_keeps_what_was_seen(publisher: Publisher, tmp_path: Path) -> None:
    pin = require(pin_of(publisher.url, access(tmp_path, publisher.root)))
    older = tmp_path / "older"
    shutil.copytree(publisher.url, older)
    state = change_root(publisher.remote, publisher.pin, Change(), publisher.keys, now())
    publisher.refresh()
    trusted_catalogue(publisher.remote, pin)
    (tmp_path / "second.json").write_bytes(state.root_file)
    again = require(pin_of(publisher.url, access(tmp_path, tmp_path / "second.json")))
    assert again.root == pin.root
    shutil.rmtree(publisher.url)
    older.rename(publisher.url)
    with pytest.raises(TrustError, match="rollback"):
        trusted_catalogue(publisher.remote, again)


def test_another_root_of_the_same_keys_keeps_what_was_seen(publisher: Publisher, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(publisher.url, older)
    publisher.refresh()
    trusted_catalogue(publisher.remote, require(pin_of(publisher.url, access(tmp_path, publisher.root))))
    change_root(publisher.remote, publisher.pin, Change(), publisher.keys, now())
    (tmp_path / "second.json").write_bytes(read_state(publisher.remote, publisher.pin).root_file)
    pin = require(pin_of(publisher.url, access(tmp_path, tmp_path / "second.json")))
    assert pin.root == (tmp_path / "second.json").read_bytes()
    (Path(publisher.url) / "trust" / "timestamp.json").write_bytes((older / "trust" / "timestamp.json").read_bytes())
    with pytest.raises(TrustError, match="rollback"):
        trusted_catalogue(publisher.remote, pin)


@pytest.mark.parametrize("content", [b"", b"{}", b"junk", b" " * 2**20])
def test_a_file_without_a_root_is_refused(publisher: Publisher, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "root.json").write_bytes(content)
    with pytest.raises(ConfigError, match="holds no root"):
        pin_of(publisher.url, access(tmp_path, tmp_path / "root.json"))
    timestamp = Path(publisher.url) / "trust" / "timestamp.json"
    for path in (timestamp, tmp_path / "absent.json", tmp_path):
        with pytest.raises(ConfigError, match="holds no root"):
            pin_of(publisher.url, access(tmp_path, path))


def test_a_remote_tells_whether_it_is_signed(publisher: Publisher) -> None:
    assert is_signed(publisher.remote)
    shutil.rmtree(Path(publisher.url) / "trust")
    assert not is_signed(publisher.remote)
