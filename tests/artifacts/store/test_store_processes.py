"""Many processes on one store, some of them killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter

pytestmark = pytest.mark.real

WORK = """
import sys
from pathlib import Path
from bundle.artifacts.archives.bundle_archive import pack
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter

root, out = Path(sys.argv[1]), Path(sys.argv[2])
store = Store(root, reporter=Reporter())
layers = []
for number in range(12):
    layer = store.find("wheel", {"number": number})
    if layer is None:
        with store.work() as work:
            for name in range(40):
                path = work / "tree" / f"lib/package{number}/{name}/module.py"
                path.parent.mkdir(parents=True)
                path.write_bytes(f"{number} {name} ".encode() * 2000)
            layer = store.add("wheel", {"number": number}, work / "tree", name=f"p{number}", version="1", about={})
    layers.append(layer)
out.mkdir(parents=True, exist_ok=True)
with store.work() as work:
    (work / "bundle").mkdir()
    assert store.materialise(layers, work / "bundle") == []
print(pack(store, layers, out / "bundle.tar.zst", Compression(format="tar.zst")).sha256, flush=True)
"""


def start(root: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORK, str(root), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    return output.strip()


def test_processes_that_need_the_same_layers_share_one_store(tmp_path: Path) -> None:
    reference = finish(start(tmp_path / "alone", tmp_path / "out"))
    processes = [start(tmp_path / "shared", tmp_path / f"out{number}") for number in range(5)]

    assert {finish(process) for process in processes} == {reference}
    store = Store(tmp_path / "shared", reporter=Reporter())
    assert store.check(full=True) == []
    assert len(list((store.root / "layers").glob("??/*"))) == 12


def test_killed_at_any_moment_the_next_run_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    reference = finish(start(tmp_path / "alone", tmp_path / "out"))
    chance = random.Random(20)
    for attempt in range(20):
        process = start(tmp_path / f"killed{attempt // 5}", tmp_path / f"out{attempt // 5}")
        try:
            process.wait(timeout=chance.uniform(0.05, 0.6))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()

    for number in range(4):
        store = Store(tmp_path / f"killed{number}", reporter=Reporter())
        assert store.check(full=True) == []
        assert finish(start(store.root, tmp_path / f"out{number}")) == reference
        assert store.check(full=True) == []
        assert list((store.root / "work").iterdir()) == []
        assert [path.name for path in (tmp_path / f"out{number}").iterdir()] == ["bundle.tar.zst"]
