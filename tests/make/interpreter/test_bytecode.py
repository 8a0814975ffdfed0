from __future__ import annotations

import marshal
import os
import sys
from pathlib import Path
from types import CodeType

import pytest

from bundle.base.errors import WorkError
from bundle.base.processes.run import check, run
from bundle.make.interpreter.bytecode import Compiled, compile_tree

pytestmark = pytest.mark.real

PYTHON = Path(sys.executable)

MODULES = {
    "lib/pkg/__init__.py": "'''A docstring.'''\nfrom pkg.sub import thing\n",
    "lib/pkg/sub.py": "KINDS = {'one', 'two'}\ndef thing(x):\n    return x in {'a', 'b', 'c', 'd'} or __file__\n",
    "lib/pkg/many.py": "".join(
        f"def f{n}(x=({n}, 'k{n % 7}')): return x in frozenset({{'x', 'y{n}'}})\n" for n in range(99)
    ),
    "lib/pkg/warns.py": "x = '\\d' is 1\n",
    "lib/pkg/\xfcml.py": "x = 1\n",
    "lib/a b/c.py": "x = 1\n",
    "lib/template.py": "class {{ name }}:\n",
    "lib/python2.py": "print 'x'\n",
    "lib/binary.py": "\0",
    "lib/no.txt": "x = 1\n",
}


def make_tree(root: Path) -> Path:
    for path, text in MODULES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def compiled_files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.pyc"))}


def code_names(code: CodeType) -> set[str]:
    inner = (code_names(value) for value in code.co_consts if isinstance(value, CodeType))
    return {code.co_filename}.union(*inner)


def test_two_compilations_in_different_folders_give_the_same_bytes_and_hold_no_path(tmp_path: Path) -> None:
    one = make_tree(tmp_path / "one")
    two = make_tree(tmp_path / "another place" / "with a longer n\xe4me")
    before = os.umask(0o077)
    try:
        assert compile_tree(one, python=PYTHON) == compile_tree(two, python=PYTHON)
    finally:
        os.umask(before)
    files = compiled_files(one)
    assert files == compiled_files(two)
    assert len(files) == 6
    for content in files.values():
        assert str(tmp_path).encode() not in content
    assert {(path.stat().st_mode & 0o777) for path in one.rglob("*.pyc")} == {0o644}


def test_files_that_are_no_modules_are_counted_and_do_no_harm(tmp_path: Path) -> None:
    assert compile_tree(make_tree(tmp_path), python=PYTHON) == Compiled(
        compiled=6, skipped=("lib/binary.py", "lib/python2.py", "lib/template.py")
    )


def test_the_hash_of_a_pyc_goes_unchecked_and_its_path_is_relative(tmp_path: Path) -> None:
    compile_tree(make_tree(tmp_path), python=PYTHON)
    for path, content in compiled_files(tmp_path).items():
        assert int.from_bytes(content[4:8], "little") == 0b01
        folder, _, name = path.replace("__pycache__/", "").rpartition("/")
        assert code_names(marshal.loads(content[16:])) == {f"{folder}/{name.split('.')[0]}.py"}


def test_a_compiled_module_imports_and_knows_its_true_place(tmp_path: Path) -> None:
    compile_tree(make_tree(tmp_path / "built"), python=PYTHON)
    moved = (tmp_path / "built").rename(tmp_path / "moved")
    program = "import sys; sys.path.insert(0, 'lib'); import pkg; print(pkg.thing.__code__.co_filename, pkg.__cached__)"
    output = check(run([PYTHON, "-B", "-W", "ignore", "-c", program], cwd=moved), "The import").output
    assert output.split()[0] == str(moved / "lib/pkg/sub.py")


def test_nothing_of_the_tree_is_run_or_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json.py", "py_compile.py", "sitecustomize.py", "os.py"):
        (tmp_path / name).write_text("raise SystemExit('ran')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert compile_tree(tmp_path, python=PYTHON).compiled == 4


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = make_tree(tmp_path / "outside")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "folder").symlink_to(outside / "lib")
    (tree / "module.py").symlink_to(outside / "lib" / "pkg" / "sub.py")
    assert compile_tree(tree, python=PYTHON) == Compiled(compiled=0, skipped=())
    assert compiled_files(outside) == {}


def test_an_interpreter_that_does_not_start_is_an_error_that_names_the_tree(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="Compiling tree"):
        compile_tree(tmp_path / "tree", python=Path("/bin/false"))
