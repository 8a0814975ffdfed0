"""Failures of the system and of Python itself, each as an error that says what to do."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.staging import final_place


@dataclass(frozen=True)
class _Meaning:
    """What an error number means; `{where}` is the file or folder, `{why}` the system's own words.

    `{prune}` stands where the store may be shrunk if it is on the same disk.
    """

    what: str
    cause: str
    remedy: str


_PRUNE = " (`bundle cache prune` removes what was not used for a month)"

_NO_SPACE = _Meaning(
    "No space left for {where}.",
    "The disk or the quota is full.",
    "Free some space there{prune}, or name a folder on another disk (--output, BUNDLE_CACHE_DIR, TMPDIR), then run "
    "again.",
)
_NO_PERMISSION = _Meaning(
    "No permission to read or write {where}: {why}.",
    "The folder is read-only or belongs to another user.",
    "Choose another folder (--output, BUNDLE_CACHE_DIR) or change its permissions.",
)
_TOO_LARGE = _Meaning(
    "{where} grew larger than a file may be here.",
    "A limit of this user (`ulimit -f`), or of the file system.",
    "Raise the limit, or name a folder on another file system (--output, BUNDLE_CACHE_DIR), then run again.",
)
_TOO_MANY_FILES = _Meaning(
    "Too many files are open: {where} cannot be opened.",
    "A limit of this user (`ulimit -n`), or of the machine.",
    "Raise the limit to 256 or more, then run again.",
)
_NO_MEMORY = _Meaning(
    "There is too little memory, or no process and thread more is allowed.",
    "The machine or the container is small or busy, or a limit of this user is low (`ulimit -v`, `ulimit -u`).",
    "End other programs, or raise the limit, then run again.",
)

_MEANINGS: Mapping[int, _Meaning] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _NO_SPACE),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _NO_PERMISSION),
    errno.EFBIG: _TOO_LARGE,
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _TOO_MANY_FILES),
    **dict.fromkeys((errno.ENOMEM, errno.EAGAIN), _NO_MEMORY),
}

_UNNUMBERED = (
    (MemoryError, r"", errno.ENOMEM),
    (RuntimeError, r"can't start new thread", errno.EAGAIN),
    (ImportError, r"failed to map segment|[Cc]annot allocate memory", errno.ENOMEM),
    (ImportError, r"Too many open files|cannot open shared object file: Error 24", errno.EMFILE),
)
"""Errors of Python that stand for one of the system."""


_LEAST_MEMORY = 2**28
"""Bytes of address space below which native libraries end the process in place of raising an error."""


def require_memory() -> None:
    """Refuse to work where a limit leaves too little memory for an error to be told.

    Raises:
        WorkError: there is such a limit.
    """
    if sys.platform == "win32":
        return
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < _LEAST_MEMORY:
        raise WorkError(
            f"There is too little memory: a limit allows {limit >> 20} MiB of address space.",
            cause="A limit of this user (`ulimit -v`) or of a service.",
            remedy=f"Raise it, to {_LEAST_MEMORY >> 18} MiB or more, then run again.",
        )


def explained(error: BaseException, *, store: Path | None = None) -> WorkError | None:
    """Return a failure of the system, or of Python for want of memory, in the user's terms; None for another error.

    Args:
        store: the store's folder, whose entries may be removed where its disk is full.
    """
    if isinstance(error, OSError):
        # Of two files, the second is the one to be written.
        named = error.filename2 or error.filename
        number, why = error.errno or 0, error.strerror or str(error)
    else:
        named, why = None, str(error)
        fitting = (number for kind, text, number in _UNNUMBERED if isinstance(error, kind) and re.search(text, why))
        number = next(fitting, 0)
        if not number:
            return None
    where = (
        final_place(Path(os.fsdecode(named))) if isinstance(named, str | bytes) else "the standard output, or a file"
    )
    if meaning := _MEANINGS.get(number):
        prune = _PRUNE if isinstance(where, Path) and store is not None and _on_one_disk(where, store) else ""
        remedy = meaning.remedy.format(prune=prune)
        return WorkError(meaning.what.format(where=where, why=why), cause=meaning.cause, remedy=remedy)
    return WorkError(f"{where}: {why}.", cause=f"The system said {type(error).__name__}.")


def _on_one_disk(path: Path, other: Path) -> bool:
    """Return whether two paths, or what there is above them, are on the same file system."""
    disks = []
    for place in (path.absolute(), other.absolute()):
        with suppress(OSError):
            disks.append(next(one for one in (place, *place.parents) if one.exists()).stat().st_dev)
    return len(disks) == 2 and disks[0] == disks[1]
