"""Compiled modules that Python wrote when a bundle was used, compared with what their sources compile to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.processes.run import run
from bundle.base.threads import all_of, in_parallel
from bundle.make.interpreter.compilers import Compiler

_AT_ONCE = 200
"""Modules that one process compares."""

_TIMEOUT = 120.0

# Runs in a CPython of the bundle's X.Y. Nothing of the bundle is imported or run; `marshal` may crash over crafted
# bytes, but runs nothing. Equal code may stand in other bytes, because these depend on what else was loaded, and name
# the place that the bundle had; code objects compare without both. An answer per line, as soon as it is known.
_PROGRAM = """
import sys
del sys.path[0]
import importlib.util, json, marshal, warnings
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
except (ImportError, ValueError, OSError):
    pass
warnings.simplefilter("ignore")
sys.setrecursionlimit(3000)
for compiled, source, level in json.loads(sys.stdin.read()):
    try:
        with open(compiled, "rb") as file:
            content = file.read(2**26)
        with open(source, "rb") as file:
            code = compile(file.read(2**26), source, "exec", dont_inherit=True, optimize=level)
        found = marshal.loads(memoryview(content)[16:])
        same = content[:4] == importlib.util.MAGIC_NUMBER and type(found) is type(code) and found == code
    except Exception:
        same = False
    print(int(same), flush=True)
"""


@dataclass(frozen=True, kw_only=True)
class CompiledModule:
    """A compiled module beside its source; paths relative to the bundle's root."""

    path: str
    source: str
    level: int
    """The level of optimisation (PEP 488)."""


def differing(modules: Sequence[CompiledModule], root: Path, compiler: Compiler, *, jobs: int) -> list[str]:
    """Return the paths of those that hold other code than their sources compile to, or cannot be read.

    Args:
        compiler: a CPython of the bundle's X.Y. Another patch release may compile the same source to other code.
        jobs: how many processes run at once.
    """

    def compare(part: Sequence[CompiledModule], *options: str) -> list[CompiledModule]:
        task = [(str(root / module.path), str(root / module.source), module.level) for module in part]
        command: list[str | Path] = [compiler.python, "-I", "-S", "-B", *options, "-c", _PROGRAM]
        try:
            output = run(command, env={"PYTHONUTF8": "1"}, stdin=json.dumps(task).encode(), timeout=_TIMEOUT).output
        except WorkError:
            output = ""
        answers = output.split()
        # Those without an answer: the process ended over one of them.
        return [module for number, module in enumerate(part) if answers[number : number + 1] != ["1"]]

    def unlike(part: Sequence[CompiledModule]) -> list[CompiledModule]:
        # A program may have been started with the option that leaves columns out.
        others = compare(part)
        return compare(others, "-X", "no_debug_ranges") if others else []

    parts = [modules[start : start + _AT_ONCE] for start in range(0, len(modules), _AT_ONCE)]
    return [module.path for found in all_of(in_parallel(unlike, parts, threads=jobs)) for module in found]
