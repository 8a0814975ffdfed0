"""Reproducible bytecode: the same bytes on every machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from bundle.base.processes.run import check, run

# Runs in the bundle's interpreter, of any version. The hash stands for the source, so no time is inside; it
# goes unchecked, since a bundle's files do not change; the path inside is relative, and Python replaces it by the true
# one at import. Links are left out: their targets are compiled in their own place. `-S` and the missing "" keep
# anything in the tree from being imported, and with it from being run.
_PROGRAM = """
import sys
del sys.path[0]
import json, os, py_compile
root = sys.argv[1]
os.umask(0o022)
compiled, skipped = 0, []
for folder, folders, files in os.walk(root):
    folders[:] = sorted(
        name for name in folders if name != "__pycache__" and not os.path.islink(os.path.join(folder, name))
    )
    for name in sorted(files):
        path = os.path.join(folder, name)
        if not name.endswith(".py") or os.path.islink(path):
            continue
        inside = os.path.relpath(path, root).replace(os.sep, "/")
        try:
            target = py_compile.compile(
                path,
                dfile=inside,
                doraise=True,
                optimize=0,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:
            skipped.append(inside)
        else:
            os.chmod(target, 0o644)
            compiled += 1
import importlib.util
print(json.dumps({"compiled": compiled, "skipped": skipped, "magic": importlib.util.MAGIC_NUMBER.hex()}))
"""


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """The outcome for the modules of a tree."""

    compiled: int
    skipped: tuple[str, ...]
    """Files that are no modules of this Python, such as templates; relative to the tree."""
    magic: str = field(default="", compare=False)
    """The magic number of the bytecode, in hexadecimal."""


def compile_tree(tree: Path, *, python: Path) -> Compiled:
    """Compile the modules below a folder into `__pycache__`.

    Source: PEP 552 (hash-based .pyc), PEP 3147 (`__pycache__`).

    Args:
        tree: the root of a bundle or of a layer; existing `__pycache__` files are replaced.
        python: the compiling interpreter: the bundle's own, or one of the same X.Y.

    Raises:
        WorkError: the interpreter does not run, or the disk is full.
    """
    # Nothing of the environment may shape the result; this one no program on Windows can start without.
    environment = {name: value for name, value in os.environ.items() if name.upper() == "SYSTEMROOT"}
    # One seed, one process, one order: sets and shared constants end up in the same order in every run.
    environment |= {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    command: list[str | Path] = [python, "-B", "-S", "-s", "-W", "ignore", "-c", _PROGRAM, tree]
    completed = check(run(command, env=environment), f"Compiling {tree.name}")
    result = json.loads(completed.output)
    return Compiled(compiled=result["compiled"], skipped=tuple(result["skipped"]), magic=result["magic"])
