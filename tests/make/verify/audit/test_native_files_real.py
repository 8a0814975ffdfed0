"""The audit of real files: an interpreter of this machine, what a compiler makes, and wheels of every platform."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.portable.run_paths import patchelf_program
from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.native.native import dotted
from bundle.base.native.read import read_native
from bundle.model.platforms import PLATFORMS
from tests.foreign.downloads import project_file
from tests.make.audited import PYTHON, good, rules
from tests.make.conftest import TinyBundle

pytestmark = pytest.mark.real

STATIC = ("records", "paths", "binaries", "names", "licences")

PILLOW = {
    "linux-x64": "manylinux_2_27_x86_64.manylinux_2_28_x86_64",
    "linux-aarch64": "manylinux_2_27_aarch64.manylinux_2_28_aarch64",
    "macosx-x64": "macosx_10_13_x86_64",
    "macosx-aarch64": "macosx_11_0_arm64",
    "windows-x64": "win_amd64",
}
"""The tags of a package with a dozen libraries of its own, repaired by auditwheel and delocate or linked statically."""


@pytest.mark.parametrize("key", PILLOW)
def test_nothing_is_wrong_with_a_published_wheel(tmp_path: Path, key: str) -> None:
    made = good(tmp_path, key)
    wheel = project_file(
        "pillow", lambda name: name.startswith("pillow-12.") and name.endswith(f"cp312-{PILLOW[key]}.whl")
    )
    lay_out(wheel, made.root, platform=PLATFORMS[key], python=PYTHON)
    report = made.verify()
    assert rules(report) == []
    assert report.checked["binaries"] > 5
    assert report.licences["pillow"]


def test_an_interpreter_of_this_machine_has_no_flaw_but_its_floor(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    report = tiny_bundle.verify(tmp_path / "work", *STATIC)
    assert report.ok
    assert set(rules(report)) <= {("glibc-above-floor", tiny_bundle.platform.executable(tiny_bundle.python))}
    assert report.checked["binaries"] > 50


def test_what_a_compiler_makes_is_read_as_other_tools_read_it(tmp_path: Path, compiled: Callable[..., bytes]) -> None:
    path = tmp_path / "module.so"
    path.write_bytes(compiled("_module", "void *p = malloc(8); free(p);"))
    native = read_native(path)
    assert native is not None
    if (readelf := shutil.which("readelf")) is None:
        assert "CI" not in os.environ
        pytest.skip("binutils is not installed")
    told = subprocess.run([readelf, "-V", "-d", path], capture_output=True, text=True, check=True).stdout
    assert [need.name for need in native.needs] == [
        line.partition("[")[2].rstrip("]") for line in told.splitlines() if "(NEEDED)" in line
    ]
    newest = max((word for word in told.split() if word.startswith("GLIBC_")), key=dotted)
    assert f"GLIBC_{native.glibc}" == newest


def test_damage_done_with_real_tools_is_found(
    tiny_bundle: TinyBundle, tmp_path: Path, compiled: Callable[..., bytes]
) -> None:
    content = compiled("_broken")
    tiny_bundle.install("broken", "1.0", {"broken/__init__.py": "", "broken/_broken.so": content})
    path = tiny_bundle.site / "broken" / "_broken.so"
    for option in (["--add-needed", "libnowhere.so.3"], ["--set-rpath", f"{tmp_path}/lib:$ORIGIN"]):
        subprocess.run([patchelf_program(), *option, path], check=True)
    report = tiny_bundle.verify(tmp_path / "work", *STATIC)
    assert {finding.rule for finding in report.findings if finding.file.endswith("_broken.so")} >= {
        "library-missing",
        "record-differs",
        "run-path-leaves",
    }
