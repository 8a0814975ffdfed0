"""One project for all five platforms, taken through the command line: built, run, damaged, and given bad input."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bundle.artifacts.interpreters.portable.run_paths import patchelf_program
from bundle.base.processes.run import check, run
from bundle.model.platforms import PLATFORMS
from tests.artifacts.wheelmaker import make_wheel
from tests.foreign.bundles import NUMPY, foreign_wheel, found, program
from tests.foreign.pythons import PREPARATIONS, foreign_python
from tests.make.projects import SmallProject, compiled_module, fetch_setuptools, host_python, this_machine
from tests.make.registry import Registry, serving
from tests.make.sdistmaker import IN_TREE, SETUPTOOLS, WRITER, make_sdist

pytestmark = pytest.mark.real

MACHINE = "linux-x64"

VERSIONS = {key: "3.11.2-cross" if key == "linux-aarch64" else "3.12.9-cross" for key in PLATFORMS}
"""By platform; the interpreter that Debian has for ARM is of another X.Y than the others."""

NATIVE, LYING, LOW = "3.12.9-native", "3.12.9-lying", "3.11.2-low"

PURE = """
def build_wheel(folder, config_settings=None, metadata_directory=None):
    entry = "[console_scripts]\\npuretool = puretool:main\\n"
    files = {"puretool.py": open("puretool.py").read(), "puretool-2.0.dist-info/entry_points.txt": entry}
    return write_wheel(folder, files, name="puretool", version="2.0")
"""
SETUP = """
from setuptools import Extension, setup
setup(name="compiled", version="3.0", ext_modules=[Extension("compiled", ["compiled.c"])])
"""
SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiled", "", -1, NULL};
PyMODINIT_FUNC PyInit_compiled(void) { return PyModule_Create(&module); }
"""


class CrossProject(SmallProject):
    """A project whose versions are for platforms that this machine is not."""

    def cross(self, *arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Build with the prepared interpreters; return the exit code and what the command says."""
        options = [part for key in PREPARATIONS for part in ("--interpreter", foreign_python(key).option)]
        done = self.run("--json", "build", *arguments, *options, environ=environ)
        return done.code, done.json

    def bundle(self, key: str) -> Path:
        """Return where the bundle for a platform stands."""
        return self.output / VERSIONS[key] / key

    def verified(
        self, target: Path, *arguments: str | Path, environ: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Verify a bundle; return the exit code and the report."""
        done = self.run("--json", "verify", target, *arguments, environ=environ)
        assert done.output, done.errors
        return done.code, done.json["bundles"][0]


def wheels_of(key: str) -> list[Path]:
    """Return the wheels that the project's packages have for a platform."""
    python = VERSIONS[key].partition("-")[0]
    return [foreign_wheel(*one, key, python) for one in (("numpy", NUMPY), ("charset-normalizer", "3.4.0"))]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrossProject]:
    if this_machine().key != MACHINE:
        pytest.skip(f"the prepared interpreters and emulators are for {MACHINE}")
    folder = tmp_path_factory.mktemp("cross")
    shelf = folder / "registry"
    for key in PLATFORMS:
        for wheel in wheels_of(key):
            target = shelf / wheel.name.partition("-")[0].replace("_", "-") / wheel.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():  # A pure wheel serves several.
                target.symlink_to(wheel)
    for name in ("puretool", "compiled", "setuptools"):
        (shelf / name).mkdir()
    pure = {"in_tree/backend.py": WRITER + dedent(PURE), "puretool.py": "def main():\n    import numpy\n"}
    make_sdist(shelf / "puretool", {"pyproject.toml": IN_TREE, **pure}, name="puretool", version="2.0")
    native = {"pyproject.toml": SETUPTOOLS, "setup.py": SETUP, "compiled.c": SOURCE}
    make_sdist(shelf / "compiled", native, name="compiled", version="3.0")
    fetch_setuptools(shelf / "setuptools")
    module = compiled_module("lying", host_python(), folder)
    for tag, path in (("win_amd64", "lying.cp312-win_amd64.pyd"), ("macosx_11_0_arm64", "lying.cpython-312-darwin.so")):
        make_wheel(shelf / "lying", "lying", tag=f"cp312-cp312-{tag}", files={path: module})
    with serving(Registry(shelf)) as registry:
        made = CrossProject(root=folder / "project", cache=folder / "cache", registry=registry.url)
        shared = {
            "registries": {"default": registry.url},
            "interpreter": {"sources": ["host"], "substitute": "patch"},
            "packages": {
                "dependencies": [f"numpy=={NUMPY}", "charset-normalizer==3.4.0", "puretool"],
                "resolution": {"allowSourceList": ["puretool", "compiled"]},
            },
        }
        made.root.mkdir()
        (made.root / "shared-config.json").write_text(json.dumps(shared))
        for version in set(VERSIONS.values()):
            made.configure(
                version,
                platforms=[key for key, name in VERSIONS.items() if name == version],
                packages={
                    "copyFiles": [
                        {"from": "own.ini", "to": "share/own.ini"},
                        # Even among a package's files it is the version's own.
                        {"from": "own.ini", "to": "{site-packages}/numpy/own.ini"},
                    ]
                },
                # What Debian's interpreter needs.
                build={"glibc": "2.36"} if version.startswith("3.11") else {},
            )
            (made.root / "versions" / version / "own.ini").write_text("[own]\n")
        made.configure(NATIVE, platforms=[MACHINE, "windows-x64"], packages={"dependencies": ["compiled"]})
        made.configure(LYING, platforms=["windows-x64", "macosx-aarch64"], packages={"dependencies": ["lying"]})
        made.configure(LOW, platforms=["linux-aarch64"], packages={"dependencies": []})
        yield made


