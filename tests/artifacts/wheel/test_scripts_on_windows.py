"""Scripts that wheels ship, started on Windows as their users start them."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.artifacts.wheel.scripts import shipped_script
from bundle.base.processes.run import Completed, check, run
from bundle.base.report import Reporter
from bundle.make.verify.emulators.protocol import EmulatorWorkspace, Missing
from bundle.make.verify.emulators.wine import WineRunner, find_wine
from bundle.model.platforms import PLATFORMS
from tests.foreign import windows_x64
from tests.foreign.bundles import found
from tests.foreign.cache import cache_folder

pytestmark = pytest.mark.real

WINDOWS = PLATFORMS["windows-x64"]

FLAGS = b"""#!python -Es
'''What it is.'''
import os, sys
print(sys.flags.ignore_environment, sys.flags.no_user_site, sys.flags.dont_write_bytecode)
print(os.path.basename(__file__), os.path.isfile(__file__), open(__file__).readline().rstrip())
print(os.path.basename(sys.argv[0]), sys.argv[1:], sys.path[0] == os.path.dirname(__file__))
print(__name__, __doc__, sorted(name for name in globals() if not name.startswith("__")))
"""

WORKERS = b"""#!/usr/bin/env python
import multiprocessing
def double(number):
    return number * 2
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map_async(double, [1, 2]).get(timeout=120))
"""


@pytest.fixture(name="wine", scope="module")
def a_wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WineRunner, Path]]:
    """Wine, and a folder with a Python for Windows."""
    installed = find_wine(shutil.which)
    emulator = found(None if isinstance(installed, Missing) else installed, "Wine is not installed (wine, wine64)")
    root = tmp_path_factory.mktemp("windows") / "a b"
    with zipfile.ZipFile(windows_x64.prepare().path) as archive:
        archive.extractall(root)
    (python,) = root.glob("*/python.exe")
    scratch = tmp_path_factory.mktemp("wine")
    work = cache_folder() / "wine"
    work.mkdir(parents=True, exist_ok=True)
    workspace = EmulatorWorkspace(bundle=python.parent, scratch=scratch, work=work, reporter=Reporter())
    with emulator.ready(workspace) as runner:
        yield runner, python.parent


def started(wine: tuple[WineRunner, Path], content: bytes, *arguments: str) -> Completed:
    runner, root = wine
    for file in shipped_script("tool", content, platform=WINDOWS, python="3.12.9"):
        (root / "Scripts").mkdir(exist_ok=True)
        (root / "Scripts" / file.name).write_bytes(file.content)
    command = runner.command(root / "Scripts" / "tool.exe", arguments)
    env = {"PATH": os.defpath, "HOME": str(root), **runner.environment}
    return check(run(command, env=env, timeout=300), "The script")


def test_a_shipped_script_has_its_flags_its_file_and_its_name(wine: tuple[WineRunner, Path]) -> None:
    lines = started(wine, FLAGS, "a b", '"').output.splitlines()
    assert lines == [
        "1 1 0",
        "tool True # python -Es",
        "tool ['a b', '\"'] True",
        "__main__ What it is. ['os', 'sys']",
    ]


def test_processes_that_a_shipped_script_starts_find_it(wine: tuple[WineRunner, Path]) -> None:
    assert started(wine, WORKERS).output.strip() == "[2, 4]"
