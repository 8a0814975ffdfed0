from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest

from bundle.base.errors import WorkError
from bundle.base.staging import staged_folder
from bundle.cli.system_errors import explained, require_memory


@pytest.mark.parametrize(
    ("error", "what", "cause"),
    [
        (OSError(errno.ENOSPC, "No space", "/a/b"), "No space left for /a/b.", "disk or the quota"),
        (OSError(errno.EDQUOT, "Quota", b"/a/b"), "No space left for /a/b.", "disk or the quota"),
        (OSError(errno.ENOSPC, "No space"), "No space left for the standard output, or a file.", "disk or the quota"),
        (OSError(errno.EROFS, "Read-only", "/a", None, "/b"), "read or write /b: Read-only.", "belongs to another"),
        (OSError(errno.EFBIG, "Too large", "/a"), "/a grew larger", "ulimit -f"),
        (OSError(errno.EMFILE, "Too many", "/a"), "Too many files are open: /a cannot be opened.", "ulimit -n"),
        (OSError(errno.ENOMEM, "No memory"), "too little memory", "ulimit -v"),
        (BlockingIOError(errno.EAGAIN, "Resource"), "too little memory", "ulimit -u"),
        (MemoryError(), "too little memory", "ulimit -v"),
        (RuntimeError("can't start new thread"), "too little memory", "ulimit -u"),
        (ImportError("x.so: failed to map segment from shared object"), "too little memory", "ulimit -v"),
        (OSError(errno.EIO, "Input/output error", "/a"), "/a: Input/output error.", "OSError"),
        (OSError("something"), "a file: something.", "OSError"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else None,
)
def test_a_failure_of_the_system_says_where_why_and_what_to_do(error: Exception, what: str, cause: str) -> None:
    told = explained(error)
    assert told is not None
    assert what in told.what
    assert cause in (told.cause or "")
    assert told.exit_code == 1


@pytest.mark.parametrize("error", [RuntimeError("other"), ImportError("no module"), ValueError(), KeyError("x")])
def test_a_mistake_is_none(error: Exception) -> None:
    assert explained(error) is None


def test_the_store_is_to_be_shrunk_only_where_its_disk_is_full(tmp_path: Path) -> None:
    here = OSError(errno.ENOSPC, "No space", str(tmp_path / "pydist" / "new"))
    elsewhere = OSError(errno.ENOSPC, "No space", "/proc/new")
    told = [explained(error, store=tmp_path / "cache") for error in (here, elsewhere)]

    assert ["bundle cache prune" in one.remedy for one in told if one] == [True, False]


def test_a_staged_file_is_told_by_the_folder_that_the_user_knows(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large") as caught, staged_folder(tmp_path / "result") as staging:
        raise OSError(errno.EFBIG, "File too large", str(staging / "lib" / "x"))
    told = explained(caught.value)
    assert told is not None
    assert told.what.startswith(f"{tmp_path}/result grew")


@pytest.mark.parametrize(("limit", "enough"), [(2**27, False), (2**30, True), (resource.RLIM_INFINITY, True)])
def test_a_limit_that_leaves_no_memory_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, limit: int, enough: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    if enough:
        require_memory()
        return
    with pytest.raises(WorkError, match="128 MiB"):
        require_memory()
