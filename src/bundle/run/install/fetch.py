"""Fetches the layers that are missing: adjacent ones together, several ranges at once, each verified on arrival."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.layers import Layer
from bundle.base.errors import BundleError, IntegrityError
from bundle.base.threads import all_of, in_parallel
from bundle.run.install.source import PlacedLayer, Source

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store
    from bundle.base.report import Reporter

_SMALLEST, _LARGEST = 2**20, 2**24
"""Bytes of a request: the first from which on a connection costs more than it saves, the second what memory holds."""

_PARALLEL = 6
"""Requests at once."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A range of a container, for one request."""

    container: str
    first: int
    length: int
    layers: tuple[PlacedLayer, ...]
    """Those that have bytes in it."""


def pieces(layers: Sequence[PlacedLayer]) -> Iterator[Piece]:
    """Divide the bytes of layers into requests: what is adjacent goes together, up to a size."""
    size = min(_LARGEST, max(_SMALLEST, sum(layer.length for layer in layers) // _PARALLEL))
    ordered = sorted(layers, key=lambda layer: (layer.container, layer.first))
    runs: list[list[PlacedLayer]] = []
    for layer in ordered:
        last = runs[-1][-1] if runs else None
        if last and (last.container, last.first + last.length) == (layer.container, layer.first):
            runs[-1].append(layer)
        else:
            runs.append([layer])
    for run in runs:
        start, end = run[0].first, run[-1].first + run[-1].length
        for first in range(start, end, size):
            length = min(size, end - first)
            touched = (one for one in run if one.first < first + length and first < one.first + one.length)
            yield Piece(container=run[0].container, first=first, length=length, layers=tuple(touched))


def fetch(layers: Sequence[PlacedLayer], source: Source, store: Store, *, reporter: Reporter) -> list[Layer]:
    """Bring layers into the store, in any order.

    Raises:
        IntegrityError: bytes are others than promised; the layers that were sound are in the store.
        NetworkError: the source does not answer.
    """
    total = sum(layer.length for layer in layers)
    with store.work() as work, reporter.task("fetching layers", total=total, unit="bytes") as task:
        arrivals = _Arrivals(layers, work, store)

        def bring(piece: Piece) -> list[Layer]:
            if arrivals.failed:
                return []
            try:
                content = source.read(piece.container, piece.first, piece.length)
                task.advance(len(content))
                return [arrivals.finish(layer) for layer in arrivals.take(piece, content)]
            except BaseException:
                arrivals.failed = True
                raise

        found = in_parallel(bring, pieces(layers), threads=_PARALLEL)
        # Where the network fails as well, that something was changed is what must be told.
        found.sort(key=lambda one: -one.exit_code if isinstance(one, BundleError) else 0)
        return [layer for some in all_of(found) for layer in some]


class _Arrivals:
    """Files in which the bytes of layers come together."""

    def __init__(self, layers: Sequence[PlacedLayer], folder: Path, store: Store) -> None:
        self.failed = False
        self._folder = folder
        self._store = store
        self._left = {layer.record.digest: layer.length for layer in layers}
        self._turn = threading.Lock()

    def take(self, piece: Piece, content: bytes) -> list[PlacedLayer]:
        """Keep the bytes of a piece; return the layers that are complete with them."""
        if len(content) != piece.length:
            raise IntegrityError(
                f"{piece.container} ends at {piece.first + len(content)}, in the middle of a layer.",
                cause="It was truncated or replaced.",
                remedy="Publish or copy it again.",
            )
        complete = []
        for layer in piece.layers:
            first, end = max(layer.first, piece.first), min(layer.first + layer.length, piece.first + piece.length)
            with self._turn:
                path = self._folder / layer.record.digest
                path.touch()
                with path.open("r+b") as file:
                    file.seek(first - layer.first)
                    file.write(memoryview(content)[first - piece.first : end - piece.first])
                self._left[layer.record.digest] -= end - first
                if not self._left[layer.record.digest]:
                    complete.append(layer)
        return complete

    def finish(self, layer: PlacedLayer) -> Layer:
        """Take a complete layer into the store."""
        path = self._folder / layer.record.digest
        with path.open("rb") as file:
            received = self._store.receive(layer.record, file, layer.frames)
        path.unlink()
        return received
