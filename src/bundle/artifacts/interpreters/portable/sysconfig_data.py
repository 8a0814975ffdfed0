"""Make the build records of an interpreter (sysconfig, .pc files) relocatable."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from pprint import pformat

from bundle.artifacts.interpreters.portable import compilers
from bundle.artifacts.interpreters.portable.content_rules import SYSTEM_VARIABLES
from bundle.base.errors import WorkError
from bundle.base.files import read_regular

PREFIX = "/__bundle_prefix__"
"""Stands for the interpreter's folder; replaced when the file is imported."""
BUILD = "/__bundle_build__"
"""Stands for the folder that the interpreter was built in, which exists nowhere any more."""

_RELOCATE = f"""

def _relocate(variables):
    from os.path import abspath, dirname

    prefix = dirname(dirname(dirname(abspath(__file__))))
    for name, value in variables.items():
        if isinstance(value, str):
            variables[name] = value.replace({PREFIX!r}, prefix)


_relocate(build_time_vars)
"""

Value = str | int


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The folders that an interpreter recorded."""

    prefixes: tuple[str, ...]
    """Where it was installed: every spelling."""
    builds: tuple[str, ...]
    """Where it was compiled."""
    programs: Mapping[str, str] = field(default_factory=dict)
    """Programs that it was compiled with, by absolute path, and the usual one in place of each."""


def read(tree: Path) -> tuple[Path, dict[str, Value]] | None:
    """Return the file with the build's variables and its content; None on Windows, which has none.

    Raises:
        WorkError: it has another form than CPython gives it.
    """
    files = sorted(tree.glob("lib/python3*/_sysconfigdata_*.py"))
    if not files:
        return None
    path = files[0]
    try:
        variables = _variables(read_regular(path))
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError, OSError) as error:
        raise WorkError(
            f"{path.name} holds no build_time_vars that can be read: {str(error) or type(error).__name__}.",
            # Python's parser raises it for expressions that lie too deep in each other, too.
            cause="There is too little memory, or this is not an unpatched CPython."
            if isinstance(error, MemoryError)
            else "This is not an unpatched CPython.",
        ) from error
    return path, variables


def _variables(source: bytes) -> dict[str, Value]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["build_time_vars"]:
            variables = ast.literal_eval(node.value)
            if all(type(name) is str and type(value) in (str, int) for name, value in variables.items()):
                return dict(variables)
    raise ValueError("there is no table of texts and numbers")


def recorded(variables: Mapping[str, Value], more: Iterable[str] = ()) -> Recorded:
    """Return the folders that an interpreter recorded.

    Args:
        more: further spellings of its prefix.
    """
    prefixes = {str(variables.get("prefix", "")), str(variables.get("exec_prefix", "")), *more}
    builds = {str(variables.get(name, "")) for name in ("abs_builddir", "abs_srcdir")}
    programs = compilers.absolute_programs(variables)
    return Recorded(prefixes=_longest_first(prefixes), builds=_longest_first(builds), programs=programs)


def rewrite(tree: Path, places: Recorded) -> None:
    """Make sysconfig answer with the folder of the interpreter in place of the recorded folders."""
    found = read(tree)
    if found is None:
        return
    path, variables = found
    truth = {name: relocated(name, value, places) for name, value in variables.items()}
    text = f"# system configuration generated and used by the sysconfig module\nbuild_time_vars = {pformat(truth)}\n"
    path.write_text(text + _RELOCATE, encoding="utf-8")


def rewrite_pkgconfig(folder: Path, places: Recorded) -> None:
    """Make the .pc files of a folder, which may be absent, name paths relative to themselves."""
    for path in sorted(folder.glob("*.pc")):
        if path.is_symlink():
            continue
        lines = []
        for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            if line.startswith("prefix="):
                lines.append("prefix=${pcfiledir}/../..")
                continue
            key, separator, value = re.fullmatch(r"([A-Za-z_.]+[=:]|)(\s*)(.*)", line).groups()  # type: ignore[union-attr]
            truth = _replaced(_without_places(value, places), places, prefix="${prefix}")
            lines.append(f"{key}{separator}{truth}".rstrip())
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")


def relocated(name: str, value: Value, places: Recorded) -> Value:
    """Return the relocatable value of a build's variable, with `PREFIX` for the interpreter's folder."""
    if not isinstance(value, str):
        return value
    if any(fnmatchcase(name, glob) for glob in SYSTEM_VARIABLES):
        return value
    if name == "CONFIG_ARGS":
        # The command line of the original build: its options are facts, its paths are true only there.
        try:
            return shlex.join(option for option in shlex.split(value) if "/" not in option)
        except ValueError:
            return ""  # A quotation that does not end.
    value = compilers.with_usual_program(name, _without_places(value, places))
    return _replaced(value, places, prefix=PREFIX)


def _without_places(value: str, places: Recorded) -> str:
    return compilers.without_foreign_flags(value, (*places.prefixes, *places.builds))


def _replaced(value: str, places: Recorded, *, prefix: str) -> str:
    for program, usual in places.programs.items():
        value = re.sub(rf"(?<![^\s='\"]){re.escape(program)}(?![^\s'\"])", usual, value)
    for place in places.builds:
        value = _swap(value, place, BUILD)
    for place in places.prefixes:
        value = _swap(value, place, prefix)
    return value


def _swap(value: str, place: str, token: str) -> str:
    # `/install` also ends `/usr/bin/install`; a longer path is no coincidence.
    start = r"(?:(?<![\w./-])|(?<=-[IL]))" if place.count("/") == 1 else ""
    return re.sub(start + re.escape(place) + r"(?![\w.-])", lambda _: token, value)


def _longest_first(places: Iterable[str]) -> tuple[str, ...]:
    real = {place.rstrip("/") for place in places if place.startswith("/")} - {""}
    return tuple(sorted(real, key=lambda place: (-len(place), place)))
