"""The places in a bundle that belong to its interpreter and its manifest."""

from __future__ import annotations

import posixpath
import re

from bundle.base.filenames import folded
from bundle.model.platforms import Platform
from bundle.model.system_libraries import LINUX_BASE, LINUX_EXPECTED

_ANYWHERE = re.compile(
    r"((bin|scripts)/)?pythonw?[0-9.]*t?(-config)?(\.exe|\.dll)?|lib/libpython[^/]*|bundle(-files)?\.json|sbom\.cdx\.json"
    r"|([^/]+/)?(pyvenv\.cfg|pybuilddir\.txt|[^/]*\._pth|python[0-9]+t?\.zip)"
)
"""Paths, in lower case, of the interpreter and of files that tell it where its modules are, and of the manifest."""

_ON_WINDOWS = re.compile(
    r"(dlls|libs|tcl)/.*|lib/.*\.(py[cdw]?|dll|zip)|[^/]*\.(py[cdw]?|dll|exe|zip)|(?!scripts/)[^/]+/__init__\.[^/]*"
)
"""The same of Windows, where modules are also found beside the interpreter, before those of site-packages."""


def is_standard(path: str, platform: Platform, python: str) -> bool:
    """Return whether a path is the interpreter, the manifest, or in the standard library."""
    lower = folded(path)
    if lower.startswith(folded(f"{platform.site_packages(python)}/")):
        return False
    modules = (folded(f"{platform.stdlib(python)}/"), *(("dlls/",) if platform.is_windows else ()))
    return _ANYWHERE.fullmatch(lower) is not None or lower.startswith(modules)


def is_closed_to_wheels(path: str, platform: Platform, python: str) -> bool:
    """Return whether no wheel may have a file at a path: modules and libraries there would come before others."""
    lower = folded(path)
    if lower.startswith(folded(f"{platform.site_packages(python)}/")):
        return False
    if platform.is_windows:
        return (_ANYWHERE.fullmatch(lower) or _ON_WINDOWS.fullmatch(lower)) is not None
    shadows = posixpath.dirname(lower) == "lib" and posixpath.basename(path) in LINUX_BASE | LINUX_EXPECTED
    return shadows or is_standard(path, platform, python)
