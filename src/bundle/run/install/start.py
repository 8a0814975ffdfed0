"""Starts programs in an install, or in any folder with a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundle.artifacts.runtime import Runtime
from bundle.base.errors import ConfigError
from bundle.base.processes.become import become
from bundle.model.manifest import MANIFEST, read_manifest
from bundle.model.platforms import Platform
from bundle.run.install.records import Records


def runtime_of(version: str, records: Records) -> Runtime:
    """Return the runtime of an install.

    Args:
        version: or the path of a folder with a bundle, whether installed or not.

    Raises:
        ConfigError: there is none.
    """
    root = Path(version).absolute()
    if not (root / MANIFEST).is_file():
        root = records.find(version).target.path
    manifest = read_manifest(root)
    return Runtime(
        root=root,
        python=manifest.python.actual,
        platform=manifest.target,
        certificates=manifest.certificates,
        own_variables=manifest.environment,
    )


def native(runtime: Runtime, machine: Platform | None) -> Runtime:
    """Return a runtime if its programs run on this machine.

    Raises:
        ConfigError: it is for another platform.
    """
    if runtime.platform != machine:
        raise ConfigError(
            f"{runtime.root} is a bundle for {runtime.platform.key}, whose programs do not run here.",
            remedy="`bundle verify PATH --run` runs its programs in an emulator, where there is one.",
        )
    return runtime


def start(runtime: Runtime, command: Sequence[str], *, environ: Mapping[str, str], machine: Platform | None) -> int:
    """Become a program, found first in the bundle and then on the path; on Windows, return its exit code.

    Args:
        command: the program and its arguments; the bundle's Python if it is empty.
        environ: the variables of the person who starts it.

    Raises:
        ConfigError: the bundle is for another platform, or there is no such program.
        WorkError: the program cannot be started.
    """
    env = native(runtime, machine).environment_of_user(environ)
    program, *arguments = command or [str(runtime.executable)]
    found = shutil.which(program, path=env["PATH"])
    if found is None:
        raise ConfigError(
            f"There is no program {program!r}, neither in {runtime.root} nor on the path.",
            remedy="Name a program of the bundle, such as python, or an executable file by its path.",
        )
    return become([found, *arguments], env=env)
