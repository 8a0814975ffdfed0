"""The floor of a bundle from its layers, each measured once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bundle.artifacts.store.json_cache import JsonCache
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.native.native import Native, dotted
from bundle.base.native.read import read_native
from bundle.make.verify.audit.floor import measured_floor
from bundle.model import revisions
from bundle.model.platforms import Platform


def floor_of(layers: Sequence[Layer], store: Store, platform: Platform) -> dict[str, str]:
    """Return the oldest system that all layers of a bundle run on, such as `{"glibc": "2.28"}`.

    The store keeps the measurements by the layer's digest.
    """
    measured: JsonCache[dict[str, str]] = JsonCache(store.folder("audits"), dict, rules=revisions.FLOOR)

    def floor(layer: Layer) -> dict[str, str]:
        return measured.get([layer.digest, platform.key], lambda: measured_floor(_natives(layer, store, platform)))

    floors = [floor(layer) for layer in layers]
    names = sorted({name for floor in floors for name in floor})
    return {name: max((floor[name] for floor in floors if name in floor), key=dotted) for name in names}


def _natives(layer: Layer, store: Store, platform: Platform) -> Iterator[Native]:
    tree = store.tree(layer)
    for entry in layer.entries:
        if entry.kind != "file" or entry.size < 4:
            continue
        path = tree / entry.path
        native = read_native(path, platform.machine)
        # Files of other machines, such as the launchers for Windows in pip, are data.
        if native is not None and native.fits(platform.binary_format, platform.machine):
            yield native
