"""The start of a command in an environment that is ready: its words, its variables, the record that finds it again.

The start of a program waits for this module, so it imports nothing that takes time: no dataclasses, paths, JSON or
hashes, each of which costs as much as the interpreter itself.
"""

from __future__ import annotations

import os

from bundle.artifacts.python_variables import MISLEADING
from bundle.base.processes.lock import attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bundle.base.processes.lock import Lock

DEFAULT_PYTHON = "3.13"
"""For commands that name no version."""

MARKER = ".provisioned"
"""The file that is made last; its time tells the last use."""

LOCK_COPY = ".pylock.toml"
"""The lock that an environment was made from."""

SCRIPTS, SUFFIX = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")

_FORMAT = b"2"

_DECISIVE = (
    *("PATH", "HOME", "USERPROFILE", "PYENV_ROOT", "XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR", "BUNDLE_DATA_DIR"),
)
"""Variables that decide which interpreter is found."""


def program_of(folder: str, words: Sequence[str], base: str) -> list[str]:
    """Return the words that are started: a script of the environment, or its interpreter with all words.

    Args:
        words: the first is a script, an option of the interpreter, or a file.
        base: the folder of the application file; a file is looked for there first.
    """
    first, *others = words
    scripts = f"{folder}/{SCRIPTS}"
    if "/" not in first and os.sep not in first and not first.startswith("-"):
        for name in dict.fromkeys((first, first + SUFFIX)):
            if os.access(f"{scripts}/{name}", os.X_OK) and not os.path.isdir(f"{scripts}/{name}"):  # noqa: PTH112
                return [f"{scripts}/{name}", *others]
    if os.path.isfile(beside := os.path.join(base, first)):  # noqa: PTH113, PTH118
        first = beside
    return [f"{scripts}/python{SUFFIX}", first, *others]


def variables_of(
    folder: str,
    environ: Mapping[str, str],
    *,
    prepended: Iterable[str],
    below: Mapping[str, str],
    above: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment variables of a command.

    Args:
        environ: those of the person who starts it.
        prepended: folders behind the environment's own on PATH.
        below: variables that hold unless the person has set others.
        above: variables that are applied last.
    """
    folders = [f"{folder}/{SCRIPTS}", *prepended, *filter(None, [environ.get("PATH", os.defpath)])]
    own = {name: value for name, value in environ.items() if name not in MISLEADING}
    return {**below, **own, "VIRTUAL_ENV": folder, "PATH": os.pathsep.join(folders), **above}


def enter(folder: str) -> Lock | None:
    """Return the lock that keeps an environment from being removed while it is used; None if it is not ready.

    Where no lock can be had, such as in a cache that is read-only, the lock has no descriptor.
    """
    lock: Lock | None
    try:
        lock = attempt(f"{folder}.lock", shared=True)
    except OSError:
        from bundle.base.processes.lock import Lock

        lock = Lock(f"{folder}.lock", -1)
    if lock is None:
        return None
    try:
        os.utime(f"{folder}/{MARKER}")
    except FileNotFoundError:
        if lock.descriptor >= 0:
            lock.release()
        return None
    except OSError:
        pass  # A cache that is only readable stays as it is.
    if lock.descriptor >= 0:
        os.set_inheritable(lock.descriptor, True)
    return lock


def host() -> str:
    """Return the name of this machine."""
    return os.uname().nodename if os.name == "posix" else os.environ.get("COMPUTERNAME", "")


def stamp(path: str) -> str:
    """Return what changes whenever a file or the list of a folder's files changes; empty if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return ""
    return f"{found.st_mode} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def circumstances(environ: Mapping[str, str]) -> list[str]:
    """Return what decides, apart from files, which environment a command has."""
    return [host(), *(f"{name}={environ[name]}" for name in _DECISIVE if name in environ)]


def record_path(root: str, application: str, command: str, environ: Mapping[str, str]) -> str:
    """Return the place of a command's record; two commands may share one, so a record says whose it is."""
    from binascii import crc32

    key = crc32(os.fsencode("\0".join([application, command, *circumstances(environ)])))
    return f"{root}/starts/{key:08x}"


class Record:
    """What a start needs to know of a command whose environment is ready, and what must not have changed.

    Its parts are texts, so that it is read without a parser: `lists` holds them.
    """

    NAMES = ("subject", "circumstances", "pylock", "stamps", "words", "prepended", "below", "above", "making")

    def __init__(self, content: bytes, lists: Sequence[Sequence[str]]) -> None:
        self.content = content
        """The application file."""
        (
            self.subject,
            self.circumstances,
            self.pylock,
            self.stamps,
            self.words,
            self.prepended,
            self.below,
            self.above,
            self.making,
        ) = lists
        """`making` holds uv, the place and the identity for another lock; it is empty if others of them are needed."""

    def with_lock(self, name: str, time: str) -> Record:
        """Return it for another time of the lock, and another environment."""
        lists = [getattr(self, each) for each in self.NAMES]
        lists[0], lists[2] = [*self.subject[:2], name], [self.pylock[0], time]
        return Record(self.content, lists)

    def variables(self, folder: str, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of the command in an environment."""
        below, above = (dict(zip(part[::2], part[1::2], strict=True)) for part in (self.below, self.above))
        return variables_of(folder, environ, prepended=self.prepended, below=below, above=above)

    def dump(self) -> bytes:
        """Return the form of a record that a file holds."""
        parts = [_FORMAT]
        for name in self.NAMES:
            texts = [os.fsencode(text) for text in getattr(self, name)]
            parts += [b"%d" % len(texts), *texts]
        return b"\0".join([*parts, self.content])


def read_record(path: str) -> Record | None:
    """Return a record; None if there is none, or none that can be read."""
    try:
        content = read_bytes(path)
        version, rest = content.split(b"\0", 1)
        if version != _FORMAT:
            return None
        lists = []
        for _ in Record.NAMES:
            count, rest = rest.split(b"\0", 1)
            *texts, rest = rest.split(b"\0", int(count))
            lists.append([os.fsdecode(text) for text in texts])
        return Record(rest, lists)
    except (OSError, ValueError):
        return None


def write_whole(path: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    beside = f"{path}.{os.getpid()}"
    with open(beside, "wb") as file:  # noqa: PTH123
        file.write(content)
    os.replace(beside, path)  # noqa: PTH105


def read_bytes(path: str) -> bytes:
    """Return the content of a file, at most 64 MiB of it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        if os.fstat(descriptor).st_mode & 0o170000 != 0o100000:
            raise OSError(f"{path} is no regular file")
        parts = []
        while part := os.read(descriptor, 2**24):
            parts.append(part)
            if len(parts) > 2**10:
                raise OSError(f"{path} is too large")
        return b"".join(parts)
    finally:
        os.close(descriptor)


def is_private(root: str) -> bool:
    """Return whether no other user can have put anything into the folder of the environments."""
    if os.name != "posix":
        return True
    for folder in (root, os.path.dirname(root)):  # noqa: PTH120
        found = os.stat(folder)  # noqa: PTH116
        if found.st_uid not in (0, os.geteuid()) or (found.st_mode & 0o022 and not found.st_mode & 0o1000):
            return False
    return True
