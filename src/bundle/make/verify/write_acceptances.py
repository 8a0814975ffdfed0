"""Entries of `verify.accept`, added to the configuration of a version; their reasons are for people to write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bundle.base.errors import ConfigError
from bundle.base.files import read_regular
from bundle.base.staging import write_atomically
from bundle.model.acceptance import Acceptance
from bundle.model.config.json_edit import with_appended
from bundle.model.config.project import Project

_MARK = b"\xef\xbb\xbf"


def write_acceptances(project: Project, version: str, entries: Iterable[Acceptance]) -> Path:
    """Add entries to a version's configuration, each with an empty reason, and return the file.

    Raises:
        ConfigError: the file has something else in their place.
    """
    path = project.folder(version) / "config.json"
    content = read_regular(path)
    mark = _MARK if content.startswith(_MARK) else b""
    values = [{**entry.as_json(), "reason": ""} for entry in entries]
    try:
        text = with_appended(content.removeprefix(_MARK).decode(), ("verify", "accept"), values)
    except ValueError as error:
        raise ConfigError(
            f"{path} cannot be added to: {error}.", remedy="Add the entries by hand; they are printed above."
        ) from error
    # A link stays one.
    write_atomically(path.resolve(), mark + text.encode())
    return path
