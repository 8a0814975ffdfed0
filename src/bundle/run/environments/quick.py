"""The start of a command that is known, without any module that takes time to import."""

from __future__ import annotations

import os

from bundle.artifacts.store.environment_place import environments_folder
from bundle.run.environments.start import (
    LOCK_COPY,
    circumstances,
    enter,
    is_private,
    program_of,
    read_bytes,
    read_record,
    record_path,
    stamp,
    write_whole,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def start_ready(application: str, command: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Become the program of a command whose environment is ready, or new in nothing but its lock; None otherwise.

    Returns:
        On Windows, which cannot replace a process, the program's exit code.
    """
    application = os.path.abspath(application)  # noqa: PTH100
    root = environments_folder(environ)
    record = read_record(record_path(root, application, command, environ))
    if record is None or record.subject[:2] != [application, command]:
        from bundle.run.environments.unseen import start_unseen

        start_unseen(application, command, arguments, environ)
        return None
    try:
        known = (
            record.circumstances == circumstances(environ)
            and record.content == read_bytes(application)
            and all(stamp(path) == known for path, known in zip(record.stamps[::2], record.stamps[1::2], strict=True))
            and is_private(root)
        )
        if not known:
            return None
        pylock, mtime = record.pylock
        time, content = os.stat(pylock).st_mtime_ns, read_bytes(pylock)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    folder = f"{root}/{record.subject[2]}"
    if mtime != str(time) or not _holds(f"{folder}/{LOCK_COPY}", content) or enter(folder) is None:
        if not record.making:
            return None
        from bundle.run.environments.making import renew

        renewed = renew(root, record, content, time, environ)
        folder = f"{root}/{renewed.subject[2]}" if renewed else ""
        if renewed is None or enter(folder) is None:
            return None
        try:
            write_whole(record_path(root, application, command, environ), renewed.dump())
        except OSError:
            return None
    from bundle.base.processes.become import become

    words = program_of(folder, [*record.words, *arguments], os.path.dirname(application))  # noqa: PTH120
    return become(words, env=record.variables(folder, environ))


def _holds(path: str, content: bytes) -> bool:
    try:
        return read_bytes(path) == content
    except OSError:
        return False
