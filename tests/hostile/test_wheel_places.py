"""Wheels that write where they have no business, and honest ones that come close."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bundle.artifacts.store.layers import Entry, Layer, overlay
from bundle.base.errors import IntegrityError
from bundle.make.verify.checks.rules import RULES
from bundle.model.manifest import Conflict
from tests.artifacts.wheel.layouts import LINUX, MACOS, SITE, WINDOWS, content, lay, refused
from tests.artifacts.wheelmaker import make_wheel
from tests.make.audited import good

ANYWHERE = [
    "bundle.json",
    "Bundle.JSON",
    "pyvenv.cfg",
    "bin/pyvenv.cfg",
    "pybuilddir.txt",
    "bin/pybuilddir.txt",
    "bin/python",
    "bin/python3",
    "bin/python3.12",
    "bin/Python3.12-config",
    "bin/pip",
    "bin/pip3.12",
    "bin/python312._pth",
    "python._pth",
    "lib/python312.zip",
    "python312.zip",
    "lib/libpython3.so",
]

ON_POSIX = [
    "lib/python3.12/os.py",
    "lib/python3.12/numpy.py",
    "lib/python3.12/numpy/__init__.py",
    "lib/python3.12/sitecustomize.py",
    "lib/python3.12/usercustomize.py",
    "lib/python3.12/lib-dynload/_ssl.so",
    "lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py",
    "LIB/Python3.12/os.py",
    "lib/libc.so.6",
    "lib/libstdc++.so.6",
]

ON_WINDOWS = [
    "Lib/os.py",
    "lib/numpy/__init__.py",
    "Lib/sitecustomize.pyc",
    "DLLs/_ssl.pyd",
    "libs/python312.lib",
    "tcl/init.tcl",
    "python312._pth",
    "python3.dll",
    "version.dll",
    "numpy.py",
    "numpy.pyd",
    "numpy/__init__.py",
    "pythonw.exe",
    "Scripts/pip.exe",
]


@pytest.mark.parametrize("path", [*ANYWHERE, *ON_POSIX])
def test_what_belongs_to_the_interpreter_or_the_manifest_is_refused(tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, files={f"{{data}}/data/{path}": ""})
    for platform in (LINUX, MACOS):
        error = refused(wheel, tmp_path / platform.key, platform=platform)
        assert isinstance(error, IntegrityError)
        assert (wheel.name in error.what, path in error.what) == (True, True)
        assert content(tmp_path / platform.key) == {
            name: found for name, found in content(tmp_path / platform.key).items() if name.startswith(SITE)
        }
        (tmp_path / platform.key).rename(tmp_path.parent / f"{tmp_path.name}-{platform.key}")


@pytest.mark.parametrize("path", [*ANYWHERE, *ON_WINDOWS])
def test_the_same_on_windows(tmp_path: Path, path: str) -> None:
    path = path.replace("bin/", "Scripts/")
    wheel = make_wheel(tmp_path, files={f"{{data}}/data/{path}": ""})
    error = refused(wheel, tmp_path / "tree", platform=WINDOWS)
    assert isinstance(error, IntegrityError)
    assert path in error.what


@pytest.mark.parametrize("name", ["python", "python3.12", "pip", "pip3", "python3-config", "pyvenv.cfg"])
def test_scripts_of_the_interpreter_are_refused(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path, files={f"{{data}}/scripts/{name}": b"#!python\n"})
    assert "would replace the bundle's interpreter" in refused(wheel, tmp_path / "tree").what


@pytest.mark.parametrize("name", ["python3", "pip", "pip3.12"])
def test_entry_points_of_the_interpreter_are_refused(tmp_path: Path, name: str) -> None:
    points = f"[console_scripts]\n{name} = demo:main\n"
    wheel = make_wheel(tmp_path, files={"demo.py": ""}, dist_info={"entry_points.txt": points})
    assert "would replace the bundle's interpreter" in refused(wheel, tmp_path / "tree").what


@pytest.mark.parametrize(
    "path",
    [
        "numpy-2.0.dist-info/METADATA",
        "{data}/purelib/numpy-2.0.dist-info/METADATA",
        "{data}/platlib/NumPy-2.0.DIST-INFO/RECORD",
        f"{{data}}/data/{SITE}/numpy-2.0.dist-info/INSTALLER",
        "{data}/purelib/demo-1.0.dist-info/direct_url.json",
        "{data}/purelib/demo-1.0.dist-info/INSTALLER",
        f"{{data}}/data/{SITE}/demo-1.0.dist-info/direct_url.json",
        "{data}/purelib/demo-2.0.dist-info/METADATA",
    ],
)
def test_a_second_record_of_a_package_is_refused(tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, files={path: ""})
    assert isinstance(refused(wheel, tmp_path / "tree"), IntegrityError)


HONEST = [
    "{data}/data/etc/jupyter/jupyter_server_config.d/demo.json",
    "{data}/data/share/jupyter/labextensions/demo/package.json",
    "{data}/data/share/jupyter/kernels/demo/kernel.py",
    "{data}/data/share/man/man1/demo.1",
    "{data}/data/include/demo/demo.h",
    "{data}/data/lib/libmkl_core.so.2",
    "{data}/data/lib/pkgconfig/demo.pc",
    "{data}/data/Library/bin/mkl_rt.2.dll",
    "{data}/data/LICENSE.txt",
    "{data}/data/README.md",
    "{data}/headers/classifier.h",
    "{data}/scripts/python-argcomplete-check-easy-install-script",
    "{data}/scripts/pipdeptree",
    "{data}/scripts/pip-compile",
    "{data}/scripts/ninja",
    "{data}/scripts/__init__.py",
    "nvidia/cublas/lib/libcublas.so.12",
    "demo.libs/libgomp-a34b3233.so.1.0.0",
    "distutils-precedence.pth",
    "sitecustomize.py",
    "demo/_vendor/other-1.0.dist-info/METADATA",
    "demo.egg-info/PKG-INFO",
    "python.exe/readme",
]


@pytest.mark.parametrize("path", HONEST)
def test_honest_wheels_pass_everywhere(tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, files={path: ""})
    # On Windows, `lib` beside `Lib` is another error.
    for platform in (LINUX, MACOS) if "/lib/" in path else (LINUX, MACOS, WINDOWS):
        lay(wheel, tmp_path / platform.key, platform=platform)


def test_pip_brings_its_own_scripts(tmp_path: Path) -> None:
    points = "[console_scripts]\npip = pip:main\npip3 = pip:main\n"
    wheel = make_wheel(tmp_path, name="pip", files={"pip.py": ""}, dist_info={"entry_points.txt": points})
    lay(wheel, tmp_path / "tree")
    assert (tmp_path / "tree/bin/pip3").is_file()


def layer(kind: str, name: str, path: str, sha256: str) -> Layer:
    entry = Entry(path, "file", executable=False, size=1, sha256=sha256, target="")
    return Layer(digest=name, kind=kind, name=name, version="1", entries=(entry,), size=1, about={})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["bin/pydoc3", f"{SITE}/pip/__init__.py", "include/python3.12/Python.h", "lib/libssl.so.3"]
)
def test_a_file_of_the_interpreter_is_never_replaced_by_a_wheels(path: str) -> None:
    interpreter = layer("interpreter", "python", path, "a")
    with pytest.raises(IntegrityError, match="would replace the interpreter's"):
        overlay([interpreter, layer("wheel", "demo", path, "b")])
    assert overlay([interpreter, layer("wheel", "demo", path, "a")])[1] == []
    for other in (layer("wheel", "pip", path, "b"), layer("copyFiles", "copyFiles", path, "b")):
        assert overlay([interpreter, other])[1] == [Conflict(path=path, kept=other.name, lost="python")]


def test_files_of_other_packages_and_documents_are_conflicts_as_before() -> None:
    one, two = layer("wheel", "one", "LICENSE.txt", "a"), layer("wheel", "two", "LICENSE.txt", "b")
    assert overlay([one, two])[1] == [Conflict(path="LICENSE.txt", kept="two", lost="one")]
    assert len(overlay([layer("interpreter", "python", "LICENSE.txt", "c"), one])[1]) == 1


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        ("sitecustomize.py", "", "warning"),
        ("usercustomize/__init__.py", "", "warning"),
        ("sitecustomize.cpython-312-x86_64-linux-gnu.pyc", "", "warning"),
        ("distutils-precedence.pth", "import os; os.x\n", "note"),
        ("late.pth", "# comment\nfolder\nimport\tevil\n", "note"),
        ("folders.pth", "../other\nimportant\n", None),
        ("sums/sitecustomize.py", "", None),
        ("sitecustomize/other.py", "", None),
    ],
)
def test_what_runs_at_every_start_is_reported_with_its_package(
    tmp_path: Path, path: str, text: str, severity: str | None
) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("hook", {path: text})
    report = made.verify()
    found = [one for one in report.findings if one.rule == "runs-at-start"]
    assert [(one.severity, one.file) for one in found] == ([(severity, f"{SITE}/{path}")] if severity else [])
    assert all("hook" in one.message for one in found)
    assert not report.of("error")


def test_own_files_are_not_reported_and_a_finding_can_be_accepted(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("hook", {"sitecustomize.py": ""})
    report = made.verify(copied=[f"{SITE}/sitecustomize.py"])
    assert not [one for one in report.findings if one.rule == "runs-at-start"]
    assert RULES["runs-at-start"].acceptable


def test_two_folders_of_data_are_told_apart(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"{data}/data/share/a": "", "other-1.0.data/data/bundle.json": ""})
    lay(wheel, tmp_path / "tree")
    assert zipfile.is_zipfile(wheel)
    assert not (tmp_path / "tree/bundle.json").exists()


@pytest.mark.parametrize(
    "path",
    [
        *(
            "other.egg-info/PKG-INFO",
            "other-1.0.egg-info/PKG-INFO",
            "other-1.0-py3.12.egg-info",
            "Other.EGG-INFO/PKG-INFO",
        ),
        *("other.egg-link", "other-1.0-py3.12.egg/EGG-INFO/PKG-INFO", "numpy.egg-info/requires.txt"),
    ],
)
def test_a_wheel_describes_no_other_package_in_the_old_form(tmp_path: Path, path: str) -> None:
    error = refused(make_wheel(tmp_path, files={path: "x"}), tmp_path / "tree")
    assert "record of another package" in error.what
    error = refused(make_wheel(tmp_path / "data", files={f"{{data}}/purelib/{path}": "x"}), tmp_path / "data" / "tree")
    assert "record of another package" in error.what


@pytest.mark.parametrize(
    "path", ["demo.egg-info/PKG-INFO", "Demo-1.0-py3.12.egg-info/x", "demo/x.egg-info", "demo.egginfo"]
)
def test_its_own_old_form_is_harmless(tmp_path: Path, path: str) -> None:
    lay(make_wheel(tmp_path, files={path: "x"}), tmp_path / "tree")
