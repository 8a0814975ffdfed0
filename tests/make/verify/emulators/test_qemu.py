from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.qemu import Qemu, find_qemu
from bundle.model.platforms import PLATFORMS
from tests.make.verify.emulators.fakes import ARM, ONCE, TRACEBACK, again, ended, having, sysroot


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


def test_a_sysroot_of_this_machine_that_is_too_old_says_nothing_of_the_bundle() -> None:
    errors = "python: /lib/libc.so.6: version `GLIBC_2.38' not found (required by python)\n"
    assert "is too old" in str(qemu().inconclusive(ended(errors), ONCE))


START = "qemu-aarch64-static: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory"
CALLS = '12 brk(NULL) = 0x1\n12 openat(AT_FDCWD,"x",O_RDONLY) = -1 errno=2 (No such file or directory)\n'
UNKNOWN = "12 Unknown syscall 425\nUnsupported syscall: 425\n"
ILLEGAL = "--- SIGILL {si_signo=SIGILL, si_code=2, si_addr=0x0000005500f0f000} ---\n"


@pytest.mark.parametrize(
    ("failed", "log", "words"),
    [
        (ended(f"{START}\n"), "", START),
        (ended(TRACEBACK + "OSError: [Errno 38] Function not implemented\n"), CALLS + UNKNOWN, "syscall: 425"),
        (ended("thread panicked: Os { Function not implemented (os error 38) }\n", 101), UNKNOWN, "syscall: 425"),
        (ended("qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n", -4), ILLEGAL, "an instruction"),
        (ended("ERROR:../accel/tcg/cpu-exec.c:954:cpu_exec: assertion failed\n", -6), CALLS, "ended by signal 6"),
        (ended("qemu: unhandled CPU exception 0x5 - aborting\n", -6), CALLS, "ended by signal 6"),
        (ended("QEMU internal SIGSEGV {code=MAPERR, addr=0x20}\n", -11), CALLS, "ended by signal 11"),
    ],
)
def test_what_qemu_cannot_do_stands_in_its_log(failed: Completed, log: str, words: str, tmp_path: Path) -> None:
    runner = replace(qemu(), scratch=tmp_path)
    assert words in str(runner.inconclusive(failed, again(failed, log)))
    assert list(tmp_path.iterdir()) == []


def test_a_qemu_that_dies_or_takes_too_long_says_nothing_of_the_bundle(tmp_path: Path) -> None:
    runner = replace(qemu(), scratch=tmp_path)
    dead = ended(code=-11)
    assert runner.inconclusive(dead, again(dead)) == "qemu-aarch64-static was ended by signal 11"
    assert "7 s" in str(runner.inconclusive(ended(code=-15, timed_out=True), ONCE))


RAISED = "--- SIGILL {si_signo=SIGILL, si_code=SI_USER, si_pid=1, si_uid=0} ---\n"


@pytest.mark.parametrize(
    ("failed", "log"),
    [
        (ended("ERROR: wrong option\nqemu: uncaught target signal 11 (Segmentation fault) - core dumped\n", -11), None),
        (ended("Unsupported syscall: 3\nqemu: uncaught target signal 6 (Aborted) - core dumped\n", -6), None),
        (ended("qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n", -4), CALLS + RAISED),
        (ended("its standard error is closed\n", -11), CALLS + "--- SIGSEGV {si_signo=SIGSEGV, si_code=1} ---\n"),
        (ended("", -6), CALLS + "--- SIGIOT {si_signo=SIGIOT, si_code=SI_TKILL, si_pid=1} ---\n"),
        (ended("", -9), CALLS + "12 kill(12,SIGKILL)"),
        (ended("ERROR: option --help not recognized\n"), None),
        (ended("qemu: unhandled CPU exception 0x5\nqemu: uncaught target signal 4 (Illegal instruction)\n"), None),
        (ended(f"{START}\n"), CALLS),
        (ended("Unsupported syscall: 439\nvalue error\n"), None),
        (ended(TRACEBACK + "OSError: [Errno 38] Function not implemented\n"), CALLS),
        (ended(TRACEBACK + "OSError: [Errno 38] Function not implemented\n"), CALLS + "Unsupported syscall: 293\n"),
        (ended(TRACEBACK + "ModuleNotFoundError: No module named 'x'\n"), None),
        (ended(TRACEBACK + "ImportError: libown.so.1: cannot open shared object file: No such file\n"), None),
    ],
)
def test_what_the_bundle_does_wrong_is_its_own_under_qemu(failed: Completed, log: str | None, tmp_path: Path) -> None:
    second = ONCE if log is None else again(failed, log)
    assert replace(qemu(), scratch=tmp_path).inconclusive(failed, second) is None


def test_a_file_of_another_architecture_is_not_started() -> None:
    words = "qemu-aarch64-static: /b/bin/python: Invalid ELF image for this architecture"
    assert qemu().unstarted(ended(f"{words}\n", 255)) == words
    assert qemu().inconclusive(ended(f"{words}\n", 255), ONCE) is None


def test_a_sysroot_that_somebody_named_is_what_a_bundle_has_to_run_on() -> None:
    errors = "python: /lib/libc.so.6: version `GLIBC_2.38' not found (required by python)\n"
    assert qemu(chosen=True).inconclusive(ended(errors), ONCE) is None
