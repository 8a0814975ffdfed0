from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.qemu import Qemu, find_qemu
from bundle.model.platforms import PLATFORMS
from tests.make.verify.emulators.fakes import ARM, TRACEBACK, ended, having, sysroot


def qemu(*, chosen: bool = False, children: bool = False) -> Qemu:
    return Qemu(
        program="/usr/bin/qemu-aarch64-static",
        platform=PLATFORMS["linux-aarch64"],
        sysroot=Path("/sys/root"),
        chosen=chosen,
        children=children,
    )


def test_a_named_sysroot_counts_first_and_must_be_one(tmp_path: Path) -> None:
    general, special = sysroot(tmp_path / "general"), sysroot(tmp_path / "special")
    which = having("qemu-aarch64-static")
    environ = {"BUNDLE_SYSROOT": str(general)}
    found = find_qemu(ARM, environ, which)
    assert isinstance(found, Qemu)
    assert (found.sysroot, found.chosen) == (general, True)
    found = find_qemu(ARM, environ | {"BUNDLE_SYSROOT_LINUX_AARCH64": str(special)}, which)
    assert isinstance(found, Qemu)
    assert found.sysroot == special
    with pytest.raises(ConfigError, match=r"BUNDLE_SYSROOT .*ld-linux-aarch64\.so\.1"):
        find_qemu(ARM, {"BUNDLE_SYSROOT": str(tmp_path)}, which)


def test_a_root_is_the_sysroot_of_the_other_architecture(tmp_path: Path) -> None:
    root = sysroot(tmp_path / "root")
    found = find_qemu(ARM, {"BUNDLE_SYSROOT": "/elsewhere"}, having("qemu-aarch64"), root)
    assert isinstance(found, Qemu)
    assert (found.sysroot, found.name) == (root, "qemu-aarch64")


@pytest.mark.parametrize(("state", "children"), [("enabled\ninterpreter /q\n", True), ("disabled\n", False)])
def test_children_run_where_the_system_knows_the_emulator(tmp_path: Path, state: str, children: bool) -> None:
    (tmp_path / "qemu-aarch64").write_text(state)
    environ = {"BUNDLE_SYSROOT": str(sysroot(tmp_path / "root"))}
    found = find_qemu(ARM, environ, having("qemu-aarch64-static"), binfmt=tmp_path)
    assert isinstance(found, Qemu)
    assert (found.children, found.shell) == (children, children)


def test_qemu_gets_a_processor_and_a_sysroot() -> None:
    command = qemu().command(Path("/b/python"), ["-V"])
    assert command == ["/usr/bin/qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/sys/root", "/b/python", "-V"]


def test_where_the_system_knows_qemu_it_is_told_by_variables() -> None:
    runner = qemu(children=True)
    assert runner.command(Path("/b/script"), []) == ["/b/script"]
    assert runner.environment == {"QEMU_CPU": "cortex-a72", "QEMU_LD_PREFIX": "/sys/root"}


@pytest.mark.parametrize(
    "errors",
    [
        "qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n",
        "qemu: uncaught target signal 31 (Bad system call) - core dumped\n",
        "qemu: unhandled CPU exception 0x5 - aborting\n",
        "qemu-aarch64-static: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory\n",
        TRACEBACK + "OSError: [Errno 38] Function not implemented\n",
        "Unsupported syscall: 439\n",
        TRACEBACK + "ImportError: libz.so.1: cannot open shared object file: No such file or directory\n",
        "python: /lib/libc.so.6: version `GLIBC_2.38' not found (required by python)\n",
    ],
)
def test_what_qemu_cannot_do_and_a_sysroot_lacks_says_nothing_of_the_bundle(errors: str) -> None:
    words = qemu().inconclusive(ended(errors))
    assert words is not None
    assert words.split(":")[0] in errors


def test_a_qemu_that_dies_or_takes_too_long_says_nothing_of_the_bundle() -> None:
    assert qemu().inconclusive(ended(code=-11)) == "qemu-aarch64-static was ended by signal 11"
    assert "7 s" in str(qemu().inconclusive(ended(code=-15, timed_out=True)))


@pytest.mark.parametrize(
    "completed",
    [
        ended(TRACEBACK + "ModuleNotFoundError: No module named 'x'\n"),
        ended(TRACEBACK + "ImportError: libown.so.1: cannot open shared object file: No such file or directory\n"),
        ended("qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n", -11),
        ended("qemu: uncaught target signal 6 (Aborted) - core dumped\n", -6),
    ],
)
def test_what_the_bundle_does_wrong_is_its_own_under_qemu(completed: Completed) -> None:
    assert qemu().inconclusive(completed) is None


def test_a_file_of_another_architecture_is_not_started() -> None:
    words = "qemu-aarch64-static: /b/bin/python: Invalid ELF image for this architecture"
    assert qemu().unstarted(ended(f"{words}\n", 255)) == words
    assert qemu().inconclusive(ended(f"{words}\n", 255)) is None


def test_a_sysroot_that_somebody_named_is_what_a_bundle_has_to_run_on() -> None:
    errors = "python: /lib/libc.so.6: version `GLIBC_2.38' not found (required by python)\n"
    assert qemu(chosen=True).inconclusive(ended(errors)) is None
