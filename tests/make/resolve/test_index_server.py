from __future__ import annotations

import json
from collections.abc import Iterable
from threading import Event, Thread

import pytest
from packaging.version import Version

from bundle.base.errors import WorkError
from bundle.make.resolve.index_server import EndedError, LongWork, Served


class Index:
    """Two versions of one package; the metadata of the second need a build that fails."""

    def __init__(self) -> None:
        self.long_work = LongWork()

    def versions(self, name: str) -> Iterable[Version] | None:
        return [Version("1.0"), Version("2.0")] if name == "a-b" else None

    def metadata(self, name: str, version: Version) -> bytes:
        if version == Version("1.0"):
            return f"Name: {name}\n".encode()
        with self.long_work.turn():
            raise WorkError(f"{name} {version} does not build.")


def test_a_page_lists_one_wheel_with_metadata_for_each_version() -> None:
    status, _, body = Served(Index(), "").answer("/simple/A_B/")

    assert status == 200
    files = json.loads(body)["files"]
    assert [file["filename"] for file in files] == ["a_b-1.0-py3-none-any.whl", "a_b-2.0-py3-none-any.whl"]
    assert all(file["core-metadata"] for file in files)


@pytest.mark.parametrize("path", ["/simple/unknown/", "/files/a_b-1.0-py3-none-any.whl", "/"])
def test_there_is_nothing_else(path: str) -> None:
    assert Served(Index(), "").answer(path)[0] == 404


def test_metadata_are_answered_by_the_name_of_the_wheel() -> None:
    assert Served(Index(), "").answer("/files/a_b-1.0-py3-none-any.whl.metadata") == (200, "text/plain", b"Name: a-b\n")


def test_the_first_failure_is_kept_and_no_other_work_begins_after_it() -> None:
    index = Index()
    served = Served(index, "")
    with index.long_work.allowed():
        assert served.answer("/files/a_b-2.0-py3-none-any.whl.metadata")[0] == 500
        with pytest.raises(EndedError), index.long_work.turn():
            pass
        assert served.answer("/files/a_b-2.0-py3-none-any.whl.metadata")[0] == 500

    assert isinstance(served.failure, WorkError)
    assert served.failure.what == "a-b 2.0 does not build."


def test_no_work_begins_when_nobody_waits_for_it() -> None:
    work = LongWork()

    with pytest.raises(EndedError), work.turn():
        pass
    with work.allowed(), work.turn():
        pass
    with pytest.raises(EndedError), work.turn():
        pass


def test_the_end_waits_for_the_piece_that_runs() -> None:
    work = LongWork()
    started, go = Event(), Event()
    done: list[str] = []

    def piece() -> None:
        with work.turn():
            started.set()
            go.wait()
            done.append("piece")

    with work.allowed():
        Thread(target=piece, daemon=True).start()
        started.wait()
        go.set()
    done.append("end")

    assert done == ["piece", "end"]


def test_an_interrupted_end_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.make.resolve.index_server._PATIENCE", 0.0)
    work = LongWork()
    started, go = Event(), Event()

    def piece() -> None:
        with work.turn():
            started.set()
            go.wait()

    def interrupted() -> None:
        with work.allowed():
            Thread(target=piece, daemon=True).start()
            started.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    go.set()
