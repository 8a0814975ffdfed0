"""The table of interpreter sources, and the choice of those to ask: the configured ones, or `--interpreter`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from bundle.artifacts.interpreters.archive import Archive
from bundle.artifacts.interpreters.host import Host
from bundle.artifacts.interpreters.python_build_standalone import PythonBuildStandalone
from bundle.artifacts.interpreters.source import Source
from bundle.base.errors import ConfigError
from bundle.base.files import sha256_of
from bundle.model.config.config import ArchiveSpec
from bundle.model.platforms import PLATFORMS, Platform

SOURCES: Mapping[str, Callable[[], Source]] = {
    Archive.name: Archive,
    Host.name: Host,
    PythonBuildStandalone.name: PythonBuildStandalone,
}
"""Every source by its name; a new one is a module and a line here."""


def sources_for(
    values: Sequence[str], configured: Sequence[str], platform: Platform, *, table: Mapping[str, Source] | None = None
) -> tuple[Source, ...]:
    """Return the sources to ask, in their order.

    Args:
        values: of `--interpreter`: the name of a source; the path of an executable, of an interpreter's folder
            or of an archive; or KEY=PATH, which counts for one platform only. Nothing: the configured ones.
        configured: `interpreter.sources`.
        table: sources that take the place of the built-in ones of their name.

    Raises:
        ConfigError: a value is none of these.
    """
    made = {name: source() for name, source in SOURCES.items()} | dict(table or {})
    chosen: list[Source] = []
    general: list[Source] = []
    for value in values:
        key, separator, path = value.partition("=")
        if separator and key in PLATFORMS:
            if key == platform.key:
                chosen.append(_by_path(path))
        elif value in made:
            general.append(made[value])
        else:
            general.append(_by_path(value))
    if found := tuple(chosen or general):
        return found
    if unknown := [name for name in configured if name not in made]:
        raise ConfigError(
            f"There is no interpreter source {unknown[0]!r}.", remedy=f"interpreter.sources knows {', '.join(made)}."
        )
    return tuple(made[name] for name in configured)


def _by_path(value: str) -> Source:
    path = Path(value).expanduser().absolute()
    if path.is_dir():
        return Host(path)
    if not path.is_file():
        near = get_close_matches(value, [*SOURCES, *PLATFORMS], 1)
        raise ConfigError(
            f"--interpreter {value}: not an interpreter source, file or folder.",
            cause=f"Did you mean {near[0]!r}?" if near else None,
            remedy=f"Name one of {', '.join(SOURCES)}, a Python's executable or folder, an archive, or PLATFORM=PATH.",
        )
    from bundle.base.extract import is_archive

    if is_archive(path):
        return Archive(ArchiveSpec(sha256=sha256_of(path), path=path))
    return Host(path)
