"""Files that tests need from the registry that pip would ask, verified by its hashes; nothing of them is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bundle.artifacts.registries.default_index import default_index
from bundle.artifacts.registries.simple_api import ACCEPT, RemoteFile, parse_page
from bundle.base.http.client import Downloader
from bundle.base.report import Reporter
from tests.foreign.cache import kept


def downloader() -> Downloader:
    """Return a downloader for tests."""
    return Downloader(reporter=Reporter(), environ=dict(os.environ))


def files_of(project: str) -> tuple[RemoteFile, ...]:
    """Return what the registry has of a project.

    Args:
        project: its normalised name.
    """
    url = f"{default_index(os.environ).rstrip('/')}/{project}/"
    answer = downloader().get(url, accept=ACCEPT)
    return parse_page(answer.content, content_type=answer.headers.get("content-type", ""), url=answer.url)


def project_file(project: str, wanted: Callable[[str], bool], *, sha256: str | None = None) -> Path:
    """Return a file of a project, downloaded once.

    Args:
        project: its normalised name.
        wanted: tells by the file's name; of several files the one that the registry names last is taken.
        sha256: what it must be; None: whatever the registry says.

    Raises:
        NetworkError: the registry does not answer.
        LookupError: it has no such file.
    """
    if sha256 and (found := next((one for one in _cached(sha256) if wanted(one.name)), None)):
        return found
    matching = [one for one in files_of(project) if wanted(one.filename) and one.yanked is None and one.sha256]
    if not matching:
        raise LookupError(f"the registry has no fitting file of {project}")
    file = matching[-1]
    expected = sha256 or file.sha256

    def fetch(target: Path) -> None:
        downloader().fetch(file.url, target, sha256=expected)

    return kept(f"files/{expected}/{file.filename}", fetch)


def _cached(sha256: str) -> list[Path]:
    # The empty project: where a name is not there yet, its folder is not either.
    folder = kept("files", Path.mkdir) / sha256
    return sorted(folder.glob("[!.]*")) if folder.is_dir() else []
