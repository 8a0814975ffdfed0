from __future__ import annotations

from bundle.make.resolve.file_selection import dependents, missing_error, still_wanted
from bundle.model.locks.lock import SkippedPackage

REQUIRED_BY = {"app": ("",), "lib": ("app", "other"), "other": ("",), "low": ("lib",), "helper": ("app",)}


def test_whatever_needs_a_missing_package_goes_with_it() -> None:
    assert dependents(["low"], REQUIRED_BY) == {"lib": "low", "app": "lib", "other": "lib"}
    assert dependents(["helper"], REQUIRED_BY) == {"app": "helper"}


def test_what_nobody_else_wants_goes_as_well() -> None:
    assert still_wanted(REQUIRED_BY, {"app", "helper"}) == {"other", "lib", "low"}
    assert still_wanted(REQUIRED_BY, {"app", "other", "lib", "low"}) == set()


def test_packages_that_need_each_other_are_no_reason_to_stay() -> None:
    assert still_wanted({"app": ("",), "a": ("b", "app"), "b": ("a",)}, {"app"}) == set()


def test_a_gap_tells_who_asks_and_what_exists() -> None:
    gap = SkippedPackage(
        name="a",
        version="1.0",
        reason="no wheel fits linux-x64",
        required_by=("", "b"),
        kind="missing",
        available=tuple(f"cp3{minor} win32" for minor in range(12)),
    )

    error = missing_error([gap], "linux-x64", "3.12.10", {}, remedies={"a": ("versions with a usable file here: 0.9",)})

    assert error.what == "a 1.0 has no usable file for linux-x64 (3.12.10)."
    assert error.details[1] == "  asked for by: the configuration, b"
    assert error.details[2].endswith("cp39 win32 and 2 more")
    assert error.details[3] == "  versions with a usable file here: 0.9"
