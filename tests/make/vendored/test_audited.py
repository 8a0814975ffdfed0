"""The audit of carried wheels; real ones, whose libraries are audited, are in tests/run/vendored/test_station.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.vendored.package import read_package
from bundle.base.errors import BundleError, Problems
from bundle.base.report import Reporter
from bundle.make.vendored.audited import Audited, audit_wheels
from bundle.make.verify.verify import VerificationHost
from tests.artifacts.vendored.carried import Packages
from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import this_machine

ARM_MODULE = "native.cpython-312-aarch64-linux-gnu.so"


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


def audited(packages: Packages) -> tuple[tuple[Audited, ...], list[BundleError]]:
    problems = Problems()
    package = read_package(packages.root / "alpha", problems)
    assert package is not None
    work = packages.root.parent / "work"
    found = audit_wheels(package, VerificationHost(machine=this_machine(), work=work, reporter=Reporter()), problems)
    assert list(work.iterdir()) == []
    return found, list(problems.errors)


def test_every_python_on_every_platform_is_audited(packages: Packages) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top", requires=["low"])
    packages.wheel("alpha", "low")
    packages.lock("alpha", "linux-aarch64", "3.11", "3.12")
    packages.lock("alpha", "windows-x64", "3.12")
    found, errors = audited(packages)
    assert errors == []
    assert [(one.platform, one.python, one.report.findings) for one in found] == [
        ("linux-aarch64", "3.11", ()),
        ("linux-aarch64", "3.12", ()),
        ("windows-x64", "3.12", ()),
    ]
    assert list(found[0].report.checked) == ["records", "binaries", "names"]


def test_a_module_for_nothing_is_an_error_where_it_is_imported(packages: Packages) -> None:
    packages.package("alpha", "top", "native")
    packages.wheel("alpha", "top")
    wheels = packages.root / "alpha" / "wheels"
    make_wheel(wheels, "native", tag="cp312-cp312-manylinux_2_17_aarch64", files={ARM_MODULE: b"no ELF"})
    packages.lock("alpha", "linux-aarch64", "3.12")
    (one,), (error,) = audited(packages)
    assert [finding.rule for finding in one.report.of("error")] == ["unreadable-binary"]
    assert error.exit_code == 5
    assert error.what == "alpha for Python 3.12 on linux-aarch64 failed verification: 1 error."


def test_a_wheel_that_is_gone_or_broken_stops_no_other_audit(packages: Packages) -> None:
    packages.package("alpha", "top")
    top = packages.wheel("alpha", "top")
    packages.lock("alpha", "linux-aarch64", "3.12")
    packages.lock("alpha", "linux-x64", "3.12")
    top.unlink()
    found, errors = audited(packages)
    assert (len(found), errors) == (2, [])
    top.write_bytes(b"no wheel")
    found, errors = audited(packages)
    assert (found, [error.exit_code for error in errors]) == ((), [4, 4])
