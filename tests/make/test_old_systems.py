"""A bundle of an archive's interpreter, with numpy, on an old system and on one with nothing but the C library."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import NetworkError
from bundle.base.processes.run import check, run
from tests.foreign import linux_x64_old
from tests.foreign.bundles import foreign_wheel, found
from tests.foreign.systems import PLACE, only_the_c_library, run_elsewhere, system
from tests.make.projects import SmallProject, this_machine
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real

NUMPY = "2.0.2"
"""The last for CPython 3.9."""

CODE = """
import ctypes, os, platform, sqlite3, ssl, sys
import numpy
assert not os.environ.keys() - {"PWD", "LC_CTYPE"} and os.getuid() == 65534
try:
    open(os.path.join(sys.prefix, "new"), "w")
except OSError:
    print(sys.prefix, platform.libc_ver()[1], numpy.linalg.inv([[2.0]])[0][0])
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build and verify a bundle, and unpack its archive elsewhere."""
    machine = this_machine()
    if machine.key != "linux-x64":
        pytest.skip("the interpreter for old systems is one for linux-x64")
    try:
        prepared = linux_x64_old.prepare()
    except (NetworkError, LookupError) as error:
        found(None, f"no interpreter for old systems could be prepared: {error}")
    folder = tmp_path_factory.mktemp("old systems")
    registry = Registry(folder / "registry")
    (folder / "registry" / "numpy").mkdir(parents=True)
    shutil.copy(foreign_wheel("numpy", NUMPY, machine.key, prepared.python), folder / "registry" / "numpy")
    with serving(registry):
        project = SmallProject(root=folder / "project", cache=folder / "cache", registry=registry.url)
        project.root.mkdir()
        shared = {
            "registries": {"default": registry.url},
            "packages": {"dependencies": ["numpy"]},
            "build": {"glibc": "2.31", "carry": True},
        }
        (project.root / "shared-config.json").write_text(json.dumps(shared))
        project.configure(prepared.python, platforms=[machine.key])
        built = project.run("--json", "build", prepared.python, "--interpreter", prepared.option)
        assert built.code == 0, built.errors
    target = folder / "a b ü"
    target.mkdir()
    archive = Path(built.json["bundles"][0]["archive"]["path"])
    check(run(["tar", "--zstd", "-xf", archive, "-C", target]), "Unpacking")
    shutil.rmtree(folder / "cache")
    shutil.rmtree(project.output)
    yield target / "python"
    shutil.rmtree(folder)


def _started(root: Path, bundle: Path) -> str:
    done = run_elsewhere(root, bundle, [f"{PLACE}/bin/python", "-B", "-W", "error", "-c", CODE])
    assert done.errors == ""
    return done.output.strip()


def test_it_runs_on_debian_11(bundle: Path) -> None:
    root = system(
        "bullseye", "libc6", "libcrypt1", "dash", "coreutils", "libacl1", "libattr1", "libselinux1", "libpcre2-8-0"
    )
    assert _started(root, bundle) == f"{PLACE} 2.31 0.5"


def test_it_runs_where_there_is_nothing_but_the_c_library(bundle: Path, tmp_path: Path) -> None:
    root = only_the_c_library(system("bullseye", "libc6", "libcrypt1"), this_machine(), tmp_path / "root")
    assert _started(root, bundle) == f"{PLACE} 2.31 0.5"


def test_its_floor_is_that_of_the_old_system(bundle: Path) -> None:
    floor = json.loads((bundle / "bundle.json").read_bytes())["floor"]["glibc"]
    assert (2, 17) < tuple(map(int, floor.split("."))) <= (2, 31)
