from __future__ import annotations

import platform
import py_compile
import sys
from pathlib import Path

import pytest

from bundle.base.processes.run import check, run
from bundle.make.interpreter.compilers import Compiler
from bundle.make.verify.checks.compiled import CompiledModule, differing

pytestmark = pytest.mark.real

COMPILER = Compiler(python=Path(sys.executable), version=platform.python_version())

SOURCE = "def answer(many=frozenset({'a', 'b', 'c'})):\n    assert many\n    return -0.0, lambda: ANSWER\n"


def found(root: Path, *paths: str, compiler: Compiler = COMPILER, source: str = "tool.py") -> list[str]:
    modules = [CompiledModule(path=path, source=source, level=level) for level, path in enumerate(paths)]
    return differing(modules, root, compiler, jobs=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a source, and what each level of optimisation makes of it elsewhere."""
    for name, answer in (("tool.py", "42"), ("other.py", "43")):
        (tmp_path / name).write_text(SOURCE.replace("ANSWER", answer))
    for level in range(3):
        target = str(tmp_path / f"{level}.pyc")
        py_compile.compile(str(tmp_path / "tool.py"), target, dfile="/before/tool.py", optimize=level, doraise=True)
    return tmp_path


def test_the_place_of_the_bundle_and_the_state_of_the_process_make_no_difference(root: Path) -> None:
    assert found(root, "0.pyc", "1.pyc", "2.pyc") == []
    started = [sys.executable, "-X", "no_debug_ranges", "-c", "import json, ssl, tool; print(tool.__cached__)"]
    done = check(run(started, env={"PYTHONPATH": str(root), "PYTHONHASHSEED": "7"}), "Python")
    assert found(root, str(Path(done.output.strip()).relative_to(root))) == []


def test_other_code_is_found(root: Path) -> None:
    assert found(root, "0.pyc", "1.pyc", "2.pyc", source="other.py") == ["0.pyc", "1.pyc", "2.pyc"]
    assert found(root, "1.pyc", "0.pyc") == ["1.pyc", "0.pyc"]
    (root / "tool.py").write_text("this is no module of Python\n")
    assert found(root, "0.pyc") == ["0.pyc"]


@pytest.mark.parametrize(
    "crafted",
    [b"", b"i\0\0\0\0", b"(\xff\xff\xff\x7f", b"[\1\0\0\0" * 100_000, b"\xe3" + bytes(5000), b"N", b"r\0\0\0\0"],
)
def test_crafted_bytes_are_found_and_what_comes_behind_them_too(root: Path, crafted: bytes) -> None:
    head = (root / "0.pyc").read_bytes()[:16]
    (root / "crafted.pyc").write_bytes(head + crafted)
    (root / "good.pyc").write_bytes((root / "1.pyc").read_bytes())
    assert found(root, "crafted.pyc", "good.pyc") in (["crafted.pyc"], ["crafted.pyc", "good.pyc"])


def test_without_an_answer_of_the_compiler_nothing_passes(root: Path) -> None:
    gone = Compiler(python=root / "nowhere", version="3.12.1")
    assert found(root, "0.pyc", compiler=gone) == ["0.pyc"]
