"""Where environments of one interpreter are made: a folder with an empty one, which uv has made, and with a copy of it.

uv asks an interpreter about itself at each path where it has not seen one, which takes as long as an installation. So
environments are made at one path and moved to their own. Imports little: the start of a program may wait for it.
"""

from __future__ import annotations

import os

from bundle.base.processes.lock import Lock, take
from bundle.run.environments.start import (
    LOCK_COPY,
    MARKER,
    SCRIPTS,
    SUFFIX,
    read_bytes,
    stamp,
    write_whole,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bundle.run.environments.start import Record

FOLDER = "interpreters"
"""The folder of these places among the environments; it also holds what interpreters have answered."""

FORMAT = 1
"""Raised when environments are made in another way, so that those of before are found no more."""

IDENTITY = ".identity.json"
"""The file in an environment that says what it was made from."""

CONTENT, TIME = "<content of the lock>", "<time of the lock>"
"""Stand in an identity for what changes with the lock."""

_LIBC = "CS_GNU_LIBC_VERSION"

OPTIONS = ("--require-hashes", "--requirements")
"""How uv installs from a lock, whose path follows."""


class Place:
    """The place where environments of an interpreter are made, one after the other.

    Args:
        folder: is made if it is not there.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.empty = f"{folder}/empty"
        self.new = f"{folder}/new"

    def take(self) -> Lock | None:
        """Return the lock on the new environment; None if another process is making one."""
        os.makedirs(self.folder, exist_ok=True)  # noqa: PTH103
        try:
            return take(f"{self.new}.lock", timeout=0, waiting=len)
        except TimeoutError:
            return None

    def is_prepared(self) -> bool:
        """Return whether the empty environment is there."""
        return os.path.exists(python_of(self.empty))  # noqa: PTH110


def place_name(executable: str, uv: str, variables: Mapping[str, str]) -> str:
    """Return the name of the place for an interpreter, from which uv with some variables makes environments."""
    from hashlib import sha256

    what = "\0".join([executable, stamp(executable), uv, stamp(uv)])
    return f"{sha256(os.fsencode(what)).hexdigest()[:32]}-{settings(variables)}"


def settings(variables: Mapping[str, str]) -> str:
    """Return a number that stands for the settings of uv among some variables, which may be secret."""
    from binascii import crc32

    found = sorted(f"{name}={value}" for name, value in variables.items() if name.startswith("UV_"))
    return f"{crc32(os.fsencode(chr(0).join(found))):08x}"


def installer_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a command's variables with those that let uv download no interpreter and print plain text."""
    features = filter(None, [variables.get("UV_PREVIEW_FEATURES"), "pylock"])
    return {
        **variables,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_PREVIEW_FEATURES": ",".join(features),
        "NO_COLOR": "1",
    }


def has_distributions(environ: Mapping[str, str]) -> bool:
    """Return whether the cache of uv holds any distribution, so that it may have all of a lock."""
    if os.name != "posix":
        return True  # Its place is another one there.
    home = environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    try:
        return any(name.startswith("archive-") for name in os.listdir(environ.get("UV_CACHE_DIR") or f"{home}/uv"))  # noqa: PTH208
    except OSError:
        return False


def copy_small(source: str, target: str) -> None:
    """Copy a folder with a few small files and links."""
    os.mkdir(target)  # noqa: PTH102
    with os.scandir(source) as entries:
        for entry in entries:
            path = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)  # noqa: PTH115, PTH211
            elif entry.is_dir():
                copy_small(entry.path, path)
            else:
                with open(entry.path, "rb") as file, open(path, "wb") as copy:  # noqa: PTH123
                    copy.write(file.read())
                os.chmod(path, entry.stat().st_mode & 0o777)  # noqa: PTH101


def answer_place(memory: str, executable: str) -> tuple[str, list[str]]:
    """Return the file that keeps what an interpreter has answered, and the key that the answer is valid for."""
    from binascii import crc32

    executable = os.path.abspath(executable)  # noqa: PTH100 - no link is followed
    # The second file decides which Python a virtual environment stands for.
    files = (executable, os.path.join(os.path.dirname(executable), "..", "pyvenv.cfg"))  # noqa: PTH118, PTH120
    key = [executable, c_library(), *map(stamp, files)]
    return os.path.join(memory, f"{crc32(os.fsencode(executable)):08x}.json"), key  # noqa: PTH118


def c_library() -> str:
    """Return the version of the C library of this machine, empty if it does not say it."""
    return os.confstr(_LIBC) or "" if _LIBC in getattr(os, "confstr_names", ()) else ""


