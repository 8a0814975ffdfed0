"""Publishers, installers and collections that are killed at random moments, while readers look at the remote.

Run it from the repository: `.venv/bin/python -m benchmarks.ship_kills [COUNT [SEED [KIND...]]]`. A publisher sends to a
folder and to S3, an installer upgrades over HTTP, `gc` runs beside a publisher; each is killed COUNT times (20).
A KIND is folder, http, gc or s3. Meanwhile a reader reads the catalogue again and again, with all that it names, and
another one installs a bundle; beside the installer, the program of the old install is started. Then the next run has to
finish.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.artifacts.remotes.stores import s3
from tests.artifacts.trees import File, Tree, read
from tests.base.server import serving
from tests.run.install.shipped import SITE, VERSION, WHEELS, Machine, Shop

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.remote import Remote
from bundle.base.folders import remove_tree
from bundle.base.report import Reporter
from bundle.make.publish.collect import collect, unpublish

NEWER = "3.12.10-newer"

GONE = "3.12.10-gone"


@dataclass
class World:
    """A project with built bundles, and the commands that work on it."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the bundles: all share small layers, two share large ones."""
        self.shop = Shop(self.root / "project")
        large: dict[str, Tree] = {
            f"large{number} 1.0": {f"{SITE}/large{number}.py": File(os.urandom(2**21))} for number in range(8)
        }
        half = dict(list(large.items())[:4])
        self.shop.build()
        self.shop.build({**WHEELS, **large}, version=NEWER)
        self.shop.build({**WHEELS, **half, "only 1.0": {f"{SITE}/only.py": File(os.urandom(2**20))}}, version=GONE)
        (self.shop.folder / "shared-config.json").write_text("{}")
        catalogue = self.shop.folder / "catalogue"
        catalogue.mkdir()
        (catalogue / "catalogue.json").write_bytes((self.shop.folder / "catalogue.json").read_bytes())

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command."""
        variables = {
            **os.environ,
            **self.environ,
            "BUNDLE_CACHE_DIR": str(self.root / "cache"),
            "BUNDLE_DATA_DIR": str(self.root / "data"),
        }
        command = [sys.executable, "-m", "bundle", "--quiet", "--project", str(self.shop.folder), *words]
        return subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )

    def run(self, *words: str) -> float:
        """Run a command to its end, and return the seconds that it took."""
        began = time.monotonic()
        running = self.start(*words)
        output, _ = running.communicate()
        if running.returncode:
            raise RuntimeError(f"{' '.join(words)}: {output.decode()}")
        return time.monotonic() - began


@dataclass
class Watch:
    """What readers saw while the block ran."""

    reads: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def watched(*looks: Callable[[], object]) -> Iterator[Watch]:
    """Repeat each look in a thread of its own; what one raises is what is wrong."""
    watch, ended = Watch(), threading.Event()

    def repeat(look: Callable[[], object]) -> None:
        while not ended.is_set():
            try:
                look()
                watch.reads += 1
            except Exception as error:  # noqa: BLE001 - counted and shown
                watch.wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=repeat, args=(look,)) for look in looks]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def kill_at(running: subprocess.Popen[bytes], moment: float) -> bool:
    """Kill a command after some seconds; return whether it was still running."""
    try:
        running.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        return True
    return False


def whole(remote: Remote) -> list[str]:
    """Return the versions of a remote, after everything that its catalogue names was read and compared."""
    catalogue, _ = remote.catalogue()
    for entry in catalogue.bundles:
        for blob in remote.bundle(entry).blobs:
            if Blob.of(b"".join(remote.read(blob))) != blob:
                raise ValueError(f"{blob.sha256} has other bytes")
    return catalogue.versions()


def installed(world: World, url: str, version: str = VERSION) -> None:
    """Install a version into a new folder, and compare it with what was built."""
    with tempfile.TemporaryDirectory(dir=world.root) as name:
        machine = Machine(Path(name))
        machine.install(url, version)
        if machine.tree() != world.shop.tree(version):
            raise ValueError(f"{version} is another tree")


@dataclass
class Tally:
    """The outcome of all kills of one kind."""

    name: str
    killed: int = 0
    reads: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, watch: Watch, *, killed: bool) -> None:
        """Count one kill."""
        self.killed += killed
        self.reads += watch.reads
        self.wrong += watch.wrong

    def require(self, condition: bool, what: str) -> None:
        """Note what is wrong after a kill."""
        if not condition:
            self.wrong.append(what)

    def tell(self) -> int:
        """Print the outcome; return whether anything was wrong."""
        print(
            f"{self.name}: {self.killed} killed, {self.reads} readings meanwhile, {len(self.wrong)} wrong", flush=True
        )
        for one in sorted(set(self.wrong))[:5]:
            print(f"  {one:.300}")
        return int(bool(self.wrong))


def publishers(world: World, url: str, count: int, chance: random.Random, name: str) -> int:
    """Kill publishers of a bundle; one that is there already has to stay readable."""
    tally = Tally(name)
    remote = open_writable(url, Access(environ=os.environ, reporter=Reporter()))
    world.run("publish", VERSION, "--to", url)
    seconds = world.run("publish", NEWER, "--to", url)
    for _ in range(count):
        unpublish(remote, NEWER, [])
        collect(remote, grace=0, reporter=Reporter())
        with watched(lambda: whole(remote), lambda: installed(world, url)) as watch:
            killed = kill_at(world.start("publish", NEWER, "--to", url), chance.uniform(0.2, 1) * seconds)
        tally.add(watch, killed=killed)
        tally.require(whole(remote) in ([VERSION], [VERSION, NEWER]), "other versions after the kill")
        world.run("publish", NEWER, "--to", url)
        tally.require(whole(remote) == [VERSION, NEWER], "not all versions after the next run")
    installed(world, url, NEWER)
    return tally.tell()


def installers(world: World, count: int, chance: random.Random) -> int:
    """Kill installers over HTTP that upgrade an install and back; its program has to start at each moment."""
    tally = Tally("installer over HTTP")
    remote, into = world.shop.publish(), world.root / "into"
    trees = {version: world.shop.tree(version) for version in (VERSION, NEWER)}

    def starts() -> None:
        said = subprocess.run([into / "bin" / "python", "-V"], check=True, capture_output=True, text=True).stdout
        if said != "python -V\n":
            raise ValueError(said)

    with serving() as site:
        for path in (one for one in remote.rglob("*") if one.is_file()):
            site.files[f"/{path.relative_to(remote).as_posix()}"] = path.read_bytes()
        words = ("--from", site.url, "--into", str(into))
        world.run("install", VERSION, *words)
        seconds = world.run("install", NEWER, *words)
        current = NEWER
        for _ in range(count):
            wanted = VERSION if current == NEWER else NEWER
            remove_tree(world.root / "cache")
            with watched(starts) as watch:
                killed = kill_at(world.start("install", wanted, *words), chance.uniform(0.2, 1) * seconds)
            tally.add(watch, killed=killed)
            tally.require(read(into) in trees.values(), "neither the old install nor the new one after the kill")
            world.run("install", wanted, *words)
            tally.require(read(into) == trees[wanted], "another tree after the next run")
            left = {path.name for path in into.with_name(".into.bundle").iterdir()}
            tally.require(left == {"installed.json"}, f"left {sorted(left)}")
            current = wanted
    return tally.tell()


def collections(world: World, count: int, chance: random.Random) -> int:
    """Kill `gc` beside a publisher whose bundle needs old blobs that no catalogue names."""
    tally = Tally("gc beside a publisher")
    folder = world.root / "collected"
    url = str(folder)
    remote = open_writable(url, Access(environ=os.environ, reporter=Reporter()))
    world.run("publish", VERSION, "--to", url)
    seconds = world.run("gc", "--from", url)
    sound = {one.place for one in remote.stored()}
    for _ in range(count):
        world.run("publish", GONE, "--to", url)
        unpublish(remote, GONE, [])
        for path in folder.rglob("*"):
            os.utime(path, (0, 0))
        with watched(lambda: whole(remote), lambda: installed(world, url)) as watch:
            publisher = world.start("publish", NEWER, "--to", url)
            time.sleep(chance.uniform(0, 0.5) * seconds)
            killed = kill_at(world.start("gc", "--from", url), chance.uniform(0.3, 1) * seconds)
            output, _ = publisher.communicate()
        tally.add(watch, killed=killed)
        tally.require(publisher.returncode == 0, f"the publisher failed: {output.decode()}")
        tally.require(whole(remote) == [VERSION, NEWER], "not all versions after the kill")
        world.run("gc", "--from", url)
        tally.require(whole(remote) == [VERSION, NEWER], "not all versions after the next run")
        unpublish(remote, NEWER, [])
        collect(remote, grace=0, reporter=Reporter())
    left = {one.place for one in remote.stored()}
    tally.require(left == sound, f"not as at first: {sorted(left ^ sound)}")
    return tally.tell()


def main() -> int:
    """Print for each kind how many were killed, and what was wrong."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    kinds = sys.argv[3:] or ["folder", "http", "gc", "s3"]
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        if "folder" in kinds:
            wrong += publishers(world, str(world.root / "remote"), count, chance, "publisher to a folder")
        if "http" in kinds:
            wrong += installers(world, count, chance)
        if "gc" in kinds:
            wrong += collections(world, count, chance)
        if "s3" in kinds:
            with s3() as environ:
                # In this process as well, which reads.
                os.environ.update(environ)
                wrong += publishers(world, "s3://runtimes/kills", count, chance, "publisher to S3")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
