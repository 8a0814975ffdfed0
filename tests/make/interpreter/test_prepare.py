from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.interpreters.source import Request
from bundle.make.interpreter.prepare import why_not_carried
from bundle.model.config.config import BuildOptions, Config, Interpreter
from bundle.model.platforms import PLATFORMS, Floors


@pytest.mark.parametrize(
    ("key", "glibc", "carry", "carried", "why"),
    [
        ("linux-x64", "2.28", None, True, None),
        ("linux-x64", "2.28", None, False, "no mirror of Debian"),
        ("linux-x64", "2.18", None, False, "no mirror of Debian"),
        ("linux-x64", "2.17", None, False, "they need glibc 2.18, and build.glibc is 2.17"),
        ("linux-aarch64", "2.17", True, False, "they need glibc 2.18, and build.glibc is 2.17"),
        ("linux-x64", "2.17", False, False, None),
        ("linux-x64", "2.28", False, False, None),
        ("macosx-x64", "2.17", None, False, None),
        ("windows-x64", "2.17", True, False, None),
    ],
)
def test_why_a_bundle_carries_no_libraries_is_told(
    key: str, glibc: str, carry: bool | None, carried: bool, why: str | None
) -> None:
    options = BuildOptions(carry=carry, floors=Floors(glibc=glibc))
    config = Config(version="3.12.10", python="3.12.10", folder=Path(), build=options)
    request = Request(
        python="3.12.10", platform=PLATFORMS[key], config=Interpreter(), machine=None, environ={}, carry=carried
    )
    told = why_not_carried(config, request)
    assert told is None if why is None else why in (told or "")
