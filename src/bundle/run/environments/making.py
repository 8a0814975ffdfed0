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

IDENTITY = ".identity.json"
"""The file in an environment that says what it was made from."""

CONTENT, TIME = "<content of the lock>", "<time of the lock>"
"""Stand in an identity for what changes with the lock."""

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
        return os.path.exists(f"{self.empty}/{SCRIPTS}/python{SUFFIX}")  # noqa: PTH110


def place_name(executable: str, uv: str, variables: Mapping[str, str]) -> str:
    """Return the name of the place for an interpreter, from which uv with some variables makes environments."""
    from hashlib import sha256

    what = "\0".join([executable, stamp(executable), uv, stamp(uv)])
    return f"{sha256(os.fsencode(what)).hexdigest()[:32]}-{_settings(variables)}"


def _settings(variables: Mapping[str, str]) -> str:
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
    name = sha256(os.fsencode(identity)).hexdigest()[:32]
    folder, place = f"{root}/{name}", Place(f"{root}/{FOLDER}/{place_of}")
    renewed = record.with_lock(name, str(time))
    held: list[Lock] = []
    umask = os.umask(0o077)
    os.umask(umask | 0o022)
    try:
        held.append(take(f"{folder}.lock", timeout=0, waiting=len))
        if os.path.exists(f"{folder}/{MARKER}"):  # noqa: PTH110
            return renewed
        if os.path.lexists(folder) or not place.is_prepared() or (lock := place.take()) is None:
            return None
        held.append(lock)
        if os.path.lexists(place.new):
            return None
        env = installer_variables(record.variables(place.new, environ))
        if not place_of.endswith(_settings(env)):
            return None
        copy_small(place.empty, place.new)
        write_whole(f"{place.new}/{IDENTITY}", os.fsencode(identity))
        pylock, python = record.pylock[0], f"{place.new}/{SCRIPTS}/python{SUFFIX}"
        words = [uv, "pip", "install", "--offline", "--python", python, *OPTIONS, pylock]
        from bundle.base.processes.become import silently

        base = os.path.dirname(record.subject[0])  # noqa: PTH120
        if silently(words, env=env, folder=base, inherited=[one.descriptor for one in held]) != 0:
            return None
        if read_bytes(pylock) != content or not os.path.exists(python):  # noqa: PTH110
            return None
        write_whole(f"{place.new}/{LOCK_COPY}", content)
        os.rename(place.new, folder)  # noqa: PTH104
        write_whole(f"{folder}/{MARKER}", b"")
    except (OSError, TimeoutError):
        return None
    else:
        return renewed
    finally:
        os.umask(umask)
        for one in held:
            one.release()
