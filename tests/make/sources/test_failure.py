from __future__ import annotations

import pytest

from bundle.make.sources.failure import build_failure, guess_cause


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("demo.c:1:10: fatal error: zlib.h: No such file or directory\n   1 | #include <zlib.h>", "header zlib.h"),
        ("demo.c:1:10: fatal error: 'sub/a.h' file not found", "header sub/a.h"),
        ("error: command 'gcc' failed: No such file or directory", "program gcc"),
        ("error: command '/usr/bin/g++' failed: No such file or directory", "program g++"),
        ("/bin/sh: 1: gfortran: not found", "program gfortran"),
        ("sh: line 1: cmake: command not found", "program cmake"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cargo'", "program cargo"),
        ("/usr/bin/ld: cannot find -lxml2: No such file or directory", "library libxml2"),
        ("ModuleNotFoundError: No module named 'Cython'", "module Cython"),
        ("urllib.error.URLError: <urlopen error [Errno -3]>", "download"),
        ("fatal error: error writing to /tmp/x.s: No space left on device", "disk is full"),
        ("gcc: fatal error: Killed signal terminated program cc1", "memory"),
    ],
)
def test_the_usual_causes_are_told_from_the_output(output: str, told: str) -> None:
    assert told in (guess_cause(f"before\n{output}\nafter", "demo") or "")


@pytest.mark.parametrize(
    "output", ["error: command '/usr/bin/gcc' failed with exit code 1", "demo.c:3: error: expected ';'", ""]
)
def test_an_unknown_cause_is_not_invented(output: str) -> None:
    assert guess_cause(output, "demo") is None


def test_the_error_shows_the_last_lines_and_the_ways_out() -> None:
    output = "\n".join(f"line {number}" for number in range(100))
    error = build_failure("demo", "1.0", output=output, log="demo.log")
    assert error.what == "building demo 1.0 from source failed"
    assert error.details[0] == "line 80"
    assert error.details[-1] == "(the whole log: demo.log)"
    for way in ("packages.skip.demo", "wheel", "buildRequires", "demo.log"):
        assert way in error.remedy


def test_a_timeout_names_the_setting() -> None:
    error = build_failure("demo", "", output="", log="demo.log", timeout=1800)
    assert error.what == "building demo from source failed"
    assert "1800 s" in (error.cause or "")
    assert "build.timeout" in error.remedy
