"""Errors of source builds: the cause of a failure, guessed from the log, or the native machine that is needed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bundle.base.errors import WorkError
from bundle.base.text import last_lines, plain

_TAIL = 20
"""Lines of the log that an error shows."""

_TOOL = (
    r"(?P<tool>gcc|g\+\+|cc|c\+\+|clang|clang\+\+|gfortran|cmake|ninja|meson|make|cargo|rustc|swig|bison|flex"
    r"|pkg-config|patch)"
)
_NETWORK = (
    r"Temporary failure in name resolution|Name or service not known|urlopen error|Connection refused"
    r"|Network is unreachable|because the network was disabled"
)
_MEMORY = r"Killed signal terminated program|internal compiler error: Killed|\bMemoryError\b"

_NO_HEADER = (
    "The C header {header} is missing: install the system package that brings it "
    "(on Debian a -dev package; `apt-file search` finds it)."
)
_NO_LIBRARY = (
    "The library lib{library} is missing: install the system package that brings it (on Debian a -dev package)."
)
_NO_PROGRAM = (
    "The program {tool} is missing: install it on this machine, or name the package that brings it in buildRequires."
)
_NO_MODULE = (
    "The build needs the Python module {module}, which none of its declared requirements brings: "
    "name its package in buildRequires."
)
_NO_NETWORK = (
    "The build tries to download something: put it into its source or buildRequires, or give the reason why it may use "
    "the network (packages.buildWheel.{name}.<platform>.network; never with --offline)."
)

_SYMPTOMS = (
    (r"fatal error: '?(?P<header>[\w./+-]{1,200})'?(?:: No such file| file not found)", _NO_HEADER),
    (r"cannot find -l(?P<library>[\w.+-]{1,200})", _NO_LIBRARY),
    (rf"command '(?:[^'\n]{{0,300}}/)?{_TOOL}' failed: (?:No such file|command not found)", _NO_PROGRAM),
    (rf"No such file or directory: '(?:[^'\n]{{0,300}}/)?{_TOOL}'", _NO_PROGRAM),
    (rf"(?m)(?:^|[\s:/]){_TOOL}: (?:command )?not found", _NO_PROGRAM),
    (r"No module named '?(?P<module>[\w.]{1,200})'?", _NO_MODULE),
    (_NETWORK, _NO_NETWORK),
    (r"No space left on device", "The disk is full."),
    (_MEMORY, "The machine ran out of memory."),
)
"""Patterns in the output of a build, and the cause that each shows, with the groups of the match."""


def guess_cause(output: str, name: str) -> str | None:
    """Return the likely cause of a failed build, None if its output shows no known one.

    Args:
        name: of the package.
    """
    output = plain(output)
    for pattern, cause in _SYMPTOMS:
        if match := re.search(pattern, output):
            return cause.format(name=name, **match.groupdict())
    return None


def build_failure(name: str, version: str, *, output: str, log: str, timeout: float | None = None) -> WorkError:
    """Return the error for a source build that failed.

    Args:
        version: may be empty where it is not known yet.
        output: of the failed step.
        log: path of the whole log.
        timeout: seconds that it was given, if it was ended because it took longer.
    """
    cause = guess_cause(output, name)
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
        details=[*last_lines(output, _TAIL), f"(the whole log: {log})"],
    )


def native_machine_needed(
    name: str, release: str, *, version: str, platform_key: str, cause: str, details: Sequence[str] = ()
) -> WorkError:
    """Return the error for a source package that cannot be built on this machine for a foreign platform.

    Args:
        release: the package's version.
        version: the bundle's.
        platform_key: the target.
    """
    return WorkError(
        f"{name} {release} is a source package: building it for {platform_key} needs a native {platform_key} machine.",
        cause=cause,
        details=details,
        remedy=f"Build it there (`bundle wheel {version} {name} --platform {platform_key}`) and put the wheel into "
        f"versions/{version}/wheels/, or skip the package there with a reason (packages.skip.{name}.{platform_key}).",
    )
