"""Files of a version's own that source builds read, named with `{versionRoot}`."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bundle.base.errors import ConfigError
from bundle.base.folders import listing
from bundle.model.config.config import BuildWheel
from bundle.model.variables import VERSION_ROOT

_REFERENCE = re.compile(re.escape(VERSION_ROOT) + r"((?:[/\\][^/\\\s;:,\"'=]+)*)")
"""The placeholder, and the path behind it up to a character that separates paths or settings."""

_CONFIGURATION = re.compile(r"config\.json|pylock\..*\.toml")


def version_files(folder: Path, rule: BuildWheel) -> Mapping[str, Path]:
    """Return the files that a source build reads of its version's folder, by their paths in it.

    Those are the files and folders that settings and variables name behind `{versionRoot}/`; the whole folder where
    they name none, without its configuration and locks.

    Raises:
        ConfigError: one is not there, or outside the folder.
    """
    found: dict[str, Path] = {}
    for reference in sorted(set(_references(rule))):
        parts = [part for part in re.split(r"[/\\]", reference) if part not in ("", ".")]
        place = folder.joinpath(*parts)
        if not place.resolve().is_relative_to(folder.resolve()):
            raise _refused(folder, reference, "leaves the version's folder")
        if place.is_file():
            found["/".join(parts)] = place
        elif place.is_dir():
            found |= {"/".join((*parts, path)): place / path for path in _files(place)}
        else:
            raise _refused(folder, reference, "does not exist")
    return {path: found[path] for path in sorted(found) if not _CONFIGURATION.fullmatch(path)}


def _files(place: Path) -> Iterator[str]:
    for path, status in listing(place).items():
        if "__pycache__" not in path.split("/") and stat.S_ISREG(status.st_mode):
            yield path


def _references(rule: BuildWheel) -> Iterator[str]:
    texts: Iterable[str | tuple[str, ...]] = (*rule.config_settings.values(), *rule.environment.values())
    for text in texts:
        for one in (text,) if isinstance(text, str) else text:
            yield from _REFERENCE.findall(one)


def _refused(folder: Path, reference: str, what: str) -> ConfigError:
    return ConfigError(
        f"versions/{folder.name}: packages.buildWheel names {VERSION_ROOT}{reference}, which {what}.",
        remedy=f"Put the files into versions/{folder.name}, and name them by their path there.",
    )
