"""Packing and unpacking of a bundle's archive with each compression, beside `tar --zstd`.

Run it from the repository: `.venv/bin/python -m benchmarks.pack BUNDLE [ROUNDS]`, where BUNDLE is the folder of a
bundle whose layers are in the store, such as `pydist/3.12.10/linux-x64`. All take turns, so that a machine whose speed
drifts treats them alike. Frames in the store are removed. Times are those by the clock, and those of all processors
together, which tell the same also where other programs run.
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
from functools import partial
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import pack
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.paths import StorePaths
from bundle.artifacts.store.store import Store
from bundle.artifacts.store.trees import read_listing
from bundle.base.extract import extract
from bundle.base.report import Reporter
from bundle.cli.app import App


def main() -> None:
    """Print every round and the medians."""
    bundle = Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    store = Store(App().cache, reporter=Reporter())
    layers = _layers(store, bundle)
    print(
        f"{bundle}: {len(layers)} layers, {sum(layer.size for layer in layers) / 1e6:.0f} MB, seconds by clock and CPU"
    )
    seconds: dict[str, list[tuple[float, float]]] = {}

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        folder = Path(name)

        def measure(what: str, work: Callable[[], object], archive: Path) -> None:
            shutil.rmtree(folder / "out", ignore_errors=True)
            (folder / "out").mkdir()
            before = _now()
            work()
            clock, cpu = (after - start for after, start in zip(_now(), before, strict=True))
            seconds.setdefault(what, []).append((clock, cpu))
            print(f"  {what:32} {clock:6.2f} {cpu:6.2f}   {archive.stat().st_size / 1e6:6.1f} MB")

        for number in range(1, rounds + 1):
            print(f"round {number}")
            archive = folder / "bundle.tar.zst"
            for effort in ("fast", "default", "small"):
                shutil.rmtree(store.root / "frames", ignore_errors=True)
                work = partial(pack, store, layers, archive, Compression(format="tar.zst", effort=effort))
                measure(f"pack, {effort}", work, archive)
                measure(f"pack, {effort}, frames in the store", work, archive)
                measure(f"extract, {effort}", partial(extract, archive, folder / "out"), archive)
            peer = folder / "tar.tar.zst"
            measure("tar --zstd -c", partial(_tar, "-cf", peer, bundle), peer)
            measure("tar --zstd -x", partial(_tar, "-xf", peer, folder / "out"), peer)
        medians = {what: tuple(map(statistics.median, zip(*found, strict=True))) for what, found in seconds.items()}
        for what, (clock, cpu) in medians.items():
            print(f"median {what:32} {clock:6.2f} {cpu:6.2f}")
        for ours, peer_step in (
            ("pack, default, frames in the store", "tar --zstd -c"),
            ("extract, default", "tar --zstd -x"),
        ):
            clock, cpu = (theirs / own for own, theirs in zip(medians[ours], medians[peer_step], strict=True))
            print(f"{ours}: {clock:.1f} times as fast as {peer_step} by the clock, {cpu:.1f} times by CPU")


def _now() -> tuple[float, float]:
    """Return the clock, and the CPU seconds of this process and those that it started."""
    return time.perf_counter(), sum(os.times()[:4])


def _layers(store: Store, bundle: Path) -> list[Layer]:
    layers = []
    for value in json.loads((bundle / "bundle.json").read_bytes())["layers"]:
        listing = read_listing(StorePaths(store.root).layer(value["digest"]))
        if listing is None:
            sys.exit(f"the store has no layer of {value['name']}: build the bundle first")
        names = {name: value[name] for name in ("digest", "kind", "name", "version")}
        layers.append(Layer(**names, size=listing.size, entries=listing.entries, about={}))
    return layers


def _tar(how: str, archive: Path, folder: Path) -> None:
    subprocess.run(["tar", "--zstd", how, archive, "-C", folder, *(["."] if how == "-cf" else [])], check=True)


if __name__ == "__main__":
    main()