class Making:
    """An environment that is being made in haste, out of uv's cache, under the locks that all makers hold.

    Args:
        root: the folder of the environments.
        identity: of the environment.
        pylock: the path of the lock that it is made from.
        content: of that lock.
    """

    def __init__(self, root: str, identity: str, pylock: str, content: bytes) -> None:
        from hashlib import sha256

        self.name = sha256(os.fsencode(identity)).hexdigest()[:32]
        self.folder = f"{root}/{self.name}"
        self._identity = identity
        self._pylock, self._content = pylock, content
        self._held: list[Lock] = []
        self._place: Place | None = None
        self._installer = 0
        self._umask: int | None = None

    @property
    def is_made(self) -> bool:
        """Whether the environment is there already."""
        return os.path.exists(f"{self.folder}/{MARKER}")  # noqa: PTH110

    def begin(self, place: Place, uv: str, env: Mapping[str, str], base: str, python: str = "") -> bool:
        """Begin to install; return whether nothing was in the way.

        Args:
            base: the folder that uv runs in.
            python: the interpreter that the empty environment is made from; if empty, it has to be there.

        Raises:
            OSError, TimeoutError: something is in the way, such as another process that makes the same.
        """
        from bundle.base.processes.become import begin_silently, end_of

        self._umask = os.umask(0o077)
        os.umask(self._umask | 0o022)
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)  # noqa: PTH103, PTH120
        self._held.append(take(f"{self.folder}.lock", timeout=0, waiting=len))
        if os.path.lexists(self.folder) or (lock := place.take()) is None:
            return False
        self._held.append(lock)
        if os.path.lexists(place.new):
            return False
        self._place = place
        inherited = [one.descriptor for one in self._held]
        if not place.is_prepared():
            if not python or os.path.lexists(place.empty):
                return False
            words = [uv, "venv", "--relocatable", "--no-project", "--python", python, place.new]
            if end_of(begin_silently(words, env=env, folder=base, inherited=inherited)) != 0:
                return False
            os.rename(place.new, place.empty)  # noqa: PTH104
        copy_small(place.empty, place.new)
        write_whole(f"{place.new}/{IDENTITY}", os.fsencode(self._identity))
        words = [uv, "pip", "install", "--offline", "--python", python_of(place.new), *OPTIONS, self._pylock]
        self._installer = begin_silently(words, env=env, folder=base, inherited=inherited)
        return True

    def finish(self) -> bool:
        """Wait for the installer and mark what it made as ready; return whether all went well.

        Raises:
            OSError: something is in the way.
        """
        from bundle.base.processes.become import end_of

        if self._place is None or not self._installer:
            return False
        installer, self._installer = self._installer, 0
        if end_of(installer) != 0:
            return False
        new = self._place.new
        if read_bytes(self._pylock) != self._content or not os.path.exists(python_of(new)):  # noqa: PTH110
            return False
        write_whole(f"{new}/{LOCK_COPY}", self._content)
        os.rename(new, self.folder)  # noqa: PTH104
        write_whole(f"{self.folder}/{MARKER}", b"")
        return True

    def close(self) -> None:
        """End the installer if it still runs, and remove what was not finished."""
        from bundle.base.processes.become import end

        if self._installer:
            end(self._installer)
        if self._place is not None and os.path.lexists(self._place.new):
            from shutil import rmtree

            rmtree(self._place.new, ignore_errors=True)
        if self._umask is not None:
            os.umask(self._umask)
        for one in self._held:
            one.release()


def python_of(folder: str) -> str:
    """Return the interpreter of an environment."""
    return f"{folder}/{SCRIPTS}/python{SUFFIX}"


def renew(root: str, record: Record, content: bytes, time: int, environ: Mapping[str, str]) -> Record | None:
    """Make the environment of a command of which only the lock is new, from uv's cache.

    Args:
        root: the folder of the environments.
        record: what is known of the command.
        content: the lock.
        time: when the lock was changed, in nanoseconds.

    Returns:
        What is then known of the command; None if it takes more, such as the network, or if anything failed.
    """
    from hashlib import sha256

    uv, place_of, pattern = record.making
    # In an identity, a quotation mark within a text has a backslash before it.
    identity = pattern.replace(f'"{CONTENT}"', f'"{sha256(content).hexdigest()}"').replace(f'"{TIME}"', str(time))
    place = Place(f"{root}/{FOLDER}/{place_of}")
    env = installer_variables(record.variables(place.new, environ))
    if not place_of.endswith(settings(env)):
        return None
    making = Making(root, identity, record.pylock[0], content)
    renewed = record.with_lock(making.name, str(time))
    if making.is_made:
        return renewed
    try:
        base = os.path.dirname(record.subject[0])  # noqa: PTH120
        return renewed if making.begin(place, uv, env, base) and making.finish() else None
    except (OSError, TimeoutError):
        return None
    finally:
        making.close()
