"""Interpreters for the platforms that this machine is not, by the platform's key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache, partial

import pytest

from bundle.base.errors import NetworkError
from tests.foreign import linux_aarch64, macosx, windows_x64
from tests.foreign.prepared import Prepared

PREPARATIONS: Mapping[str, Callable[[], Prepared]] = {
    "linux-aarch64": linux_aarch64.prepare,
    "macosx-aarch64": partial(macosx.prepare, "macosx-aarch64"),
    "macosx-x64": partial(macosx.prepare, "macosx-x64"),
    "windows-x64": windows_x64.prepare,
}


@cache
def foreign_python(key: str) -> Prepared:
    """Return the interpreter for a platform; where it cannot be had, the test is skipped, and fails where CI is set.

    Args:
        key: the platform's.
    """
    try:
        return PREPARATIONS[key]()
    except (NetworkError, LookupError) as error:
        reason = f"no interpreter for {key} could be prepared: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