@pytest.fixture(scope="module")
def built(project: CrossProject) -> CrossProject:
    """The project, with the bundles for all platforms, built at once."""
    code, said = project.cross(*sorted(set(VERSIONS.values())), "--platform", "all")
    assert (code, said["failed"]) == (0, [])
    assert {one["platform"]: one["version"] for one in said["bundles"]} == VERSIONS
    return project


class TestOneCommandForAllPlatforms:
    def test_leaves_bundles_archives_and_catalogue_entries_with_measured_floors(self, built: CrossProject) -> None:
        entries = {one["platform"]: one for one in json.loads(built.catalogue.read_bytes())["bundles"]}
        assert set(entries) == set(PLATFORMS)
        for key, entry in entries.items():
            assert (built.output / f"{VERSIONS[key]}-{key}.tar.zst").is_file()
            assert (built.bundle(key) / "share/own.ini").is_file()
            decisions = {package["name"]: package["decision"] for package in entry["packages"]}
            assert decisions == {"numpy": "wheel", "charset-normalizer": "wheel", "puretool": "source"}
        assert set(entries["linux-aarch64"]["floor"]) == {"glibc"}
        assert set(entries["macosx-aarch64"]["floor"]) == {"macos"}

    def test_builds_a_pure_source_once_for_them(self, built: CrossProject) -> None:
        manifests = [json.loads((built.bundle(key) / "bundle.json").read_bytes()) for key in PLATFORMS]
        wheels = {
            (manifest["version"], package["wheel"])
            for manifest in manifests
            for package in manifest["packages"]
            if package["name"] == "puretool"
        }
        assert len(wheels) == 2

    @pytest.mark.parametrize("key", PLATFORMS)
    def test_gives_nothing_for_the_audit_to_find(self, built: CrossProject, key: str) -> None:
        code, report = built.verified(built.bundle(key))
        assert (code, report["ok"]) == (0, True)
        known = {"glibc-above-floor"} if key == MACHINE else set()
        assert {one["rule"] for one in report["findings"] if one["severity"] in ("error", "warning")} <= known

    @pytest.mark.parametrize("key", ["linux-aarch64", "windows-x64"])
    def test_gives_what_imports_starts_its_scripts_and_moves_in_an_emulator(
        self, built: CrossProject, key: str
    ) -> None:
        program(*(("wine", "wine wine64") if key == "windows-x64" else ("qemu-aarch64-static", "qemu-user-static")))
        code, report = built.verified(built.bundle(key), "--run")
        assert (code, report["answer"]) == (0, "pass"), report["findings"]
        assert report["checked"]["imports"] > 30
        assert report["checked"]["relocation"] > 10

    def test_gives_what_runs_where_there_is_nothing_but_the_c_library(
        self, built: CrossProject, tmp_path: Path
    ) -> None:
        program("bwrap", "bubblewrap")
        here, root = Path("/lib/x86_64-linux-gnu"), tmp_path / "root"
        for folder in ("lib64", "lib/x86_64-linux-gnu"):
            (root / folder).mkdir(parents=True)
        for name in ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"):
            file = found(here / name if (here / name).is_file() else None, f"no {name}")
            shutil.copyfile(file, root / "lib/x86_64-linux-gnu" / name)
        shutil.copy("/lib64/ld-linux-x86-64.so.2", root / "lib64")
        code, report = built.verified(built.output / f"{VERSIONS[MACHINE]}-{MACHINE}.tar.zst", "--root", root)
        assert (code, report["answer"]) == (0, "pass"), report["findings"]


