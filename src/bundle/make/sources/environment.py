"""The isolated environment of a source build: interpreter, build requirements, environment variables."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.folders import remove_tree
from bundle.base.processes.run import Completed, check, run
from bundle.make.sources.isolation import Isolation
from bundle.model.platforms import Platform

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_COMPILERS = {"CC": ("gcc", "cc", "clang"), "CXX": ("g++", "c++", "clang++")}
"""The first that is on PATH counts, not the one that the interpreter itself was built with."""

_OPTIMISATION = "-O3 -DNDEBUG -fno-strict-overflow -fPIC -g0"
"""The options that CPython's own build passes on to extensions, without debug information, which names folders."""

_KEPT = (
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
    *("PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432", "VSINSTALLDIR", "VCINSTALLDIR"),
    *("SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET"),
)
"""Variables that compilers of Windows and macOS need; none of them is a Python's."""

_SHARED_PREFIXES = frozenset({Path("/"), Path("/usr"), Path("/usr/local"), Path("/opt")})
"""Prefixes that stand in many harmless files, and say nothing about where a bundle was built."""


@dataclass(frozen=True, kw_only=True)
class SourceBuildTools:
    """The interpreter, the limits and the folders of one source build."""

    python: Path
    """The bundle's own interpreter: `bin/python3.12` of an unpacked, relocatable CPython."""
    machine: Platform
    """The platform of this machine, where the build runs."""
    timeout: float
    """Seconds that each step of the build may take."""
    log: Path
    """Gets the output of the build."""
    reporter: Reporter
    work: Path
    """Scratch folder of this build alone."""
    epoch: int
    """`SOURCE_DATE_EPOCH`: seconds since 1970 that stand in results in place of now."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """Source of PATH and of the compilers' own variables."""
    isolation: Isolation = field(default_factory=Isolation)
    network: bool = False
    """Whether the build may use the network, as far as it is isolated."""
    kept: Path | None = None
    """Gets the folder and the log of a failed build; None: they go."""

    @property
    def bench(self) -> Path:
        """The folder that the source is built in, and the only one that an isolated build may change.

        Always the same place, because builds record its path: another name would change their bytes.
        """
        return self.work.absolute() / "bench"

    @property
    def private_paths(self) -> tuple[tuple[Path, str], ...]:
        """Folders of this machine that no result may name, each with its replacement in compiled files."""
        prefix = self.python.absolute().parent.parent
        named = [(prefix, "/python"), (self.work.absolute(), "/build")]
        both = [(form, alias) for path, alias in named for form in dict.fromkeys((path.resolve(), path))]
        return tuple(pair for pair in both if pair[0] not in _SHARED_PREFIXES)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment that holds the wheels of a build and nothing else."""

    root: Path
    python: Path


def make_environment(tools: SourceBuildTools, wheels: Sequence[Path]) -> Environment:
    """Make a virtual environment of the bundle's interpreter with exactly the given wheels, through uv.

    Args:
        wheels: already verified; their dependencies are not looked for.

    Raises:
        WorkError: the interpreter does not run, or a wheel does not fit it.
    """
    from uv import find_uv_bin

    chosen = tuple(sorted({wheel.resolve() for wheel in wheels}, key=lambda wheel: (wheel.name, wheel)))
    # A name of its own, because the environment that asks for more requirements coexists with the one that has them.
    mark = sha256("\n".join(map(str, chosen)).encode()).hexdigest()[:8]
    root = tools.work.absolute() / f"environment-{mark}"
    python = root / ("Scripts/python.exe" if tools.machine.is_windows else "bin/python")
    remove_tree(root)
    environment = Environment(root=root, python=python)
    uv = Path(find_uv_bin())
    made = run_logged([uv, "venv", "--python", tools.python.absolute(), root], environment, tools)
    check(made, "Making the environment for a source build", log=tools.log)
    if chosen:
        install: list[str | Path] = [uv, "pip", "install", "--python", python, "--no-index", "--no-deps", "--strict"]
        install.extend(chosen)
        filled = run_logged(install, environment, tools)
        check(filled, "Installing the build requirements of a source build", log=tools.log)
    return environment


def run_logged(
    command: Sequence[str | Path],
    environment: Environment,
    tools: SourceBuildTools,
) -> Completed:
    """Run a program of this tool for a source build, under the time limit, with its output in the log.

    Raises:
        WorkError: the program does not exist.
    """
    folder = tools.work.absolute()
    _log_command(command, tools)
    env = build_variables(tools, environment, scratch=folder)
    return run(_with_umask(command, tools), env=env, cwd=folder, timeout=tools.timeout, log=tools.log)


def run_hook(
    command: Sequence[str | Path],
    environment: Environment,
    tools: SourceBuildTools,
    *,
    cwd: Path,
    extra: Mapping[str, str],
) -> Completed:
    """Run a hook of a build backend: isolated, under the time limit, with its output in the log.

    Args:
        command: the interpreter, the script that calls the hook, and its arguments.
        cwd: the source, below the bench.
        extra: variables to add.
    """
    _log_command(command, tools)
    prefixes = (tools.python.absolute().parent.parent, tools.python.resolve().parent.parent)
    enclosed = tools.isolation.command(
        _with_umask(command, tools),
        writable=tools.bench,
        shown=(*prefixes, environment.root, Path(command[1]).parent),
        network=tools.network,
    )
    env = {**build_variables(tools, environment, scratch=tools.bench), **extra}
    return run(enclosed, env=env, cwd=cwd, timeout=tools.timeout, log=tools.log, trusted=False)


def _log_command(command: Sequence[str | Path], tools: SourceBuildTools) -> None:
    tools.log.parent.mkdir(parents=True, exist_ok=True)
    with tools.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(map(str, command))}\n")


def _with_umask(command: Sequence[str | Path], tools: SourceBuildTools) -> Sequence[str | Path]:
    if tools.machine.is_windows:
        return command
    # Builds copy modes into their results, and the umask of this process belongs to all its threads.
    return ["/bin/sh", "-c", 'umask 022; exec "$@"', "sh", *command]


def build_variables(tools: SourceBuildTools, environment: Environment, *, scratch: Path) -> dict[str, str]:
    """Return all environment variables of a build: none of the user's but those that lead to the compilers.

    Args:
        scratch: gets the home, the folder of temporary files and uv's cache.
    """
    home, temporary = scratch / "home", scratch / "tmp"
    for folder in (home, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(environment.python.parent), *_machine_path(tools.environ)])
    variables = {name: tools.environ[name] for name in _KEPT if name in tools.environ}
    variables |= {
        "PATH": path,
        "VIRTUAL_ENV": str(environment.root),
        **dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home)),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
        **dict.fromkeys(("LANG", "LC_ALL"), "C.UTF-8"),
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(tools.epoch),
        "ZERO_AR_DATE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        # A build that calls an installer itself would install packages that no lock has.
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_OFFLINE": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(scratch / "uv-cache"),
        "UV_NO_PROGRESS": "1",
    }
    if not tools.machine.is_windows:
        variables |= _compiler_variables(path, tools)
    return variables


def compiler_identity(environ: Mapping[str, str]) -> str:
    """Return the first line of the compiler's `--version`, and the C library; `none` if no compiler is installed."""
    compiler = _found(_COMPILERS["CC"], os.pathsep.join(_machine_path(environ)))
    if compiler is None:
        return "none"
    answer = run([compiler, "--version"], timeout=60)
    names = getattr(os, "confstr_names", {})
    library = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in names else None
    return "; ".join(part for part in (*answer.output.splitlines()[:1], library) if part) or "unknown"


