"""The rules of the house, checked on its source; each test names every offender."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HOUSE = Path(__file__).parent.parent / "src" / "bundle"

TESTS = Path(__file__).parent

MODULES = sorted(HOUSE.rglob("*.py"))
_KNOWN = frozenset(MODULES)

ROOMS = {
    "base": 0,
    "base/http": 1,
    "base/native": 1,
    "base/processes": 1,
    "model": 2,
    "model/config": 3,
    "model/locks": 4,
    "artifacts/store": 5,
    "artifacts/archives": 6,
    "artifacts/registries": 6,
    "artifacts/wheel": 6,
    "artifacts/documents": 6,
    "artifacts/vendored": 7,
    "artifacts/interpreters/portable": 7,
    "artifacts/interpreters": 8,
    "artifacts": 9,
    "artifacts/documents/page": 10,
    "artifacts/remotes": 11,
    "artifacts/trust": 12,
    "make/inputs": 10,
    "make/interpreter": 10,
    "make/sources": 11,
    "make/resolve": 12,
    "make/assemble": 12,
    "make/verify/emulators": 10,
    "make/verify/checks": 11,
    "make/verify/audit": 12,
    "make/verify/trials": 12,
    "make/verify/missing": 13,
    "make/verify": 14,
    "make": 15,
    "make/publish": 16,
    "make/vendored": 16,
    "make/cluster": 16,
    "run/install": 15,
    "run/jobs": 17,
    "run/vendored": 17,
    "run/jobs/service": 18,
    "run/sessions": 18,
    "run/sessions/cluster": 19,
    "run/environments": 16,
    "run/cluster": 16,
    "run": 16,
    "cli": 19,
    "cli/project": 20,
    "cli/make": 20,
    "cli/ship": 20,
    "cli/use": 20,
    "cli/jobs": 20,
    "cli/sessions": 20,
}
"""The floor of each room; a room may import itself and rooms of lower floors."""

ALL = frozenset({"*"})

DOORS: Mapping[str, frozenset[str]] = {
    "base": ALL,
    "base/http": frozenset({"client", "ranges", "registry", "responses", "urls"}),
    "base/native": frozenset({"elf", "formats", "native", "read"}),
    "base/processes": frozenset({"become", "bubblewrap", "lock", "run", "started", "stream", "supervised", "users"}),
    "model": ALL,
    "model/config": frozenset(
        {"config", "json_source", "merge", "project", "schema", "version_files", "json_edit"} | {"yaml_source"}
    ),
    "model/locks": ALL,
    "artifacts": ALL,
    "artifacts/remotes": ALL,
    "artifacts/trust": ALL,
    "artifacts/store": frozenset(
        {"claim", "compression", "file_cache", "frames", "json_cache", "layers", "paths", "scratch", "store"}
        | {"environment_place", "unpacking"}
    ),
    "artifacts/archives": frozenset({"bundle_archive", "self_extracting"}),
    "artifacts/registries": frozenset(
        {"default_index", "fetch", "git", "metadata", "metadata_file", "registries", "simple_api"}
    ),
    "artifacts/documents": frozenset({"licences", "names", "provenance", "sbom"}),
    "artifacts/documents/page": frozenset({"folder", "index", "site"}),
    "artifacts/wheel": frozenset({"lay_out", "licence", "scripts"}),
    "artifacts/vendored": frozenset({"lock", "offers", "package", "selection"}),
    "artifacts/interpreters": frozenset(
        {"carried", "choice", "debian_mirror", "sources", "host", "mirror", "python_build_standalone", "source"}
        | {"on_machine"}
    ),
    "artifacts/interpreters/portable": frozenset(
        {"certificates", "content_rules", "debian_packages", "facts", "host_copy", "host_discovery", "normalise"}
        | {"run_paths"}
    ),
    "make": frozenset(
        {
            "build",
            "build_request",
            "build_state",
            "check",
            "described",
            "new_project",
            "outdated",
            "portable_inputs",
            "project_folder",
        }
    ),
    "make/publish": frozenset({"candidates", "collect", "installer", "page", "publish", "release", "runnable"}),
    "make/vendored": frozenset({"audited", "completeness", "neighbours", "vendor"}),
    "make/cluster": frozenset({"plan", "results", "take_in"}),
    "make/inputs": frozenset({"inputs", "loose_project", "pyproject"}),
    "make/interpreter": frozenset({"bytecode", "compilers", "prepare"}),
    "make/sources": frozenset(
        {"backend", "builder", "compatibility", "environment", "host", "planner", "sdist", "wheel_cache"}
    ),
    "make/resolve": frozenset({"coverage", "local_pages", "locks", "resolve"}),
    "make/assemble": frozenset({"copyfiles", "documents", "layer_pool", "layers", "manifest", "wheelhouse"}),
    "make/verify": frozenset({"archive", "known", "remembered", "targets", "verify", "wheels", "write_acceptances"}),
    "make/verify/checks": ALL,
    "make/verify/audit": frozenset(
        {
            "build_paths",
            "file_list",
            "file_names",
            "library_lookup",
            "floor_of_layers",
            "licences",
            "native_files",
            "records",
        }
    ),
    "make/verify/trials": frozenset(
        {"dependencies", "failure", "imports", "isolation", "relocation", "scripts", "start", "tracebacks"}
    ),
    "make/verify/missing": frozenset({"libraries"}),
    "make/verify/emulators": frozenset({"find", "loader_errors", "protocol"}),
    "run": frozenset({"sides", "site"}),
    "run/vendored": frozenset({"provision"}),
    "run/install": frozenset(
        {"archive", "built_folder", "install", "records", "remove", "reuse", "source", "sources", "start", "upgrades"}
    ),
    "run/jobs": frozenset(
        {
            "command",
            "config",
            "engine",
            "installation",
            "keys",
            "log",
            "masking",
            "outcome",
            "properties",
            "provisioning",
        }
    ),
    "run/environments": frozenset(
        {"application", "environments", "installer", "interpreter", "kept", "making", "quick", "start"}
    ),
    "run/cluster": frozenset({"cluster", "library", "messages", "resources", "submission", "worker"}),
    "cli": frozenset({"app", "clusters", "signing", "failures", "selection", "tables"}),
    "cli/project": frozenset(),
    "cli/make": frozenset(),
    "cli/ship": frozenset(),
    "cli/use": frozenset(),
    "cli/jobs": frozenset(),
    "cli/sessions": frozenset(),
    "run/sessions/cluster": frozenset({"host", "offered", "runtime", "sessions"}),
    "run/sessions": frozenset(
        {"arguments", "documents", "job", "library", "log", "result", "run", "schedule", "session", "state"}
        | {"summary", "workplace"}
    ),
    "run/jobs/service": frozenset({"serve"}),
}
"""The modules of each room that other rooms may import; the others are private to their room."""

MOST_MODULES = 14

MOST_LINES = 400

MOST_PARAMETERS = 7

MOST_LINES_UNTESTED = 60
"""The lines of a module from which on it has a test module of its name."""

TESTED_ELSEWHERE: Mapping[str, str] = {
    "cli/use/list": "cli/use/test_install.py",
    "run/described": "run/test_sides.py",
    "cli/use/env": "run/environments/test_environments.py",
    "run/environments/quick": "run/environments/test_environments.py",
    "run/install/archive": "hostile/test_install.py",
    "run/install/built_folder": "run/install/test_install.py",
    "run/install/documents": "run/install/test_install.py",
    "run/install/records": "cli/use/test_install.py",
    "run/install/reuse": "run/install/test_install.py",
    "run/install/source": "run/install/test_install.py",
    "run/install/sources": "run/install/test_install.py",
    "run/install/start": "cli/use/test_install.py",
    "run/install/upgrades": "cli/use/test_install.py",
    "artifacts/vendored/offers": "artifacts/vendored/test_selection.py",
    "cli/make/vendor": "make/vendored/test_vendor.py",
    "make/vendored/neighbours": "make/vendored/test_vendor.py",
    "cli/use/provision": "run/vendored/test_provision.py",
    "run/vendored/installing": "run/vendored/test_provision.py",
    "run/vendored/interpreter": "run/vendored/test_provision.py",
    "run/vendored/wheels": "run/vendored/test_plan.py",
    "artifacts/context": "cli/make/test_lock.py",
    "cli/ship/extras": "cli/ship/test_publish.py",
    "cli/ship/trust_options": "cli/ship/test_trust.py",
    "cli/ship/trust_proposals": "cli/ship/test_trust.py",
    "artifacts/trust/attacks": "hostile/test_trust.py",
    "artifacts/trust/client": "hostile/test_trust.py",
    "artifacts/trust/metadata": "hostile/test_trust.py",
    "artifacts/trust/proposals": "cli/ship/test_trust.py",
    "artifacts/trust/state": "artifacts/trust/test_signed.py",
    "artifacts/remotes/registry_files": "artifacts/remotes/test_registry.py",
    "artifacts/described": "run/test_sides.py",
    "artifacts/remotes/folder": "artifacts/remotes/test_files.py",
    "artifacts/remotes/images": "artifacts/remotes/test_registry.py",
    "artifacts/store/claim": "hostile/test_store_folder.py",
    "artifacts/interpreters/archive_layouts": "artifacts/interpreters/test_archive.py",
    "artifacts/interpreters/portable/content_rules": "artifacts/interpreters/portable/test_trimming.py",
    "artifacts/interpreters/portable/host_copy": "artifacts/interpreters/test_host.py",
    "artifacts/interpreters/portable/normalise": "artifacts/interpreters/test_foreign.py",
    "artifacts/interpreters/source": "artifacts/interpreters/test_choice.py",
    "base/native/formats": "base/native/test_read.py",
    "base/native/macho": "base/native/test_macho_signature.py",
    "base/native/native": "base/native/test_read.py",
    "base/processes/reaper": "hostile/test_source_builds.py",
    "base/processes/supervisor": "base/processes/test_supervised.py",
    "base/processes/starter": "base/processes/test_started.py",
    "cli/sessions/shared": "cli/sessions/test_openjd.py",
    "run/sessions/result": "run/sessions/test_run.py",
    "artifacts/work": "run/cluster/test_cluster.py",
    "run/cluster/connection": "run/cluster/test_cluster.py",
    "run/sessions/cluster/host": "run/sessions/cluster/test_sessions.py",
    "run/sessions/cluster/installed": "run/sessions/cluster/test_runtime.py",
    "run/sessions/cluster/offered": "run/sessions/cluster/test_runtime.py",
    "cli/jobs/worker": "run/cluster/test_cluster.py",
    "cli/make/on_workers": "make/cluster/test_remote_build.py",
    "make/cluster/inputs": "make/cluster/test_plan.py",
    "make/cluster/take_in": "make/cluster/test_remote_build.py",
    "run/cluster/local": "run/cluster/test_cluster.py",
    "run/cluster/messages": "run/cluster/test_cluster.py",
    "run/cluster/submission": "run/cluster/test_cluster.py",
    "run/cluster/worker": "run/cluster/test_cluster.py",
    "run/cluster/worker_plugin": "run/cluster/test_cluster.py",
    "cli/jobs/serve": "run/jobs/service/test_serve.py",
    "cli/jobs/shared": "cli/jobs/test_job.py",
    "run/jobs/service/api": "run/jobs/service/test_serve.py",
    "run/jobs/service/follow": "run/jobs/service/test_serve.py",
    "base/http/registry": "artifacts/remotes/test_registry.py",
    "base/http/session": "hostile/test_http.py",
    "base/sandbox": "base/test_extract.py",
    "cli/ship/gc": "cli/ship/test_publish.py",
    "cli/ship/release": "make/publish/test_release.py",
    "cli/make/wheel": "make/sources/test_builder.py",
    "cli/make/init": "make/test_loose.py",
    "cli/make/loose": "make/test_loose.py",
    "make/inputs/gathered": "make/inputs/test_requirements_file.py",
    "make/inputs/pyproject": "make/inputs/test_inputs.py",
    "make/resolve/taken": "make/test_loose.py",
    "make/build_request": "hostile/test_results_in_the_way.py",
    "make/pipeline": "make/test_build.py",
    "make/sources/answers": "hostile/test_source_builds.py",
    "make/sources/bench": "hostile/test_source_builds.py",
    "make/sources/isolation": "hostile/test_source_builds.py",
    "make/verify/audit/floor": "make/verify/audit/test_native_files.py",
    "make/verify/audit/libraries": "make/verify/audit/test_native_files.py",
    "make/verify/audit/added_folders": "make/verify/audit/test_native_files.py",
    "make/verify/checks/comparison": "make/verify/audit/test_file_list.py",
    "make/verify/checks/audit_rules": "make/verify/checks/test_rules.py",
    "make/verify/checks/rule": "make/verify/checks/test_rules.py",
    "make/verify/emulators/protocol": "make/verify/emulators/test_qemu.py",
    "make/verify/missing/stand_ins": "make/verify/missing/test_incomplete.py",
    "make/verify/trials/import_probe": "make/verify/trials/test_imports.py",
    "make/verify/trials/importing": "make/verify/trials/test_imports.py",
    "make/verify/trials/use_probe": "make/verify/trials/test_imports.py",
    "model/locks/lock_names": "hostile/test_locks.py",
    "model/locks/pylock": "model/locks/test_lock.py",
    "model/system_libraries": "model/test_platforms.py",
}
"""Modules that tests of another module cover; each entry goes when the module has a test module of its name."""

HTTP_CLIENTS = ("requests", "urllib3", "urllib.request", "http.client", "httpx", "aiohttp")

STARTERS = ("exec", "spawn", "posix_spawn", "system", "popen", "startfile")
"""What functions of `os` that start a program begin with."""


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def relative(module: Path) -> str:
    return module.relative_to(HOUSE).as_posix()


def room_of(module: Path) -> str:
    """Return a module's room; `__main__` and the empty package above all rooms count as the command line."""
    room = module.relative_to(HOUSE).parent.as_posix()
    return "cli" if room == "." else room