def site(root: Path) -> Path:
    return next(
        path for path in (*root.glob("lib/python3.*/site-packages"), root / "Lib/site-packages") if path.is_dir()
    )


def module(root: Path) -> Path:
    """Return numpy's main native module."""
    return next(path for path in site(root).glob("numpy/_core/_multiarray_umath.*") if path.suffix in (".so", ".pyd"))


def replaced(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def patched(path: Path, *arguments: str) -> None:
    check(run([patchelf_program(), *arguments, path]), "patchelf")


Damage = Callable[[Path, CrossProject], Path]
"""Does harm to a bundle; returns the file that is wrong then."""


def wrong_architecture(root: Path, project: CrossProject) -> Path:
    others = {"linux-x64": "linux-aarch64", "linux-aarch64": "linux-x64", "macosx-aarch64": "macosx-x64"}
    shutil.copyfile(module(project.bundle(others.get(root.name, "linux-x64"))), module(root))
    return module(root)


def library_of_nowhere(root: Path, _: CrossProject) -> Path:
    if root.name.startswith("linux"):
        patched(module(root), "--add-needed", "libnowhere.so.3")
        return module(root)
    folder, user = ("numpy/.dylibs", "libscipy_openblas64_.dylib") if root.name == "macosx-x64" else ("numpy.libs", "")
    for library in site(root).joinpath(folder).glob("libgfortran*" if user else "*openblas*"):
        library.unlink()
    return site(root) / folder / user if user else module(root)


def symbol_above_the_floor(root: Path, _: CrossProject) -> Path:
    replaced(module(root), b"\0GLIBC_2.17\0" if root.name == "linux-aarch64" else b"\0GLIBC_2.14\0", b"\0GLIBC_2.99\0")
    return module(root)


def run_path_of_the_build(root: Path, project: CrossProject) -> Path:
    patched(module(root), "--set-rpath", f"{project.root}/lib:$ORIGIN/../../numpy.libs")
    return module(root)


def build_path_in_a_script(root: Path, project: CrossProject) -> Path:
    script = root / "bin/normalizer"
    script.write_text(f"#!{project.root}/bin/python3\n")
    return script


def build_path_in_sysconfig(root: Path, project: CrossProject) -> Path:
    path = next(root.glob("lib/python3.*/_sysconfigdata*.py"))
    path.write_text(f"{path.read_text()}\nbuild_time_vars['CC'] = '{project.cache}/bin/cc'\n")
    return path


def build_path_in_a_pc_file(root: Path, project: CrossProject) -> Path:
    path = next(root.glob("lib/pkgconfig/python-3.*.pc"))
    path.write_text(re.sub(r"(?m)^prefix=.*", f"prefix={project.root}", path.read_text()))
    return path


def launcher_with_an_absolute_path(root: Path, _: CrossProject) -> Path:
    path = root / "Scripts/normalizer.exe"
    replaced(path, rb"<launcher_dir>\..\python.exe", rb"C:\somebodys\own\python.exe")
    return path


def recorded_file_gone(root: Path, _: CrossProject) -> Path:
    path = site(root) / "charset_normalizer/version.py"
    path.unlink()
    return path


def file_that_no_record_has(root: Path, _: CrossProject) -> Path:
    record = next(site(root).glob("charset_normalizer-*.dist-info/RECORD"))
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if not line.startswith("charset_normalizer/version.py,")))
    return site(root) / "charset_normalizer/version.py"