def _machine_path(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders of PATH, without those of a virtual environment that happens to be active."""
    active = {Path(sys.prefix)} if sys.prefix != sys.base_prefix else set()
    if named := environ.get("VIRTUAL_ENV"):
        active.add(Path(named))
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        if folder and Path(folder).parent not in active:
            yield folder


def _found(names: Sequence[str], path: str) -> str | None:
    return next((name for name in names if shutil.which(name, path=path)), None)


def _compiler_variables(path: str, tools: SourceBuildTools) -> dict[str, str]:
    # The last map that fits counts, so the longer path comes later.
    maps = sorted(tools.private_paths, key=lambda pair: len(str(pair[0])))
    flags = " ".join([_OPTIMISATION, *(shlex.quote(f"-ffile-prefix-map={place}={alias}") for place, alias in maps)])
    variables = {"CFLAGS": flags, "CXXFLAGS": flags}
    shared = "-bundle -undefined dynamic_lookup" if tools.machine.system == "macosx" else "-shared"
    for name, link in (("CC", "LDSHARED"), ("CXX", "LDCXXSHARED")):
        if compiler := _found(_COMPILERS[name], path):
            # Without it, the interpreter's recorded flags would put its own folder into the run path.
            variables |= {name: compiler, link: f"{compiler} {shared}"}
    if tools.machine.system == "linux":
        # The build id is a hash over the sections that are stripped later, too.
        variables["LDFLAGS"] = "-Wl,--build-id=none"
    return variables
