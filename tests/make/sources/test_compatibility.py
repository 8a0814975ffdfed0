from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bundle.base.errors import WorkError
from bundle.make.sources.compatibility import check_fits
from bundle.model.platforms import PLATFORMS, Floors

LINUX, ARM = PLATFORMS["linux-x64"], PLATFORMS["linux-aarch64"]
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44)


def wheel_in(folder: Path, tag: str, files: dict[str, bytes] | None = None) -> Path:
    wheel = folder / f"demo-1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in (files or {"demo.py": b""}).items():
            archive.writestr(path, data)
    return wheel


@pytest.mark.parametrize("key", list(PLATFORMS))
def test_a_pure_wheel_fits_everywhere(tmp_path: Path, key: str) -> None:
    files = {"demo.py": b"", "demo/launcher.exe": b"MZ"}
    check_fits(wheel_in(tmp_path, "py3-none-any", files), PLATFORMS[key], "3.12.10", Floors())


@pytest.mark.parametrize("tag", ["cp312-cp312-linux_x86_64", "cp39-abi3-linux_x86_64", "py3-none-linux_x86_64"])
def test_a_native_wheel_fits_its_own_platform(tmp_path: Path, tag: str) -> None:
    check_fits(wheel_in(tmp_path, tag), LINUX, "3.12.10", Floors())


@pytest.mark.parametrize("key", ["linux-aarch64", "macosx-x64", "windows-x64"])
def test_a_native_wheel_for_another_platform_names_the_machine_that_is_needed(tmp_path: Path, key: str) -> None:
    wheel = wheel_in(tmp_path, "cp312-cp312-linux_x86_64")
    with pytest.raises(WorkError, match=f"needs a native {key} machine") as caught:
        check_fits(wheel, PLATFORMS[key], "3.12.10", Floors())
    assert "it fits linux-x64" in (caught.value.cause or "")
    assert f"packages.skip.demo.{key}" in caught.value.remedy


@pytest.mark.parametrize("tag", ["cp311-cp311-linux_x86_64", "py2-none-any", "cp311-cp311-manylinux_2_39_x86_64"])
def test_a_wheel_for_another_python_or_a_newer_system_is_refused_as_such(tmp_path: Path, tag: str) -> None:
    with pytest.raises(WorkError, match=r"fits neither Python 3\.12 nor the floors of linux-x64"):
        check_fits(wheel_in(tmp_path, tag), LINUX, "3.12.10", Floors())


def test_a_wheel_that_calls_itself_pure_but_holds_native_code_fits_only_where_that_runs(tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path, "py3-none-any", {"demo/libdemo.so.1": ELF})
    check_fits(wheel, LINUX, "3.12.10", Floors())
    with pytest.raises(WorkError, match="needs a native linux-aarch64 machine"):
        check_fits(wheel, ARM, "3.12.10", Floors())


def test_a_pure_wheel_that_brings_libraries_for_several_platforms_fits_each(tmp_path: Path) -> None:
    arm = ELF.replace(b"\x3e\x00", b"\xb7\x00")
    wheel = wheel_in(tmp_path, "py3-none-any", {"demo/x64.so": ELF, "demo/arm.so": arm})
    check_fits(wheel, LINUX, "3.12.10", Floors())
    check_fits(wheel, ARM, "3.12.10", Floors())


def test_a_name_that_is_no_wheels_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo.whl").touch()
    with pytest.raises(WorkError, match="not the name of a wheel"):
        check_fits(tmp_path / "demo.whl", LINUX, "3.12.10", Floors())


@pytest.mark.parametrize("interpreter", [None, "2.28", "2.38"])
def test_a_wheel_above_the_floor_is_refused_where_the_interpreter_needs_less(
    tmp_path: Path, interpreter: str | None
) -> None:
    wheel = wheel_in(tmp_path, "cp312-cp312-manylinux_2_39_x86_64")
    with pytest.raises(WorkError, match=r"needs glibc 2\.39, and build\.glibc is 2\.28") as caught:
        check_fits(wheel, LINUX, "3.12.10", Floors(), interpreter_glibc=interpreter)
    assert "raise build.glibc to 2.39" in caught.value.remedy


def test_a_wheel_above_the_floor_is_warned_about_where_the_interpreter_needs_as_much(tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path, "cp312-cp312-manylinux_2_35_x86_64.manylinux_2_39_x86_64")
    warning = check_fits(wheel, LINUX, "3.12.10", Floors(), interpreter_glibc="2.36")
    assert warning is not None
    assert "needs glibc 2.35, and build.glibc is 2.28; so does the bundle's interpreter" in warning
    assert check_fits(wheel, LINUX, "3.12.10", Floors(glibc="2.36"), interpreter_glibc="2.36") is None
