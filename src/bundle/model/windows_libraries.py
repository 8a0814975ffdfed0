"""The libraries that Windows provides, and the Windows that they came with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

WINDOWS_EXPECTED = re.compile(r"(vcruntime|vccorlib|msvcp|concrt|vcomp|vcamp|mfcm?)140[a-z0-9_]*(?<!d)\.dll")
"""The Visual C++ redistributable: not part of Windows, but on most machines. CPython brings vcruntime140."""

WINDOWS_DRIVERS = frozenset({"nvcuda.dll", "nvml.dll", "opencl.dll", "vulkan-1.dll", "nvcuvid.dll"})
"""Libraries of device drivers."""

_SINCE: Mapping[str, str] = {
    "api-ms-win-core-file-fromapp": "10.0.17134",
    "api-ms-win-core-ioring": "10.0.22000",
    "coremessaging.dll": "10",
    "d3d12.dll": "10",
    "directml.dll": "10.0.18362",
    "dxcore.dll": "10.0.19041",
    "gdi32full.dll": "10",
    "icu.dll": "10.0.18362",
    "icuin.dll": "10.0.15063",
    "icuuc.dll": "10.0.15063",
    "webauthn.dll": "10.0.18362",
    "win32u.dll": "10",
    "wslapi.dll": "10.0.16299",
}
"""The Windows that a library or an API set came with, where it is later than 8.1."""

_SET = re.compile(r"(?P<name>(?:api|ext)-ms-.+-l\d+)-(?P<minor>\d+)-\d+\.dll")
"""An API set (learn.microsoft.com, "API set loader operation"); the loader ignores the last number, the revision."""

_PYTHON = re.compile(r"python3(?P<minor>\d+)t?\.dll")


def is_windows_library(name: str) -> bool:
    """Return whether every Windows that is supported has a library, or knows an API set, by its name in lower case."""
    if found := _SET.fullmatch(name):
        return int(found["minor"]) <= _api_sets().get(found["name"], -1)
    return name in _system()


def windows_since(name: str) -> str:
    """Return the Windows that a library needs, by its name in lower case, such as `8.1`; empty if nothing tells."""
    if found := _PYTHON.fullmatch(name):
        # docs.python.org, "Using Python on Windows": 3.9 to 3.12 support 8.1, later ones 10.
        return "10" if int(found["minor"]) >= 13 else "8.1"
    if found := _SET.fullmatch(name):
        return _SINCE.get(found["name"].rpartition("-")[0], "")
    return _SINCE.get(name, "")


@cache
def _system() -> frozenset[str]:
    return frozenset(name if "." in name[-4:] else f"{name}.dll" for name in _lines("windows_system.txt"))


@cache
def _api_sets() -> Mapping[str, int]:
    sets = (line.rpartition("-") for line in _lines("windows_api_sets.txt"))
    return {name: int(minor) for name, _, minor in sets}


def _lines(name: str) -> list[str]:
    text = resources.files("bundle.model").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]