@cache
def imports_of(module: Path) -> tuple[str, ...]:
    """Every name that a module imports, also late and for types only, as in `a.b` for `from a import b`."""
    names: list[str] = []
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)


@cache
def imported_modules(module: Path) -> set[Path]:
    """The modules of the house that a module imports."""
    found = set()
    for name in imports_of(module):
        if is_within(name, "bundle"):
            parts = name.split(".")[1:]
            for path in (HOUSE.joinpath(*parts).with_suffix(".py"), HOUSE.joinpath(*parts[:-1]).with_suffix(".py")):
                if path in _KNOWN:
                    found.add(path)
                    break
    return found


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


def test_every_folder_is_a_room_with_a_floor_and_doors() -> None:
    folders = {room_of(module) for module in MODULES if module.name != "__init__.py"}
    assert folders - ROOMS.keys() == set()
    assert folders - DOORS.keys() == set()
    missing = [
        f"{room}/{door}"
        for room, doors in DOORS.items()
        for door in doors - ALL
        if not (HOUSE / room / f"{door}.py").is_file()
    ]
    assert missing == []


def test_imports_only_go_down() -> None:
    upward = [
        f"{relative(module)} imports {relative(other)}"
        for module in MODULES
        for other in imported_modules(module)
        if room_of(other) != room_of(module) and ROOMS[room_of(other)] >= ROOMS[room_of(module)]
    ]
    assert upward == []


