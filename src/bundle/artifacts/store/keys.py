"""Keys: from everything that shaped a layer to the layer, and what its maker said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.base.errors import IntegrityError
from bundle.base.files import write_atomically

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class KeyRecord:
    """What the file of a key holds."""

    key: Mapping[str, Any]
    """The key in clear, for people."""
    digest: str
    """The layer's."""
    name: str
    version: str
    about: Mapping[str, Any]


def write_key(path: Path, record: KeyRecord) -> None:
    """Write the file of a key.

    Args:
        path: where it belongs.
        record: what it holds.
    """
    write_atomically(path, json.dumps({"format": _FORMAT, **vars(record)}))


def read_key(path: Path) -> KeyRecord:
    """Read the file of a key.

    Args:
        path: where it is.

    Raises:
        FileNotFoundError: nothing was made from that yet.
        IntegrityError: the file is damaged.
    """
    data = path.read_bytes()
    try:
        value = json.loads(data)
        if value.pop("format") != _FORMAT:
            raise ValueError(path.name)
        return KeyRecord(**value)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityError(f"{path} is damaged.") from error
