"""Twelve variants that share their heavy packages: bytes in the store, in remotes, on one target, and of an upgrade.

Run it from the repository: `.venv/bin/python -m benchmarks.variants [FOLDER [COUNT]]`. The folder, by default a
temporary one, gets a project whose versions have numpy, Pillow and one small package of their own; the thirteenth
differs from the twelfth in that package alone. What is there already is used again; a lower count takes the first of
the twelve. `BENCHMARK_DIR` is where the target's files go, on a file system with reflinks for example. Packages come
from PyPI, registries from Debian's docker-registry.

An install's share of the disk is compared with `cp -a --reflink=always` of the same trees: no program can take less,
because each file has an inode of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.artifacts.remotes.stores import registry
from tests.base.relay import Counter
from tests.base.server import serving

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.base.report import Reporter

MOST = 1.1
"""Bytes for each byte of the distinct layers."""

MOST_MOVED = 1.02
"""Bytes on the wire for each compressed byte of new layers."""

HEAVY = ["numpy==2.2.6", "pillow==11.2.1"]

OWN = (
    *("attrs", "click", "idna", "certifi", "toolz", "iniconfig", "pluggy", "packaging", "tabulate", "zipp"),
    *("filelock", "networkx==3.4.2", "networkx==3.4.1"),
)
"""The package of each variant; all is what `bundle lock` finds, but for the last two."""

PLATFORM = "linux-x64"


def main() -> int:
    """Print all sizes beside those of the distinct layers."""
    with ExitStack() as stack:
        named = sys.argv[1:2]
        folder = Path(named[0] if named else stack.enter_context(tempfile.TemporaryDirectory())).absolute()
        names = make_project(folder / "project")
        twelve, upgraded = names[: int(sys.argv[2]) if len(sys.argv) > 2 else 12][:12], names[12]
        for command in ("lock", "build"):
            bundle(folder, command, *dict.fromkeys([*twelve, names[11], upgraded]), "--platform", PLATFORM)
        remote = str(folder / "remote")
        bundle(folder, "publish", *twelve, "--to", remote, "--allow-substitute")
        layers = layers_of(remote)
        packed = sum(size for size, _ in layers.values())
        unpacked = sum(size for _, size in layers.values())
        print(f"{len(layers)} distinct layers: {packed:,} bytes compressed, {unpacked:,} as tar entries")
        tell("folder remote", files_below([Path(remote)]), packed)
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with registry(place) as host:
            bundle(folder, "publish", *twelve, "--to", f"oci://{host}/runtimes", "--allow-substitute")
            tell("docker-registry", files_below([place]), packed)
        store = folder / "cache"
        used = {digest for digest in layers if (store / "layers" / digest[:2] / digest).is_dir()}
        tell("store, layers", files_below(store / "layers" / one[:2] / one / "tree" for one in used), unpacked)
        tell("store, frames", files_below([store / "frames"]), packed)
        target(folder, remote, twelve, unpacked)
        return wire(folder, names[11], upgraded)


def make_project(root: Path) -> list[str]:
    """Write the project, and return the names of its versions."""
    root.mkdir(parents=True, exist_ok=True)
    shared = {"interpreter": {"sources": ["python-build-standalone", "host"], "substitute": "patch"}}
    (root / "shared-config.json").write_text(json.dumps(shared))
    names = []
    for number, own in enumerate(OWN, 1):
        names.append(f"3.12.10-v{number}")
        place = root / "versions" / names[-1]
        place.mkdir(parents=True, exist_ok=True)
        config = {"platforms": [PLATFORM], "packages": {"dependencies": [*HEAVY, own]}}
        (place / "config.json").write_text(json.dumps(config))
    return names


def bundle(folder: Path, *words: str, environ: dict[str, str] | None = None) -> None:
    """Run a command of the project to its end."""
    variables = {**os.environ, "BUNDLE_CACHE_DIR": str(folder / "cache"), **(environ or {})}
    command = [sys.executable, "-m", "bundle", "--quiet", "--project", str(folder / "project"), *words]
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)


def layers_of(url: str) -> dict[str, tuple[int, int]]:
    """Return the compressed and the uncompressed size of each distinct layer of a remote."""
    remote = open_writable(url, Access(environ={}, reporter=Reporter()))
    documents = map(remote.bundle, remote.catalogue()[0].bundles)
    return {one.digest: (one.blob.size, one.unpacked) for document in documents for one in document.layers}


def files_below(folders: Iterable[Path]) -> int:
    """Return the bytes of all files, each inode once."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            status = path.lstat()
            found[status.st_dev, status.st_ino] = status.st_size if path.is_file() and not path.is_symlink() else 0
    return sum(found.values())


