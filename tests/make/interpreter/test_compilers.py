from __future__ import annotations

import marshal
import os
import shutil
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.errors import WorkError
from bundle.base.extract import extract
from bundle.base.files import sha256_of
from bundle.base.report import Reporter
from bundle.make.assemble.layers import Layering
from bundle.make.interpreter.bytecode import compile_tree
from bundle.make.interpreter.compilers import Bytecode, Compiler, best, bytecode_of, check_magic
from bundle.model.locks.lock import LockedFile, LockedPackage
from bundle.model.platforms import PLATFORMS
from tests.artifacts.wheelmaker import make_wheel
from tests.foreign import debian, linux_aarch64
from tests.foreign.pythons import foreign_python
from tests.make.projects import required

LINUX, WINDOWS = PLATFORMS["linux-x64"], PLATFORMS["windows-x64"]
OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"
EXACT = ".".join(map(str, sys.version_info[:3]))


def test_a_bundle_for_this_machine_compiles_its_modules_itself(tmp_path: Path) -> None:
    found = bytecode_of("3.12.10", LINUX, wanted=True, machine=LINUX, environ={})
    assert found.as_json() == "compiled by 3.12.10"
    assert found.compiler(lambda: tmp_path) == Compiler(python=tmp_path, version="3.12.10")


def test_where_no_bytecode_is_wanted_the_manifest_says_false_and_nobody_is_asked() -> None:
    found = bytecode_of("3.12.10", WINDOWS, wanted=False, machine=LINUX, environ={})
    assert found == Bytecode()
    assert found.as_json() is False
    assert found.compiler(Path) is None


@pytest.mark.real
def test_without_a_python_of_the_same_version_it_is_left_out_and_the_manifest_says_why(tmp_path: Path) -> None:
    found = bytecode_of("3.99.1", WINDOWS, wanted=True, machine=LINUX, environ={"HOME": str(tmp_path), "PATH": ""})
    assert found.as_json() == "left out: no CPython 3.99 on this machine"
    assert found.compiler(Path) is None


@pytest.mark.real
def test_for_another_platform_this_machines_python_of_the_same_version_compiles(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    found = bytecode_of(f"{OWN}.99", WINDOWS, wanted=True, machine=LINUX, environ=environ)
    assert found.as_json() == f"compiled by {EXACT}"
    compiler = found.compiler(lambda: tmp_path / "never asked")
    assert compiler is not None
    (tmp_path / "tree").mkdir()
    magic = compile_tree(tmp_path / "tree", python=compiler.python).magic
    stdlib = Path(os.__file__).parent
    check_magic(compiler, stdlib.parent, stdlib.name, magic)


def test_of_several_pythons_the_exact_one_compiles_else_the_newest() -> None:
    found = [Compiler(python=Path(version), version=version) for version in ("3.99.1", "3.99.12", "3.99.4")]
    assert best(found, "3.99.4") == found[2]
    assert best(found, "3.99.9") == found[1]
    assert best([], "3.99.9") is None


@pytest.mark.real
def test_bytecode_that_the_interpreter_would_not_read_is_an_error(tmp_path: Path) -> None:
    importlib = tmp_path / "Lib" / "importlib"
    importlib.mkdir(parents=True)
    (importlib / "_bootstrap_external.py").write_text("MAGIC_NUMBER = (3495).to_bytes(2, 'little') + b'\\r\\n'\n")
    compiler = Compiler(python=Path(sys.executable), version="3.11.0")
    check_magic(compiler, tmp_path, "Lib", "a70d0d0a")
    with pytest.raises(WorkError, match=r"3\.11\.0"):
        check_magic(compiler, tmp_path, "Lib", "cb0d0d0a")


MODULES = {
    "tool/__init__.py": "KINDS = {'one', 'two'}\ndef f(x=1 << 70, y=-0.0): return x in {'a', 'b', 'ü'}\n",
    "tool/deep/er.py": "from .. import f\nclass C:\n    def m(self): return [lambda: (self, 1.5, b'x', ...)]\n",
}


TOOL = LockedPackage(
    name="tool",
    version="1.0",
    kind="wheel",
    file=LockedFile(name="tool.whl", size=1, sha256="f" * 64),
    reason="",
    required_by=("",),
)


@pytest.mark.real
def test_the_same_wheel_compiles_to_the_same_code_for_every_platform(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", reporter=Reporter())
    wheel = make_wheel(tmp_path, "tool", "1.0", files={name: text.encode() for name, text in MODULES.items()})
    compiler = Compiler(python=Path(sys.executable), version=EXACT)
    contents: dict[str, dict[str, tuple[bytes, Any]]] = {}
    for platform in PLATFORMS.values():
        layering = Layering(store=store, platform=platform, python=EXACT, reporter=Reporter(), compiler=compiler)
        layer = layering.wheel(wheel, sha256=sha256_of(wheel), package=TOOL)
        site = store.tree(layer) / platform.site_packages(EXACT)
        contents[platform.key] = {
            path.relative_to(site).as_posix(): (path.read_bytes()[:16], _nameless(path, platform.site_packages(EXACT)))
            for path in site.rglob("*.pyc")
        }
    assert len(contents["linux-x64"]) == 2
    assert all(content == contents["linux-x64"] for content in contents.values())


@pytest.mark.real
def test_what_is_compiled_here_is_byte_for_byte_what_the_target_would_have_compiled(tmp_path: Path) -> None:
    prepared = foreign_python("linux-aarch64")
    platform = PLATFORMS[prepared.key]
    found = bytecode_of(prepared.python, platform, wanted=True, machine=LINUX, environ=dict(os.environ))
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None:
        required("qemu-user is not installed (package qemu-user-static)")
    if found.host is None or found.by != prepared.python:
        pytest.skip(f"this machine has no CPython {prepared.python}, and another release may compile otherwise")
    extract(prepared.path, tmp_path / "there")
    root = tmp_path / "there" / "python"
    native = tmp_path / "native"
    native.write_text(
        f'#!/bin/sh\nexec {emulator} -cpu cortex-a72 -L "{debian.sysroot(linux_aarch64.MACHINE)}" '
        f'"{root / platform.executable(prepared.python)}" "$@"\n'
    )
    native.chmod(0o755)
    for name in ("here", "emulated"):
        for package in ("asyncio", "email", "json"):
            shutil.copytree(root / platform.stdlib(prepared.python) / package, tmp_path / name / package)
    here = compile_tree(tmp_path / "here", python=found.host)
    assert here == compile_tree(tmp_path / "emulated", python=native)
    assert here.compiled > 50
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.pyc")}
        for name in ("here", "emulated")
    ]
    assert contents[0] == contents[1]


def _nameless(pyc: Path, site: str) -> CodeType:
    """Return the code without the folder of its file, which must be relative to the bundle and spelt with `/`."""

    def without(code: CodeType) -> CodeType:
        assert code.co_filename.startswith(f"{site}/tool/")
        assert "\\" not in code.co_filename
        constants = tuple(without(one) if isinstance(one, CodeType) else one for one in code.co_consts)
        return code.replace(co_filename=code.co_filename.removeprefix(site), co_consts=constants)

    code = marshal.loads(pyc.read_bytes()[16:])
    assert isinstance(code, CodeType)
    return without(code)
