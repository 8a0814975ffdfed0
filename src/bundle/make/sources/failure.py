"""Errors of source builds: the cause of a failure, guessed from the log, or the native machine that is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bundle.base.errors import WorkError
from bundle.model.locks.lock import LockedPackage

_TAIL = 20
"""Lines of the log that an error shows."""

_TOOL = (
    r"(?:[\w./-]*/)?(?P<tool>gcc|g\+\+|cc|c\+\+|clang|clang\+\+|gfortran|cmake|ninja|meson|make|cargo|rustc|swig|bison|flex"
    r"|pkg-config|patch)"
)
_NETWORK = (
    r"Temporary failure in name resolution|Name or service not known|urlopen error|Connection refused"
    r"|because the network was disabled"
)


def _header(match: re.Match[str]) -> str:
    return (
        f"The C header {match['header']} is missing: install the system package that brings it "
        "(on Debian a -dev package; `apt-file search` finds it)."
    )


def _library(match: re.Match[str]) -> str:
    return (
        f"The library lib{match['library']} is missing: install the system package that brings it "
        "(on Debian a -dev package)."
    )


def _program(match: re.Match[str]) -> str:
    return (
        f"The program {match['tool']} is missing: install it on this machine, or name the package that brings it in "
        "buildRequires."
    )


def _module(match: re.Match[str]) -> str:
    return (
        f"The build needs the Python module {match['module']}, which none of its declared requirements brings: "
        "name its package in buildRequires."
    )


def _said(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


_SYMPTOMS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"fatal error: '?(?P<header>[\w./+-]+)'?(?:: No such file| file not found)", _header),
    (r"cannot find -l(?P<library>[\w.+-]+)", _library),
    (rf"command '{_TOOL}' failed: (?:No such file|command not found)", _program),
    (rf"No such file or directory: '{_TOOL}'", _program),
    (rf"(?m)(?:^|[\s:/]){_TOOL}: (?:command )?not found", _program),
    (r"No module named '?(?P<module>[\w.]+)'?", _module),
    (
        _NETWORK,
        _said("The build tries to download something; put all its requirements into its source or buildRequires."),
    ),
    (r"No space left on device", _said("The disk is full.")),
    (
        r"Killed signal terminated program|internal compiler error: Killed|\bMemoryError\b",
        _said("The machine ran out of memory."),
    ),
)


def guess_cause(output: str) -> str | None:
    """Return the likely cause of a failed build, None if its output shows no known one.

    Args:
        output: the log of the failed step.
    """
    for pattern, tell in _SYMPTOMS:
        if match := re.search(pattern, output):
            return tell(match)
    return None


def build_failure(name: str, version: str, *, output: str, log: str, timeout: float | None = None) -> WorkError:
    """Return the error for a source build that failed.

    Args:
        name: the package.
        version: its version; may be empty where it is not known yet.
        output: of the failed step.
        log: where the whole log is.
        timeout: seconds that it was given, if it was ended because it took longer.
    """
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    cause = guess_cause(output)
    ways = (
        f"skip the package there (packages.skip.{name}), choose a version that has a wheel, or give the build what it "
        f"lacks (packages.buildWheel.{name}.<platform>.buildRequires, configSettings)."
    )
    remedy = f"Read {log}; then {ways}"
    if timeout is not None:
        cause = f"It was still running after {timeout:g} s, the limit that build.timeout sets."
        remedy = f"Raise build.timeout if it only needs more time; if it hangs, {ways}"
    return WorkError(
        f"building {' '.join(filter(None, (name, version)))} from source failed",
        cause=cause,
        remedy=remedy,
        details=[*lines[-_TAIL:], f"(the whole log: {log})"],
    )


def native_machine_needed(
    package: LockedPackage, version: str, platform_key: str, *, cause: str, details: Sequence[str] = ()
) -> WorkError:
    """Return the error for a source package that cannot be built on this machine for a foreign platform.

    Args:
        version: the bundle's.
        platform_key: the target.
    """
    return WorkError(
        f"{package.name} {package.version} is a source package: building it for {platform_key} needs a native "
        f"{platform_key} machine.",
        cause=cause,
        details=details,
        remedy=f"Build it there (`bundle wheel {version} {package.name} --platform {platform_key}`) and put the "
        f"wheel into versions/{version}/wheels/, or skip the package there with a reason "
        f"(packages.skip.{package.name}.{platform_key}).",
    )
