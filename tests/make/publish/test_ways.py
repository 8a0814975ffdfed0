"""Publishing by real processes and to real servers: at the same time, killed, with credentials around."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from secrets import token_hex
from threading import Barrier, Event

import pytest

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.artifacts.remotes.published import Blob, PublishedCatalogue
from bundle.artifacts.remotes.remote import Remote
from bundle.artifacts.trust.client import trusted_catalogue
from bundle.artifacts.trust.signed import catalogue_of
from bundle.base.report import Reporter
from bundle.base.threads import all_of, in_parallel
from bundle.make.publish.candidates import candidate_of, entries_of
from bundle.make.publish.publish import publish
from tests.artifacts.remotes.stores import SECRET, address, registry, s3
from tests.artifacts.trust.publisher import Publisher
from tests.make.projects import SmallProject, leftovers
from tests.make.publish.built import Built

pytestmark = pytest.mark.real

ROUNDS = 10
KILLS = 4


@pytest.fixture(params=["folder", "s3", "gs", "oci"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new remote."""
    with address(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return Built(tmp_path / "project")


def opened(url: str) -> Remote:
    return open_writable(url, Access(environ=os.environ, reporter=Reporter()))


def commands(built: Built) -> SmallProject:
    return SmallProject(root=built.project.root, cache=built.store.root, registry="")


def whole(remote: Remote) -> PublishedCatalogue:
    """Return the catalogue, after everything that it names was read and compared."""
    catalogue, _ = remote.catalogue()
    for entry in catalogue.bundles:
        for blob in remote.bundle(entry).blobs:
            assert Blob.of(b"".join(remote.read(blob))) == blob
    return catalogue


def at_once(*actions: Callable[[], None]) -> None:
    """Run all at the same time, and raise the first error."""
    all_of(in_parallel(lambda action: action(), actions, threads=len(actions)))


@pytest.mark.parametrize("trust", [False, True], ids=["unsigned", "signed"])
def test_two_publishers_at_the_same_time_lose_no_entry(built: Built, url: str, tmp_path: Path, *, trust: bool) -> None:
    shared = {"numpy": os.urandom(3000)}
    names = [f"3.12.10-v{number}" for number in range(2 * ROUNDS)]
    for name in names:
        built.bundle(name, {**shared, name: name.encode()})
    entries = entries_of(built.project, names, [])
    ready = [candidate_of(entry, built.project, built.store, substitutes=False) for entry in entries]
    publisher, reader = (Publisher(url, tmp_path / name) for name in ("publisher", "reader"))
    if trust:
        publisher.start()
        reader.folder.mkdir()
        reader.root.write_bytes(publisher.root.read_bytes())
    start = Barrier(2)
    done = Event()

    def run(own: int) -> None:
        remote = opened(url)
        try:
            for number in range(ROUNDS):
                start.wait(600)
                with catalogue_of(remote, url, publisher.access, lambda: publisher.keys) as catalogue:
                    publish([ready[2 * number + own]], remote, reporter=Reporter(), catalogue=catalogue)
        except BaseException:
            start.abort()
            raise
        finally:
            done.set()

    def seen() -> PublishedCatalogue:
        return trusted_catalogue(reader.remote, reader.pin) if trust else reader.remote.catalogue()[0]

    def read() -> None:
        while not done.wait(0.2):
            seen()

    at_once(partial(run, 0), partial(run, 1), read)
    assert sorted(seen().versions()) == sorted(names)
    assert sorted(whole(opened(url)).versions()) == sorted(names)


def test_a_signing_publisher_that_was_killed_leaves_what_clients_accept(built: Built, tmp_path: Path) -> None:
    url, keys, root = str(tmp_path / "remote"), tmp_path / "keys", tmp_path / "root.json"
    built.bundle()
    project = commands(built)
    environ = {"BUNDLE_DATA_DIR": str(tmp_path / "data"), "BUNDLE_TRUST_KEY_FILES": str(keys / "online.pem")}
    made = ("--root-key", str(keys / "root.pem"), "--online-key", str(keys / "online.pem"), "--unencrypted")
    done = project.run("trust", "init", "--to", url, "--save", str(root), *made, environ=environ)
    assert done.code == 0, done.errors
    reader = Publisher(url, tmp_path / "reader")
    reader.folder.mkdir()
    reader.root.write_bytes(root.read_bytes())
    chance = random.Random(6)
    for number in range(8):
        words = ("publish", "3.12.10", "--to", url) if number % 2 == 0 else ("unpublish", "3.12.10", "--from", url)
        project.start(*words, environ=environ).killed_after(chance.uniform(0.3, 1.5))
        assert trusted_catalogue(reader.remote, reader.pin).versions() in ([], ["3.12.10"])
    done = project.run("publish", "3.12.10", "--to", url, environ=environ)
    assert done.code == 0, done.errors
    assert trusted_catalogue(reader.remote, reader.pin).versions() == ["3.12.10"]
    assert whole(opened(url)).versions() == ["3.12.10"]


def test_a_publisher_that_was_killed_leaves_a_readable_remote_and_the_next_goes_on(built: Built, url: str) -> None:
    chance = random.Random(4)
    built.bundle(packages={f"p{number}": os.urandom(2**21) for number in range(8)})
    built.bundle("3.12.10-first")
    project = commands(built)
    assert project.run("publish", "3.12.10-first", "--to", url).code == 0
    for _ in range(KILLS):
        running = project.start("publish", "3.12.10", "--to", url)
        running.killed_after(chance.uniform(0.5, 4))
        # At its last moments it may have written the catalogue.
        assert whole(opened(url)).versions() in (["3.12.10-first"], ["3.12.10", "3.12.10-first"])
    done = project.run("--json", "publish", "3.12.10", "--to", url)
    assert done.code == 0, done.errors
    assert whole(opened(url)).versions() == ["3.12.10", "3.12.10-first"]


def test_a_collection_that_was_killed_is_finished_by_the_next(built: Built, tmp_path: Path) -> None:
    url = str(tmp_path / "remote")
    built.bundle(packages={f"p{number}": os.urandom(5000) for number in range(40)})
    built.bundle("3.12.10-kept")
    project = commands(built)
    assert project.run("publish", "--all", "--to", url).code == 0
    assert project.run("unpublish", "3.12.10", "--from", url).code == 0
    for seconds in (0.6, 1.0, 1.4):
        project.start("gc", "--from", url, "--grace", "0s").killed_after(seconds)
        assert whole(opened(url)).versions() == ["3.12.10-kept"]
    assert project.run("gc", "--from", url, "--grace", "0s").code == 0
    left = [one.kind for one in opened(url).stored() if one.kind != "page"]
    assert sorted(left) == ["blob", "blob", "document"]
    assert leftovers(tmp_path / "remote") == []


def test_a_locked_registry_is_published_to_and_its_password_reaches_no_output(built: Built, tmp_path: Path) -> None:
    built.bundle()
    project = commands(built)
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry", locked=True) as host:
        url = f"oci://{host}/runtimes"
        login = {"ORAS_USER": "publisher", "ORAS_PASS": SECRET}
        refused = project.run("--debug", "publish", "3.12.10", "--to", url, environ=login | {"ORAS_PASS": f"x{SECRET}"})
        first, second, listed, removed, collected = [
            project.run(*words, environ=login)
            for words in (
                ("--debug", "publish", "3.12.10", "--to", url),
                ("--json", "publish", "3.12.10", "--to", url),
                ("catalogue", "list", "--from", url),
                ("unpublish", "3.12.10", "--from", url),
                ("gc", "--from", url),
            )
        ]
    assert [one.code for one in (refused, first, second, listed, removed, collected)] == [3, 0, 0, 0, 0, 2]
    assert '"bytesSent": 0' in second.output
    assert "3.12.10" in listed.output
    outputs = [one.output + one.errors for one in (refused, first, second, listed, removed, collected)]
    assert [SECRET in output for output in outputs] == [False] * len(outputs)


def test_credentials_reach_no_output_and_no_remote(built: Built, tmp_path: Path) -> None:
    built.bundle()
    project = commands(built)
    with s3() as environ:
        url = f"s3://runtimes/{token_hex(4)}"
        outputs = []
        for words in (
            ("publish", "3.12.10", "--to", url),
            ("--json", "catalogue", "list", "--from", url),
            ("--debug", "publish", "3.12.10", "--to", "s3://absent-bucket/x"),
            ("publish", "3.12.10", "--to", f"s3://me:{SECRET}@runtimes/x"),
            ("catalogue", "list", "--from", f"http://me:{SECRET}@127.0.0.1:9/x?sig={SECRET}"),
        ):
            done = project.run(*words, environ=environ)
            outputs.append(done.output + done.errors)
        assert "Sent" in outputs[0]
        assert "absent-bucket" in outputs[2]
        assert [SECRET in output for output in outputs] == [False] * len(outputs)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            remote = opened(url)
            (entry,) = remote.catalogue()[0].bundles
            content = remote.catalogue()[0].to_bytes() + remote.bundle(entry).to_bytes()
    assert SECRET.encode() not in content
    assert str(tmp_path).encode() not in content
