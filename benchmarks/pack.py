"""Packing and unpacking a bundle's archive, with frames of 16 MiB and with one frame for each layer.

Run it with the toolchain's Python: `.venv/bin/python benchmarks/pack.py BUNDLE [ROUNDS]`, where BUNDLE is the folder of
a bundle whose layers are in the store, such as `pydist/3.12.10/linux-x64`. The forms take turns, so that a machine
whose speed drifts treats both alike. With one frame for each layer, all cores compress one large layer after the other,
and then several small ones at once.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import zstandard

from bundle.artifacts.store.bundle_archive import pack, read_index
from bundle.artifacts.store.frames import end_frame
from bundle.artifacts.store.layers import Layer, tar_chunks, tar_entries
from bundle.artifacts.store.paths import StorePaths
from bundle.artifacts.store.store import Store
from bundle.artifacts.store.trees import read_listing
from bundle.base.extract import extract
from bundle.base.report import Reporter
from bundle.cli.app import App

CORES = os.cpu_count() or 1
LARGE = 64 * 2**20


def main() -> None:
    """Print every round and the medians."""
    bundle = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    store = Store(App().cache, reporter=Reporter())
    layers = _layers(store, bundle)
    print(f"{bundle}: {len(layers)} layers, {sum(layer.size for layer in layers) / 1e6:.0f} MB, seconds")
    seconds: dict[str, list[float]] = {}

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        folder = Path(name)
        one, many = folder / "one.tar.zst", folder / "many.tar.zst"

        def measure(what: str, work: Callable[[], object]) -> None:
            shutil.rmtree(folder / "out", ignore_errors=True)
            (folder / "out").mkdir()
            started = time.perf_counter()
            work()
            seconds.setdefault(what, []).append(time.perf_counter() - started)
            print(f"  {what:32} {seconds[what][-1]:6.2f}")

        for number in range(1, rounds + 1):
            print(f"round {number}")
            measure("pack, one frame a layer", lambda: _pack_one_frame_each(store, layers, one))
            shutil.rmtree(store.root / "frames", ignore_errors=True)
            measure("pack, frames of 16 MiB", lambda: pack(store, layers, many, format="tar.zst"))
            measure("pack, frames in the store", lambda: pack(store, layers, many, format="tar.zst"))
            for archive, form in ((one, "one frame a layer"), (many, "frames of 16 MiB")):
                measure(f"tar, {form}", partial(_tar, archive, folder / "out"))
                measure(f"extract, {form}", partial(extract, archive, folder / "out"))
        for what, found in seconds.items():
            print(f"median {what:32} {statistics.median(found):6.2f}")
        frames = [frame for layer in read_index(many) for frame in layer.frames]
        before, after = one.stat().st_size, many.stat().st_size
        print(f"{len(frames)} frames; size {before} -> {after} ({(after - before) / before:+.2%})")


def _layers(store: Store, bundle: Path) -> list[Layer]:
    layers = []
    for value in json.loads((bundle / "bundle.json").read_bytes())["layers"]:
        listing = read_listing(StorePaths(store.root).layer(value["digest"]))
        if listing is None:
            sys.exit(f"the store has no layer of {value['name']}: build the bundle first")
        names = {name: value[name] for name in ("digest", "kind", "name", "version")}
        layers.append(Layer(**names, size=listing.size, entries=listing.entries, about={}))
    return layers


def _pack_one_frame_each(store: Store, layers: list[Layer], target: Path) -> None:
    def compressed(layer: Layer, threads: int) -> bytes:
        entries = list(tar_entries(layer.entries, epoch=store.epoch))
        size = sum(entry.size for entry in entries)
        compressor = zstandard.ZstdCompressor(level=9, threads=threads, write_checksum=True).compressobj(size=size)
        parts = [compressor.compress(chunk) for chunk in tar_chunks(store.tree(layer), entries)]
        return b"".join([*parts, compressor.flush()])

    frames = {layer.digest: compressed(layer, CORES) for layer in layers if layer.size >= LARGE}
    small = [layer for layer in layers if layer.size < LARGE]
    with ThreadPoolExecutor(CORES) as pool:
        made = pool.map(lambda layer: compressed(layer, 1), small)
        frames |= {layer.digest: data for layer, data in zip(small, made, strict=True)}
    with target.open("wb") as file:
        for layer in layers:
            file.write(frames[layer.digest])
        file.write(end_frame("tar.zst"))


def _tar(archive: Path, target: Path) -> None:
    subprocess.run(["tar", "--zstd", "-xf", archive, "-C", target], check=True)


if __name__ == "__main__":
    main()
