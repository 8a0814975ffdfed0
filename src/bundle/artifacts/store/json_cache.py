"""Small values by key, one JSON file each; a value that is missing, damaged or wrong is made anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from bundle.artifacts.store.scratch import touch
from bundle.base.errors import IntegrityError
from bundle.base.files import canonical_json, read_regular
from bundle.base.folders import remove_tree
from bundle.base.staging import write_atomically

Value = TypeVar("Value")

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, IntegrityError)


class JsonCache(Generic[Value]):
    """A folder of JSON values, each in a file named by its key; processes may share it.

    Args:
        folder: one of `paths.PARTS`, so that pruning and sweeping find it.
        read: makes the value of JSON that may hold anything; ValueError, TypeError or KeyError refuses it.
        rules: raised when the same key leads to another value, or to one of another form.
    """

    def __init__(self, folder: Path, read: Callable[[Any], Value], *, rules: int = 1) -> None:
        self._folder = folder
        self._read = read
        self._rules = rules

    def get(self, key: object, make: Callable[[], object]) -> Value:
        """Return the value of a key; make it, as JSON, and keep it if it is not there.

        Args:
            key: everything that shapes the value, as JSON.
        """
        found = self.find(key)
        return self.put(key, make()) if found is None else found

    def find(self, key: object) -> Value | None:
        """Return the value of a key, or None."""
        path = self._path(key)
        value = read_json(path, self._whole(key), self._read)
        if value is not None:
            touch(path)
        return value

    def put(self, key: object, value: object) -> Value:
        """Keep a value, and return it as `find` will."""
        write_json(self._path(key), self._whole(key), value)
        return self._read(_plain(value))

    def remove(self, key: object) -> None:
        """Remove the value of a key, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def _whole(self, key: object) -> list[object]:
        return [self._rules, key]

    def _path(self, key: object) -> Path:
        digest = sha256(canonical_json(self._whole(key))).hexdigest()
        return self._folder / digest[:2] / f"{digest}.json"


def to_json(key: object, value: object) -> bytes:
    """Return the content of a file that holds a JSON value, its key and the hash of both."""
    body = canonical_json({"key": key, "value": value})[1:]
    return _head(body) + body


def write_json(path: Path, key: object, value: object) -> None:
    """Write a JSON value and its key, in place of anything that is there."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    write_atomically(path, to_json(key, value))


def read_json(path: Path, key: object, read: Callable[[Any], Value]) -> Value | None:
    """Return the value in a file that `to_json` made.

    Args:
        key: the one that the file was made with.
        read: makes the value of JSON; ValueError, TypeError or KeyError refuses it.

    Returns:
        None if the file is missing or damaged, belongs to another key, or `read` refuses its value.
    """
    try:
        body = _body(path)
        if body is None:
            return None
        kept = json.loads(body)
        return read(kept["value"]) if kept["key"] == _plain(key) else None
    except (OSError, *_UNREADABLE):
        return None


def is_sound(path: Path) -> bool:
    """Return whether a file that `to_json` made still has its bytes.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return _body(path) is not None


def _body(path: Path) -> bytes | None:
    head, comma, body = read_regular(path).partition(b",")
    return b"{" + body if head + comma == _head(body) else None


def _head(body: bytes) -> bytes:
    return b'{"sha256":"%s",' % sha256(body).hexdigest().encode()


def _plain(value: object) -> Any:
    """Return a value as JSON gives it back: tuples are lists, names are sorted."""
    return json.loads(canonical_json(value))
