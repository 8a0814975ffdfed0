"""Repair a native wheel: bundle the libraries that systems may lack, and give it the tag of the oldest fitting system.

The work is done by the program that each system has for it, where it runs: auditwheel on Linux, delocate on macOS,
delvewheel on Windows.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.errors import WorkError
from bundle.base.processes.run import run
from bundle.base.text import last_lines
from bundle.make.sources.compatibility import native_platforms
from bundle.make.sources.isolation import own_programs
from bundle.model.platforms import System
from bundle.model.wheeltags import is_pure, tags_of

if TYPE_CHECKING:
    from bundle.make.sources.environment import SourceBuildTools

_SHOWN = 12
"""Lines of the program's output that an error repeats."""


@dataclass(frozen=True, kw_only=True)
class Repairer:
    """A program that makes wheels of one system portable."""

    distribution: str
    """The package that brings it."""
    command: tuple[str, ...]
    """The arguments of `python -m`; `{machine}` becomes the machine as wheel tags spell it."""


REPAIRERS: Mapping[System, Repairer] = {
    "linux": Repairer(distribution="auditwheel", command=("auditwheel", "repair", "--plat", "auto", "--wheel-dir")),
    "macosx": Repairer(
        distribution="delocate",
        command=("delocate.cmd.delocate_wheel", "--require-archs", "{machine}", "--wheel-dir"),
    ),
    "windows": Repairer(distribution="delvewheel", command=("delvewheel", "repair", "--wheel-dir")),
}
"""The program of each system; the folder for the result and the wheel follow behind the command."""


def repairer_identity(system: System) -> str:
    """Return name and version of a system's repair program, which shapes native wheels; `none` if not installed."""
    name = REPAIRERS[system].distribution
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return "none"


def make_portable(wheel: Path, into: Path, tools: SourceBuildTools) -> Path:
    """Bundle the libraries that systems may lack into a native wheel, and tag it for the oldest system that it runs on.

    A wheel without native files is left alone, and so is one that brings files for several platforms.

    Args:
        into: an absent or empty folder for the result.

    Returns:
        The portable wheel, or `wheel` itself where there was nothing to do.

    Raises:
        WorkError: a library is missing, the program is not installed, or it failed; with the end of its output.
    """
    machine = tools.machine
    native = set(native_platforms(wheel))
    if not native or (native != {machine.key} and is_pure(tags_of(wheel.name))):
        return wheel
    repairer = REPAIRERS[machine.system]
    if repairer_identity(machine.system) == "none":
        raise WorkError(
            f"{wheel.name} has native code, and {repairer.distribution}, which makes it portable, is not installed.",
            remedy=f"Install {repairer.distribution} beside this tool, and run the same command again.",
        )
    into.mkdir(parents=True, exist_ok=True)
    words = [word.format(machine=machine.machine) for word in repairer.command]
    command: list[str | Path] = [sys.executable, "-P", "-m", *words, into, wheel]
    enclosed = tools.isolation.command(command, writable=into, shown=(*own_programs(), wheel), network=False)
    done = run(enclosed, env=_variables(tools, into / "scratch"), cwd=into, timeout=tools.timeout, trusted=False)
    with tools.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(words)} {wheel.name}\n{done.output}{done.errors}\n")
    made = sorted(into.glob("*.whl"))
    if done.code or done.timed_out or len(made) != 1 or made[0].is_symlink() or not made[0].is_file():
        said = last_lines(done.output + done.errors, _SHOWN)
        raise WorkError(
            f"{wheel.name} has native code and could not be made portable.",
            cause=f"{repairer.distribution} failed: {said[-1] if said else 'it printed nothing'}",
            details=said,
            remedy="Install the missing library, let the build find an older one, or skip the package there. "
            f"The whole log is {tools.log}.",
        )
    return made[0]


def _variables(tools: SourceBuildTools, scratch: Path) -> dict[str, str]:
    """Return a complete environment: nothing of the user's but the way to programs, and the tool's own ones first."""
    scratch.mkdir(parents=True, exist_ok=True)
    own = sysconfig.get_path("scripts")
    kept = {
        name: tools.environ[name]
        for name in ("SYSTEMROOT", "WINDIR", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET")
        if name in tools.environ
    }
    return kept | {
        "PATH": os.pathsep.join([own, tools.environ.get("PATH", os.defpath)]),
        "SOURCE_DATE_EPOCH": str(tools.epoch),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP", "HOME"), str(scratch)),
        **dict.fromkeys(("LANG", "LC_ALL"), "C.UTF-8"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
