"""The rules of the house, checked on its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "src" / "bundle"

MODULES = sorted(HOUSE.rglob("*.py"))

FLOORS = {"base": 0, "model": 1, "artifacts": 2, "make": 3, "run": 3, "cli": 4}
"""A folder may import itself and the lower ones; make and run are on one floor and do not know each other."""

HTTP_CLIENTS = ("requests", "urllib3", "urllib.request", "http.client", "httpx", "aiohttp")

STARTERS = ("exec", "spawn", "posix_spawn", "system", "popen", "startfile")
"""What functions of `os` that start a program begin with."""


def relative(module: Path) -> str:
    return module.relative_to(HOUSE).as_posix()


def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def imports_of(module: Path) -> Iterator[str]:
    """Every name that a module imports, also late and for types only, as in `a.b` for `from a import b`."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def attributes_of(module: Path, owner: str) -> set[str]:
    """The attributes of a standard module that a module uses, or imports by name."""
    used = {
        node.attr
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == owner
    }
    return used | {name.removeprefix(f"{owner}.") for name in imports_of(module) if name.startswith(f"{owner}.")}


def test_there_is_a_house() -> None:
    assert HOUSE / "base" / "errors.py" in MODULES


def test_the_map_of_the_largest_room_names_each_of_its_modules_once() -> None:
    tour = (HOUSE.parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = tour.partition("| subject |")[2].partition("\n\n")[0]
    named = sorted(re.findall(r"`([a-z_]+)`", table))
    assert named == sorted(module.stem for module in (HOUSE / "make").glob("*.py") if module.stem != "__init__")


@pytest.mark.parametrize("module", MODULES, ids=relative)
class TestEveryModule:
    def test_imports_only_its_own_floor_and_those_below(self, module: Path) -> None:
        here = module.relative_to(HOUSE).parts[0]
        if here not in FLOORS:
            here = "cli"  # __main__ and the empty root stand above all.
        for name in imports_of(module):
            if not is_within(name, "bundle"):
                continue
            folder = (*name.split("."), "")[1]
            allowed = folder == here or folder not in FLOORS or FLOORS[folder] < FLOORS[here]
            assert allowed, f"{here} imports {name}"

    def test_imports_absolutely(self, module: Path) -> None:
        levels = [node.level for node in ast.walk(tree_of(module)) if isinstance(node, ast.ImportFrom)]
        assert not any(levels)

    def test_starts_no_program_itself(self, module: Path) -> None:
        if relative(module) == "base/process.py":
            return
        started = [name for name in imports_of(module) if is_within(name, "subprocess") or is_within(name, "pty")]
        started += [name for name in attributes_of(module, "os") if name.startswith(STARTERS)]
        started += [name for name in attributes_of(module, "asyncio") if name.startswith("create_subprocess")]
        assert not started

    def test_speaks_no_http_itself(self, module: Path) -> None:
        if relative(module) == "base/download.py":
            return
        clients = [name for name in imports_of(module) if any(is_within(name, client) for client in HTTP_CLIENTS)]
        assert not clients

    def test_does_not_ask_which_system_it_runs_on(self, module: Path) -> None:
        if relative(module).startswith(("base/", "cli/")):
            return
        assert "platform" not in attributes_of(module, "sys")

    def test_fits_on_a_few_screens(self, module: Path) -> None:
        assert len(module.read_text(encoding="utf-8").splitlines()) <= 400

    def test_is_empty_if_it_only_marks_a_folder(self, module: Path) -> None:
        if module.name != "__init__.py":
            return
        if module.parent != HOUSE:
            assert module.read_text(encoding="utf-8").strip() == ""
            return
        (statement,) = tree_of(module).body
        assert isinstance(statement, ast.Assign)
        assert ast.unparse(statement.targets[0]) == "__version__"
