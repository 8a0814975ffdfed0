from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.remote import MissingBlobError, ReadableRemote, ReadOnlyError
from bundle.artifacts.store.store import Store
from bundle.artifacts.work import Machine
from bundle.base.errors import ConfigError, IntegrityError, InterruptedRunError, NetworkError
from bundle.base.report import Reporter
from bundle.make.cluster.remote_build import Said
from bundle.make.cluster.results import fetch_results, results_remote, send_results


@dataclass
class Attempt:
    """The attempt of a build that has nothing to tell."""

    root: Path
    name: str = "build"
    attempt: int = 1
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        store = Store(self.root / "cache", reporter=Reporter())
        self.machine = Machine(platform=None, environ={}, store=store, data=self.root, root=self.root)
        self.folder = self.results = self.root

        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def tell(self, value: Any) -> None:
        raise AssertionError(value)

    def receive(self, seconds: float) -> Any:
        raise AssertionError(seconds)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_document_of_a_command_is_told_from_its_lines(size: int, tmp_path: Path) -> None:
    attempt = Attempt(tmp_path)
    said = Said(attempt)
    output = b'building\n{\n  "bundles": [\n    {}\n  ]\n}\nException ignored in: <file>\nlast'
    for first in range(0, len(output), size):
        said.feed(output[first : first + size])
    said.end()
    assert said.document() == {"bundles": [{}]}
    assert attempt.said == ["building", "Exception ignored in: <file>", "last"]


def test_lines_without_a_document_are_all_told(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path)
    said = Said(attempt)
    said.feed(b'one\n{\n  "bundles": [\nKilled\n')
    said.end()
    assert said.document() == {}
    assert attempt.said == ["one", "{", '  "bundles": [', "Killed"]


def files(folder: Path) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    contents = {"a.tar.zst": b"a" * 3_000_000, ".state/a.json": b"{}", "empty": b""}
    found = {}
    for number, (name, content) in enumerate(contents.items()):
        found[name] = folder / str(number)
        found[name].write_bytes(content)
    return found


def opened(location: str) -> tuple[str, ReadableRemote]:
    return results_remote(location, Access(environ={}, reporter=Reporter()))


def test_files_come_back_through_a_folder(tmp_path: Path) -> None:
    address, remote = opened(str(tmp_path / "remote"))
    made = files(tmp_path / "made")
    sent = send_results(made, address, Attempt(tmp_path))
    fetch_results(sent, remote, tmp_path / "fetched")
    assert {name: (tmp_path / "fetched" / name).read_bytes() for name in made} == {
        name: path.read_bytes() for name, path in made.items()
    }


def test_what_the_remote_has_is_not_sent_again(tmp_path: Path) -> None:
    address, _ = opened(str(tmp_path / "remote"))
    first = send_results(files(tmp_path / "made"), address, Attempt(tmp_path))
    blobs = sorted((tmp_path / "remote" / "blobs").rglob("*"))
    states = [path.stat().st_ino for path in blobs]
    assert send_results(files(tmp_path / "made"), address, Attempt(tmp_path)) == first
    assert [path.stat().st_ino for path in blobs] == states


def test_a_file_that_was_changed_in_the_remote_is_refused(tmp_path: Path) -> None:
    address, remote = opened(str(tmp_path / "remote"))
    sent = send_results(files(tmp_path / "made"), address, Attempt(tmp_path))
    digest = sent["a.tar.zst"].sha256
    (tmp_path / "remote" / "blobs" / "sha256" / digest[:2] / digest).write_bytes(b"b" * 3_000_000)
    with pytest.raises(IntegrityError, match="other bytes of"):
        fetch_results(sent, remote, tmp_path / "fetched")
    assert not (tmp_path / "fetched" / "a.tar.zst").exists()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    _, remote = opened(str(tmp_path / "remote"))
    with pytest.raises(MissingBlobError):
        fetch_results({"a": Blob.of(b"a")}, remote, tmp_path / "fetched")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b"])
def test_a_file_that_would_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    address, remote = opened(str(tmp_path / "remote"))
    sent = send_results(files(tmp_path / "made"), address, Attempt(tmp_path))
    with pytest.raises(IntegrityError, match="names a result"):
        fetch_results({name: sent["a.tar.zst"]}, remote, tmp_path / "fetched")
    assert not (tmp_path / "a").exists()


def test_a_build_that_has_to_end_sends_nothing_more(tmp_path: Path) -> None:
    address, _ = opened(str(tmp_path / "remote"))
    attempt = Attempt(tmp_path)
    attempt.stopped.set()
    with pytest.raises(InterruptedRunError):
        send_results(files(tmp_path / "made"), address, attempt)
    assert not [path for path in (tmp_path / "remote").rglob("*") if path.is_file()]


def test_a_path_is_the_same_on_all_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert opened("remote")[0] == str(tmp_path / "remote")


def test_a_web_server_takes_no_results() -> None:
    with pytest.raises(ReadOnlyError, match="can only be read"):
        opened("https://example.org/bundles")


def test_credentials_do_not_go_to_workers() -> None:
    with pytest.raises(ConfigError, match="holds credentials") as caught:
        opened("oci://me:hunter2@example.org/bundles")
    assert "hunter2" not in caught.value.as_text()


def test_offline_there_is_no_way_through_a_network() -> None:
    with pytest.raises(NetworkError, match="--offline"):
        results_remote("s3://bucket/bundles", Access(environ={}, reporter=Reporter(), offline=True))
