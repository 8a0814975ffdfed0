"""Installing: from an archive beside `tar --zstd -x`, and the bytes that an upgrade moves.

Run it from the repository: `.venv/bin/python -m benchmarks.install ARCHIVE [ROUNDS [VERSION...]]`, where ARCHIVE is a
`.tar.zst` of `bundle build --output` with its catalogue beside it. All take turns, each in a new folder; all folders
are removed at the end, because removals slow ext4 down. The upgrades go from the archive's bundle to each VERSION of
the same catalogue, on a machine whose store is empty, and count what is read of the source.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.store.store import Store
from bundle.base.folders import remove_tree
from bundle.base.report import Reporter
from bundle.model.platforms import PLATFORMS
from bundle.run.install.archive import manifest_in
from bundle.run.install.install import Place, install, install_archive
from bundle.run.install.records import Records
from bundle.run.install.sources import open_source


def main() -> None:
    """Print every round and the medians, then the bytes of each upgrade."""
    archive = Path(sys.argv[1]).absolute()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        folder = Path(name)

        def measure(what: str, work: Callable[[Path], object]) -> None:
            target = folder / f"{what} {len(seconds.get(what, ()))}"
            started = time.perf_counter()
            work(target)
            seconds.setdefault(what, []).append(time.perf_counter() - started)

        for number in range(1, rounds + 1):
            measure("tar --zstd -x", lambda target: _tar(archive, target))
            measure(
                "install ARCHIVE", lambda target: install_archive(archive, _place(folder, target), reporter=Reporter())
            )
            measure("bundle install ARCHIVE", lambda target: _command(archive, folder, target))
            print(f"round {number}: " + ", ".join(f"{what} {found[-1]:.2f} s" for what, found in seconds.items()))
        for what, found in seconds.items():
            print(f"median {what:24} {statistics.median(found):6.2f} s")
        for other in sys.argv[3:]:
            _upgrade(archive, other, folder)


def _upgrade(archive: Path, version: str, folder: Path) -> None:
    """Install the version of an archive, forget the store, then install another version of the same source over it."""
    first = manifest_in(archive)
    source = open_source(str(archive.parent), Access(environ={}, reporter=Reporter()))
    place = _place(folder, folder / "upgraded")
    install(
        first.version, first.platform, source, place, Store(folder / "cache", reporter=Reporter()), reporter=Reporter()
    )
    remove_tree(folder / "cache")
    read, sent = source.read, []

    def counted(container: str, start: int, length: int) -> bytes:
        content = read(container, start, length)
        sent.append(len(content))
        return content

    source.read = counted  # type: ignore[method-assign,assignment]
    done = install(
        version, first.platform, source, place, Store(folder / "cache", reporter=Reporter()), reporter=Reporter()
    )
    print(
        f"upgrade {first.version} -> {version}: {done.fetched} layers fetched, {done.reused} reused; "
        f"{sum(sent)} bytes read for {done.moved} bytes of new layers"
    )


def _place(folder: Path, target: Path) -> Place:
    return Place(records=Records(folder / "data"), into=target, keep_previous=False, machine=PLATFORMS["linux-x64"])


def _tar(archive: Path, target: Path) -> None:
    target.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", archive, "-C", target], check=True)


def _command(archive: Path, folder: Path, target: Path) -> None:
    environ = {**os.environ, "BUNDLE_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-m", "bundle", "--quiet", "install", str(archive), "--into", str(target)]
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
