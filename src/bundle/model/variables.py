"""Environment variables that a configuration or a bundle sets: their names, and the placeholders in their values."""

from __future__ import annotations

import re
from collections.abc import Collection

from bundle.base.text import did_you_mean

BUNDLE = "{bundle}"
"""Stands for the bundle's folder in variables of its programs."""

PACKAGE_ROOT = "{packageRoot}"
"""Stands for the unpacked source in what a source build is told."""

VERSION_ROOT = "{versionRoot}"
"""Stands for the version's own files in what a source build is told."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\([A-Za-z0-9_]+\))?")
"""Letters, digits and underscores; Windows also has `ProgramFiles(x86)`."""

_PLACEHOLDER = re.compile(r"\{[A-Za-z]+\}")

OF_BUILDS = (
    *("PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "TZ"),
    *("VIRTUAL_ENV", "SOURCE_DATE_EPOCH", "ZERO_AR_DATE", "PYTHON", "PIP_", "UV_"),
)
"""Variables that every source build sets itself; of those that begin with the last three, all."""

OF_PROGRAMS = ("PATH", "HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "PYTHONHOME")
"""Variables that a program's start sets itself, or that would give it another Python."""

_PREFIXES = ("PYTHON", "PIP_", "UV_")


def obstacle(name: str, value: str, *, placeholders: Collection[str], reserved: Collection[str]) -> str | None:
    """Return why a variable cannot be set, as a clause; None if it can."""
    upper = name.upper()
    if not _NAME.fullmatch(name):
        return f'"{name}" is not the name of an environment variable'
    if upper in reserved or any(upper.startswith(one) for one in _PREFIXES if one in reserved):
        return f"{name} is set by the program itself"
    if "\0" in value:
        return f"the value of {name} has a null character"
    for found in _PLACEHOLDER.findall(value):
        if found not in placeholders:
            known = ", ".join(placeholders)
            return f"{found} in {name} is no placeholder; known here: {known}.{did_you_mean(found, placeholders)}"
    return None
