from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.base.files import NO_LOCKS
from bundle.base.processes.lock import attempt, holder, take


def test_one_has_the_lock_or_several_share_it(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    first = attempt(path)
    assert first is not None
    assert attempt(path) is None
    assert attempt(path, shared=True) is None
    first.release()
    readers = [attempt(path, shared=True) for _ in range(2)]
    assert attempt(path) is None
    for reader in readers:
        assert reader is not None
        reader.release()
    last = attempt(path)
    assert last is not None
    last.remove()
    assert not Path(path).exists()


def test_a_lock_whose_file_was_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.lock"
    lock, removals = fcntl.flock, [path.unlink]

    def removed_before(descriptor: int, operation: int) -> None:
        while removals:
            removals.pop()()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    found = attempt(str(path))
    assert found is not None
    assert os.path.samestat(path.stat(), os.fstat(found.descriptor))
    found.release()


def test_a_wait_ends_in_time_and_names_the_holder(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    told: list[str] = []
    first = take(path, timeout=None, waiting=told.append)
    with pytest.raises(TimeoutError, match=f"process {os.getpid()} "):
        take(path, timeout=0.7, waiting=told.append)
    assert len(told) == 1
    first.release()
    take(path, timeout=0, waiting=told.append).release()
    assert len(told) == 1


@pytest.mark.parametrize("text", ["", "nonsense", "\0\0", "12a\nx"])
def test_an_unreadable_holder_is_another_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.lock").write_text(text)
    assert holder(str(tmp_path / "a.lock")) == "another process"


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks") as caught:
        attempt(str(tmp_path / "a.lock"))
    assert caught.value.errno in NO_LOCKS


@pytest.mark.real
def test_a_program_that_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    path = str(tmp_path / "a.lock")
    lock = take(path, timeout=None, waiting=print)
    waits = "import sys; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(lock.descriptor,),
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.close(lock.descriptor)
        assert attempt(path) is None
        child.communicate(b"")
    last = attempt(path)
    assert last is not None
    last.release()
