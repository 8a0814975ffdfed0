from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from bundle.base.errors import ConfigError
from bundle.cli.failures import print_failures
from bundle.cli.make.summary import print_bundle

BUNDLE: dict[str, Any] = {
    "version": "3.12.10",
    "platform": "linux-x64",
    "status": "built",
    "path": "/project/pydist/3.12.10/linux-x64",
    "size": 2_000_000,
    "archives": [{"path": "/elsewhere/a.tar.zst", "size": 1000, "sha256": "abc"}],
    "documents": {"sbom": "/elsewhere/a.cdx.json", "provenance": "/elsewhere/a.provenance.json"},
    "python": {"requested": "3.12.10", "actual": "3.12.1", "source": "host"},
    "floor": {"glibc": "2.28"},
    "packages": [
        {"name": "numpy", "version": "2.2.6", "decision": "wheel", "reason": "", "requiredBy": [""]},
        {"name": "freesasa", "version": "2.2.1", "decision": "source", "reason": "no wheel", "requiredBy": []},
    ],
    "skipped": [
        {"name": "openmm", "kind": "skipped", "reason": "no wheel", "requiredBy": ["(the configuration)", "pdbfixer"]}
    ],
    "conflicts": [{"path": "bin/tool", "kept": "b", "lost": "a"}],
    "seconds": {"lock": 0.01, "verify": 2.5},
}


def printed(bundle: dict[str, Any]) -> str:
    stream = io.StringIO()
    print_bundle(Console(file=stream, soft_wrap=True, highlight=False), bundle, Path("/project"))
    return stream.getvalue()


def test_the_summary_of_a_build_says_what_is_in_it_and_what_is_not() -> None:
    text = printed(BUNDLE)
    assert "3.12.1 from host, a SUBSTITUTE for 3.12.10" in text
    assert "runs on   glibc 2.28 or later" in text
    assert "1 from wheels, 1 built from source, 1 left out" in text
    assert "freesasa 2.2.1: no wheel" in text
    assert "openmm: no wheel (asked for by the configuration, pdbfixer)" in text
    assert "conflict bin/tool: kept the one of b" in text
    assert "verify 2.5; in all 2.5" in text
    assert "lock" not in text


def test_paths_below_the_current_folder_are_relative() -> None:
    text = printed(BUNDLE)
    assert "bundle    pydist/3.12.10/linux-x64  2.0 MB" in text
    assert "archive   /elsewhere/a.tar.zst  1.0 kB" in text
    assert "documents /elsewhere/a.cdx.json\n            /elsewhere/a.provenance.json\n" in text


def test_an_unchanged_bundle_is_named_in_few_lines() -> None:
    assert len(printed({**BUNDLE, "status": "unchanged"}).splitlines()) == 3


def test_a_failure_says_what_to_do() -> None:
    stream = io.StringIO()
    error = ConfigError("It is wrong.", cause="A typing error.", remedy="Correct it.", details=["line 1"])
    print_failures(Console(file=stream), [{"version": "3.12.10", "platform": "linux-x64", **error.as_json()}])
    assert stream.getvalue().splitlines() == [
        "3.12.10 for linux-x64: failed: It is wrong.",
        "  line 1",
        "  cause: A typing error.",
        "  to do: Correct it.",
    ]


def test_failures_of_one_cause_are_told_once() -> None:
    stream = io.StringIO()
    error = ConfigError("The host is down.", remedy="Wait.").as_json()
    other = ConfigError("Another reason.", remedy="Wait.").as_json()
    failed = [{"version": "3.12.10", "platform": key, **error} for key in ("linux-x64", "macosx-x64")]
    print_failures(Console(file=stream, width=200), [*failed, {"version": "3.12.9", "platform": "linux-x64", **other}])
    assert stream.getvalue().splitlines() == [
        "3.12.10 for linux-x64, 3.12.10 for macosx-x64: failed: The host is down.",
        "  to do: Wait.",
        "3.12.9 for linux-x64: failed: Another reason.",
        "  to do: Wait.",
    ]