def clash_by_case(root: Path, _: CrossProject) -> Path:
    path = site(root) / "charset_normalizer/version.py"
    shutil.copyfile(path, path.with_name("Version.py"))
    return path


def edited_after_signing(root: Path, _: CrossProject) -> Path:
    content = bytearray(module(root).read_bytes())
    content[len(content) // 3] ^= 1
    module(root).write_bytes(content)
    return module(root)


@pytest.mark.parametrize(
    ("key", "damage", "rule"),
    [
        ("linux-x64", wrong_architecture, "wrong-machine"),
        ("linux-aarch64", wrong_architecture, "wrong-machine"),
        ("macosx-aarch64", wrong_architecture, "wrong-machine"),
        ("windows-x64", wrong_architecture, "wrong-machine"),
        ("linux-aarch64", library_of_nowhere, "library-missing"),
        ("macosx-x64", library_of_nowhere, "library-missing"),
        ("windows-x64", library_of_nowhere, "library-missing"),
        ("linux-x64", symbol_above_the_floor, "glibc-above-floor"),
        ("linux-aarch64", symbol_above_the_floor, "glibc-above-floor"),
        ("linux-aarch64", run_path_of_the_build, "run-path-of-build"),
        ("linux-aarch64", build_path_in_a_script, "script-interpreter"),
        ("macosx-aarch64", build_path_in_sysconfig, "build-path"),
        ("linux-x64", build_path_in_a_pc_file, "absolute-prefix"),
        ("windows-x64", launcher_with_an_absolute_path, "launcher-interpreter"),
        ("windows-x64", recorded_file_gone, "file-removed"),
        ("linux-aarch64", file_that_no_record_has, "record-unlisted"),
        ("macosx-x64", clash_by_case, "case-clash"),
        ("windows-x64", clash_by_case, "case-clash"),
        ("macosx-aarch64", edited_after_signing, "signature-void"),
    ],
)
def test_what_is_damaged_on_purpose_is_found_with_file_and_rule(
    built: CrossProject, tmp_path: Path, key: str, damage: Damage, rule: str
) -> None:
    root = tmp_path / key
    shutil.copytree(built.bundle(key), root, symlinks=True)
    path = damage(root, built)
    code, report = built.verified(root)
    assert code == 5
    errors = {(one["rule"], one["file"]): one for one in report["findings"] if one["severity"] == "error"}
    error = errors[rule, path.relative_to(root).as_posix()]
    assert error["remedy"]
    assert error["message"]


def test_an_interpreter_above_the_floor_is_refused_when_nobody_raised_it(built: CrossProject) -> None:
    code, said = built.cross(LOW, "--platform", "linux-aarch64", "--no-archive")
    assert code == 5
    (failed,) = said["failed"]
    assert "bin/python3.11" in str(failed)
    assert "the floor is 2.28 (build.glibc)" in str(failed)


def test_what_another_machine_has_built_adds_only_what_was_missing(built: CrossProject) -> None:
    code, said = built.cross(NATIVE, "--platform", "all")
    assert code == 1
    assert [(one["platform"], one["status"]) for one in said["bundles"]] == [(MACHINE, "built")]
    (failed,) = said["failed"]
    assert "needs a native windows-x64 machine" in failed["what"]
    assert "packages.skip.compiled.windows-x64" in failed["remedy"]

    # A real module for Windows, in the wheel that a machine there would hand over.
    with zipfile.ZipFile(wheels_of("windows-x64")[0]) as wheel:
        content = wheel.read("numpy/random/_common.cp312-win_amd64.pyd")
    make_wheel(
        built.root / "versions" / NATIVE / "wheels",
        "compiled",
        "3.0",
        tag="cp312-cp312-win_amd64",
        files={"compiled/__init__.py": "", "compiled/_common.cp312-win_amd64.pyd": content},
    )
    code, said = built.cross(NATIVE, "--platform", "all")
    assert (code, said["failed"]) == (0, [])
    assert {one["platform"]: one["status"] for one in said["bundles"]} == {MACHINE: "unchanged", "windows-x64": "built"}
    assert (built.output / NATIVE / "windows-x64/Lib/site-packages/compiled/_common.cp312-win_amd64.pyd").is_file()
    assert built.run("lock", NATIVE, "--check").code == 0


def test_a_published_wheel_whose_tag_lies_makes_no_bundle(built: CrossProject) -> None:
    code, said = built.cross(LYING, "--platform", "all")
    assert (code, said["bundles"]) == (5, [])
    for failed in said["failed"]:
        assert "wrong-machine" in str(failed)
        assert not (built.output / LYING / failed["platform"]).exists()


def hostile(folder: Path) -> Path:
    path = folder / "hostile.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("python/bin/python3.11", "python/../../outside"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


def cut(folder: Path) -> Path:
    path = folder / "cut.tar.zst"
    path.write_bytes(foreign_python("linux-aarch64").path.read_bytes()[:1_000_000])
    return path


def page(folder: Path) -> Path:
    path = folder / "page.tar.zst"
    path.write_text("<html>Not here.</html>")
    return path


@pytest.mark.parametrize(
    ("key", "archive", "code", "words"),
    [
        ("linux-aarch64", lambda _: foreign_python("windows-x64").path, 2, "a Python for windows-x64, not for"),
        ("macosx-x64", lambda _: foreign_python("macosx-aarch64").path, 2, "a Python for macosx-aarch64, not for"),
        ("windows-x64", lambda _: foreign_python("linux-aarch64").path, 2, "No interpreter source has Python 3.12.9"),
        ("linux-aarch64", cut, 4, "cut.tar.zst cannot be unpacked"),
        ("linux-aarch64", page, 4, "page.tar.zst cannot be unpacked"),
        ("linux-aarch64", hostile, 4, "leads upward"),
        ("linux-aarch64", lambda folder: folder / "gone.zip", 2, "not an interpreter source, file or folder"),
    ],
    ids=["other system", "other machine", "other version", "cut", "no archive", "hostile", "gone"],
)
def test_an_interpreter_that_cannot_serve_is_refused(
    project: CrossProject, tmp_path: Path, key: str, archive: Callable[[Path], Path], code: int, words: str
) -> None:
    value = f"{key}={archive(tmp_path)}"
    output = tmp_path / "output"
    done = project.run("build", VERSIONS[key], "--platform", key, "--interpreter", value, "--output", output)
    assert done.code == code
    assert words in done.errors
    assert "to do: " in done.errors
    assert not (output / VERSIONS[key]).exists()


@pytest.mark.parametrize(("key", "tool"), [("linux-aarch64", "qemu-aarch64-static"), ("windows-x64", "wine")])
class TestAnEmulator:
    def test_that_is_missing_is_named_with_its_packages(
        self, built: CrossProject, tmp_path: Path, key: str, tool: str
    ) -> None:
        code, report = built.verified(built.bundle(key), "--run", environ={"PATH": str(tmp_path)})
        assert (code, report["ok"], report["answer"]) == (0, True, "inconclusive")
        unclear = [one for one in report["findings"] if one["severity"] == "inconclusive"]
        assert {one["check"] for one in unclear} == {"requirements", "imports", "relocation"}
        assert all(f"{tool} is not on PATH" in one["message"] for one in unclear)
        assert all("apt-get install" in one["remedy"] for one in unclear)

    def test_that_crashes_proves_nothing_and_says_how_it_ended(
        self, built: CrossProject, tmp_path: Path, key: str, tool: str
    ) -> None:
        program("qemu-aarch64-static", "qemu-user-static libc6-arm64-cross")
        for name in (tool, "wineserver"):
            (tmp_path / name).write_text("#!/bin/sh\nkill -SEGV $$\n")
            (tmp_path / name).chmod(0o755)
        path = os.pathsep.join((str(tmp_path), os.environ["PATH"]))
        code, report = built.verified(built.bundle(key), "--run", environ={"PATH": path})
        assert (code, report["ok"], report["answer"]) == (0, True, "inconclusive")
        unclear = [one["message"] for one in report["findings"] if one["severity"] == "inconclusive"]
        assert len(unclear) == 3
        assert all("ended by signal 11" in message for message in unclear)