def test_other_rooms_are_entered_through_their_doors() -> None:
    private = [
        f"{relative(module)} imports {relative(other)}"
        for module in MODULES
        for other in imported_modules(module)
        if room_of(other) != room_of(module) and not {other.stem, "*"} & DOORS.get(room_of(other), frozenset())
    ]
    assert private == []


def test_every_door_is_used() -> None:
    used = {
        relative(other) for module in MODULES for other in imported_modules(module) if room_of(other) != room_of(module)
    }
    doors = {f"{room}/{door}.py" for room, doors in DOORS.items() for door in doors - ALL}
    assert sorted(doors - used) == []


def test_there_is_no_circle_of_imports() -> None:
    graph = {relative(module): {relative(other) for other in imported_modules(module)} for module in MODULES}
    circle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert circle == []


def test_a_room_has_few_modules() -> None:
    rooms = defaultdict(list)
    for module in MODULES:
        if module.name != "__init__.py":
            rooms[module.parent].append(module.stem)
    assert {relative(room): names for room, names in rooms.items() if len(names) > MOST_MODULES} == {}


def test_a_module_fits_on_a_few_screens() -> None:
    lengths = {relative(module): len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_a_public_function_takes_few_parameters() -> None:
    wide = {}
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(argument.arg not in ("self", "cls") for argument in arguments)
                if count > MOST_PARAMETERS:
                    wide[f"{relative(module)}:{node.name}"] = count
    assert wide == {}


def test_imports_are_absolute() -> None:
    assert [
        f"{relative(module)}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and node.level
    ] == []


def test_one_room_starts_programs() -> None:
    offenders = []
    for module in MODULES:
        if room_of(module) == "base/processes":
            continue
        started = [name for name in imports_of(module) if is_within(name, "subprocess") or is_within(name, "pty")]
        started += [name for name in attributes_of(module, "os") if name.startswith(STARTERS)]
        started += [name for name in attributes_of(module, "asyncio") if name.startswith("create_subprocess")]
        offenders += [f"{relative(module)} uses {name}" for name in started]
    assert offenders == []


def test_one_room_speaks_http() -> None:
    assert [
        f"{relative(module)} imports {name}"
        for module in MODULES
        if room_of(module) != "base/http"
        for name in imports_of(module)
        if any(is_within(name, client) for client in HTTP_CLIENTS)
    ] == []


def test_only_base_and_the_command_line_ask_which_system_this_is() -> None:
    assert [
        relative(module)
        for module in MODULES
        if not relative(module).startswith(("base/", "cli/")) and "platform" in attributes_of(module, "sys")
    ] == []


def test_no_room_is_empty() -> None:
    full = {module.parent for module in MODULES if module.name != "__init__.py"}
    folders = {module.parent for module in MODULES}
    assert {relative(folder) for folder in folders if not any(folder in (one, *one.parents) for one in full)} == set()


def test_packages_are_empty() -> None:
    assert [
        relative(module)
        for module in MODULES
        if module.name == "__init__.py" and module.parent != HOUSE and module.read_text(encoding="utf-8").strip()
    ] == []
    (statement,) = tree_of(HOUSE / "__init__.py").body
    assert isinstance(statement, ast.Assign)
    assert ast.unparse(statement.targets[0]) == "__version__"


def test_tests_stand_where_their_modules_stand() -> None:
    """A test module of a room is named for a module of it, or for a way through several of them."""
    astray = [
        test.relative_to(TESTS).as_posix()
        for test in TESTS.rglob("test_*.py")
        if test.parent not in (TESTS, TESTS / "foreign", TESTS / "hostile")
        and not (HOUSE / test.parent.relative_to(TESTS)).is_dir()
    ]
    assert astray == []


def test_no_test_module_imports_from_another() -> None:
    offenders = []
    for test in TESTS.rglob("*.py"):
        for name in imports_of(test):
            parts = name.split(".")
            if parts[0] == "tests" and any(part.startswith("test_") for part in parts[1:-1]):
                offenders.append(f"{test.relative_to(TESTS).as_posix()} imports {name}")
    assert offenders == []


def test_a_module_of_weight_has_a_test_module_of_its_name() -> None:
    untested = []
    for module in MODULES:
        name = relative(module).removesuffix(".py")
        test = TESTS / Path(name).parent / f"test_{module.name}"
        heavy = len(module.read_text(encoding="utf-8").splitlines()) > MOST_LINES_UNTESTED
        if heavy and not test.is_file() and name not in TESTED_ELSEWHERE:
            untested.append(name)
    assert untested == []


def test_the_exceptions_of_tested_modules_are_needed() -> None:
    stale = [
        name
        for name, elsewhere in TESTED_ELSEWHERE.items()
        if not (HOUSE / f"{name}.py").is_file()
        or (TESTS / Path(name).parent / f"test_{Path(name).name}.py").is_file()
        or not (TESTS / elsewhere).is_file()
    ]
    assert stale == []


def test_the_tour_has_one_paragraph_for_each_room() -> None:
    tour = (TESTS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"(?m)^\*\*`([a-z/]+)/`\*\* ", tour)) == sorted(ROOMS)


def test_unit_tests_reach_no_network_and_start_no_program() -> None:
    with socket.socket() as unconnected, pytest.raises(AssertionError, match="mark the test `real`"):
        unconnected.connect(("127.0.0.1", 9))
    with pytest.raises(AssertionError, match="mark the test `real`"):
        subprocess.run(["true"], check=False)


def test_private_modules_of_dependencies_are_left_alone() -> None:
    standard = sys.stdlib_module_names | {"bundle", "_typeshed"}
    assert [
        f"{relative(module)} imports {name}"
        for module in MODULES
        for name in imports_of(module)
        if name.partition(".")[0] not in standard and any(part.startswith("_") for part in name.split("."))
    ] == []


def test_every_dependency_is_used() -> None:
    """By an import, or by the name of the program that it brings."""
    project = tomllib.loads((HOUSE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {Requirement(text).name for text in project["dependencies"]}
    imported = {name.partition(".")[0] for module in MODULES for name in imports_of(module)}
    brought = packages_distributions()
    used = {canonicalize_name(one) for name in imported for one in brought.get(name, ())}
    programs = {name for name in names for module in MODULES if f'"{name}"' in module.read_text(encoding="utf-8")}
    assert sorted(names - used - programs) == []
