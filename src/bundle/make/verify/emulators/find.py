"""Finds the emulator for the programs of a platform on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from bundle.base.errors import ConfigError
from bundle.make.verify.emulators.protocol import Emulator, Missing
from bundle.make.verify.emulators.qemu import find_qemu
from bundle.make.verify.emulators.root_folder import find_root_folder
from bundle.make.verify.emulators.wine import find_wine
from bundle.model.platforms import Platform


def find_runner(
    platform: Platform, *, machine: Platform | None, environ: Mapping[str, str], root: Path | None = None
) -> Emulator | Missing | None:
    """Find the emulator for a platform's programs on this machine; nothing is installed and nothing started.

    Args:
        machine: the platform of this machine.
        environ: `PATH` and the variables that name sysroots.
        root: a folder with another Linux system, shown to the programs instead of this one.

    Returns:
        None if the machine itself runs them.

    Raises:
        ConfigError: the root, or a sysroot that a variable names, has no program loader of the platform.
    """

    def which(name: str) -> str | None:
        return shutil.which(name, path=environ.get("PATH"))

    if root is not None and platform.system != "linux":
        raise ConfigError(
            f"--root is for Linux bundles; this one is for {platform.key}.", remedy="Leave --root out for this bundle."
        )
    if platform == machine:
        return None if root is None else find_root_folder(platform, root, which)
    if machine is not None and machine.system == platform.system == "linux":
        return find_qemu(platform, environ, which, root)
    if platform.is_windows and machine is not None and machine.machine == platform.wine:
        return find_wine(which)
    return Missing(
        what=f"this machine cannot run programs for {platform.key}.",
        remedy=f"Run `bundle verify` on a machine of {platform.key}.",
    )
