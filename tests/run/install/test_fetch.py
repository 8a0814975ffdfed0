from __future__ import annotations

from bundle.artifacts.archives.bundle_archive import IndexedFrame
from bundle.model.manifest import LayerRecord
from bundle.run.install.fetch import pieces
from bundle.run.install.source import PlacedLayer

MIB = 2**20


def placed(name: str, first: int, *lengths: int, container: str = "archive") -> PlacedLayer:
    frames = []
    for length in lengths:
        frames.append(IndexedFrame(offset=first, length=length, sha256="a" * 64, size=1))
        first += length
    record = LayerRecord(digest=name * 64, kind="wheel", name=name, version="1", size=1)
    return PlacedLayer(record=record, container=container, frames=tuple(frames))


def ranges(*layers: PlacedLayer) -> list[tuple[str, int, int, str]]:
    return [
        (one.container, one.first, one.length, "".join(layer.record.name for layer in one.layers))
        for one in pieces(layers)
    ]


def test_adjacent_layers_are_asked_for_together() -> None:
    layers = placed("a", 0, 10, 20), placed("b", 30, 5), placed("d", 50, 1)
    assert ranges(*reversed(layers)) == [("archive", 0, 35, "ab"), ("archive", 50, 1, "d")]


def test_blobs_are_asked_for_one_by_one() -> None:
    layers = placed("a", 0, 10, container="x"), placed("b", 0, 5, container="y")
    assert ranges(*layers) == [("x", 0, 10, "a"), ("y", 0, 5, "b")]


def test_a_large_layer_is_asked_for_in_several_requests_at_once() -> None:
    found = ranges(placed("a", 7, 30 * MIB))
    assert [first for _, first, _, _ in found] == [7 + number * 5 * MIB for number in range(6)]
    assert sum(length for _, _, length, _ in found) == 30 * MIB


def test_no_request_is_larger_than_memory_holds() -> None:
    assert {length for _, _, length, _ in ranges(placed("a", 0, 3000 * MIB))} <= {16 * MIB, 8 * MIB}


def test_a_request_names_all_layers_that_have_bytes_in_it() -> None:
    found = ranges(placed("a", 0, MIB - 1), placed("b", MIB - 1, 2), placed("c", MIB + 1, 5))
    assert [names for _, _, _, names in found] == ["ab", "bc"]


def test_nothing_needs_no_request() -> None:
    assert ranges() == []
