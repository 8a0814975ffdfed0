"""The page about bundles that a project has built, or that a source has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from bundle.artifacts.catalogue_entry import Entry
from bundle.artifacts.described import Described
from bundle.artifacts.documents.page.index import IndexMaker
from bundle.artifacts.documents.page.site import Place, Site
from bundle.base.threads import all_of, in_parallel
from bundle.run.described import describe_built, describe_offered
from bundle.run.install.source import Source

Bundle = TypeVar("Bundle")

_AT_ONCE = 8
"""Bundles that are read at the same time; no more of them are in memory."""


def site_of_built(entries: Sequence[Entry], root: Path) -> dict[str, bytes]:
    """Return the files of the page about bundles that were built, by path.

    Args:
        root: the folder that paths in the catalogue are relative to.
    """
    return _site(Place(), entries, partial(describe_built, root=root))


def site_of_source(source: Source) -> dict[str, bytes]:
    """Return the files of the page about all bundles of a source, by path.

    Raises:
        NetworkError: the source does not answer.
        IntegrityError: what it has contradicts its catalogue.
    """
    with closing(source):
        return _site(Place(address=source.url), source.offers(), partial(describe_offered, source))


def _site(place: Place, bundles: Sequence[Bundle], describe: Callable[[Bundle], Described]) -> dict[str, bytes]:
    site = Site(place)
    maker = IndexMaker(revision=site.revision)
    files: dict[str, bytes] = {}
    for first in range(0, len(bundles), _AT_ONCE):
        for described in all_of(in_parallel(describe, bundles[first : first + _AT_ONCE], threads=_AT_ONCE)):
            own = site.of_bundle(described)
            maker.add(described, own)
            files |= own
    return files | site.of_all(maker.made())