def tell(what: str, size: int, layers: int) -> None:
    """Print a size, and how many times those of the layers it is."""
    print(f"{what}: {size:,} bytes, {size / layers:.3f} times the distinct layers (wanted: {MOST})", flush=True)


def target(folder: Path, remote: str, names: list[str], unpacked: int) -> None:
    """Install all versions on one machine, and print what its disk holds of them."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as name:
        place = Path(name)
        environ = {"BUNDLE_CACHE_DIR": str(place / "cache"), "BUNDLE_DATA_DIR": str(place / "data")}
        with disk_blocks(place) as taken:
            for version in names:
                bundle(folder, "install", version, "--from", remote, "--into", str(place / version), environ=environ)
        kind = subprocess.run(["stat", "-f", "-c", "%T", place], check=True, capture_output=True, text=True).stdout
        tell(f"one target, {len(names)} installs and their store, {kind.strip()}, disk blocks", sum(taken), unpacked)
        tell("the same, as programs see it", files_below([place]), unpacked)
        with disk_blocks(place) as store:
            subprocess.run(["cp", "-a", "--reflink=never", place / "cache", place / "copy of the store"], check=True)
        (place / "copies").mkdir()
        with disk_blocks(place) as floor:
            command = ["cp", "-a", "--reflink=always", *(f"{place}/{one}" for one in names), f"{place}/copies"]
            cloned = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0
        print(f"of these, the store {sum(store):,} and the installs {sum(taken) - sum(store):,} bytes", flush=True)
        if cloned:
            tell("the store and `cp -a --reflink=always` of the installs", sum(store) + sum(floor), unpacked)


@contextmanager
def disk_blocks(place: Path) -> Iterator[list[int]]:
    """Give a list; afterwards it has the bytes that the block took of the free space of a file system."""
    os.sync()
    before, taken = os.statvfs(place), list[int]()
    yield taken
    os.sync()
    taken.append((before.f_bfree - os.statvfs(place).f_bfree) * before.f_frsize)


def wire(folder: Path, first: str, second: str) -> int:
    """Upgrade a target over HTTP, and compare the bytes on the wire with those of the new layers."""
    remote = str(folder / "published")
    bundle(folder, "publish", first, second, "--to", remote, "--allow-substitute")
    done = 0
    with serving() as site, tempfile.TemporaryDirectory() as name:
        for path in (one for one in Path(remote).rglob("*") if one.is_file()):
            site.files[f"/{path.relative_to(remote).as_posix()}"] = path.read_bytes()
        counter = Counter(site.url)
        environ = {**os.environ, "BUNDLE_CACHE_DIR": f"{name}/cache", "BUNDLE_DATA_DIR": f"{name}/data"}
        for version in (first, second):
            before, began = (counter.received, counter.sent), time.perf_counter()
            command = ["--quiet", "--json", "install", version, "--from", counter.url, "--into", f"{name}/into"]
            output = subprocess.run(
                [sys.executable, "-m", "bundle", *command], env=environ, check=True, stdout=subprocess.PIPE
            ).stdout
            moved, received = json.loads(output)["fetched"]["bytes"], counter.received - before[0]
            share = received / moved
            done = int(share > MOST_MOVED)
            print(
                f"{version} over HTTP: {moved:,} bytes of new layers; on the wire {received:,} received "
                f"({share:.4f} times as many), {counter.sent - before[1]:,} sent, {time.perf_counter() - began:.1f} s"
            )
    return done


if __name__ == "__main__":
    sys.exit(main())
