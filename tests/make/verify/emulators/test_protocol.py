from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.find import find_runner
from bundle.make.verify.emulators.loader_errors import too_old
from bundle.make.verify.emulators.protocol import NATIVE, Missing
from bundle.make.verify.emulators.qemu import Qemu, find_qemu
from bundle.make.verify.emulators.root_folder import RootedRunner, bwrap_prefix, find_root_folder, shown, unshare_prefix
from bundle.make.verify.emulators.wine import Wine, WineRunner, find_wine
from bundle.model.platforms import PLATFORMS, Platform

X64, ARM, WINDOWS, MAC = (PLATFORMS[key] for key in ("linux-x64", "linux-aarch64", "windows-x64", "macosx-aarch64"))

TRACEBACK = "Traceback (most recent call last):\n  File 'x', line 1, in <module>\n"


def ended(errors: str = "", code: int = 1, *, timed_out: bool = False) -> Completed:
    return Completed(arguments=("x",), code=code, output="", errors=errors, seconds=7.0, timed_out=timed_out)


def having(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/none/bin/{name}" if name in names else None


def sysroot(folder: Path, machine: str = "aarch64") -> Path:
    """Make a folder that passes for a system."""
    loader = folder / {"aarch64": "lib/ld-linux-aarch64.so.1", "x86_64": "lib64/ld-linux-x86-64.so.2"}[machine]
    loader.parent.mkdir(parents=True)
    loader.touch()
    return folder


def qemu(*, chosen: bool = False, children: bool = False) -> Qemu:
    return Qemu(
        program="/usr/bin/qemu-aarch64-static",
        platform=PLATFORMS["linux-aarch64"],
        sysroot=Path("/sys/root"),
        chosen=chosen,
        children=children,
    )


WINE = WineRunner(program="/usr/bin/wine", prefix=Path("/prefix"))
ROOTED = RootedRunner(root=Path("/old"), prefix=("/usr/bin/bwrap", "--"), shell=False)


class TestFinding:
    def test_the_machine_itself_needs_no_emulator(self) -> None:
        assert find_runner(X64, machine=X64, environ={"PATH": ""}) is None

    @pytest.mark.parametrize(
        ("platform", "named"),
        [(ARM, "qemu-aarch64-static"), (WINDOWS, "wine")],
        ids=lambda value: getattr(value, "key", value),
    )
    def test_an_emulator_that_is_not_there_is_named_with_what_installs_it(self, platform: Platform, named: str) -> None:
        missing = find_runner(platform, machine=X64, environ={"PATH": ""})
        assert isinstance(missing, Missing)
        assert named in missing.what
        assert "apt-get install" in missing.remedy

    def test_nothing_runs_macos(self) -> None:
        missing = find_runner(MAC, machine=X64, environ={"PATH": ""})
        assert isinstance(missing, Missing)
        assert "macosx-aarch64" in missing.remedy

    def test_a_root_is_for_linux_only(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--root is for Linux"):
            find_runner(WINDOWS, machine=X64, environ={}, root=tmp_path)

    def test_a_folder_without_a_program_loader_is_no_root(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"ld-linux-x86-64\.so\.2"):
            find_runner(X64, machine=X64, environ={}, root=tmp_path)

    def test_a_named_sysroot_counts_first_and_must_be_one(self, tmp_path: Path) -> None:
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

    def test_a_root_is_the_sysroot_of_the_other_architecture(self, tmp_path: Path) -> None:
        root = sysroot(tmp_path / "root")
        found = find_qemu(ARM, {"BUNDLE_SYSROOT": "/elsewhere"}, having("qemu-aarch64"), root)
        assert isinstance(found, Qemu)
        assert (found.sysroot, found.name) == (root, "qemu-aarch64")

    @pytest.mark.parametrize(("state", "children"), [("enabled\ninterpreter /q\n", True), ("disabled\n", False)])
    def test_children_run_where_the_system_knows_the_emulator(self, tmp_path: Path, state: str, children: bool) -> None:
        (tmp_path / "qemu-aarch64").write_text(state)
        environ = {"BUNDLE_SYSROOT": str(sysroot(tmp_path / "root"))}
        found = find_qemu(ARM, environ, having("qemu-aarch64-static"), binfmt=tmp_path)
        assert isinstance(found, Qemu)
        assert (found.children, found.shell) == (children, children)

    def test_wine_needs_its_server(self) -> None:
        assert isinstance(find_wine(having("wine")), Missing)
        found = find_wine(having("wine64", "wineserver"))
        assert found == Wine(program="/none/bin/wine64", server="/none/bin/wineserver")

    def test_a_root_needs_something_that_changes_to_it(self, tmp_path: Path) -> None:
        root = sysroot(tmp_path / "root", "x86_64")
        missing = find_root_folder(X64, root, having())
        assert isinstance(missing, Missing)
        assert "bubblewrap" in missing.remedy


class TestCommands:
    def test_the_machine_itself_adds_nothing(self) -> None:
        assert NATIVE.command(Path("/b/python"), ["-c", "1"]) == ["/b/python", "-c", "1"]
        assert NATIVE.translate(Path("/b/c")) == "/b/c"
        assert NATIVE.inconclusive(ended("qemu: uncaught target signal 4 (Illegal instruction)", -4)) is None

    def test_qemu_gets_a_processor_and_a_sysroot(self) -> None:
        command = qemu().command(Path("/b/python"), ["-V"])
        assert command == ["/usr/bin/qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/sys/root", "/b/python", "-V"]

    def test_where_the_system_knows_qemu_it_is_told_by_variables(self) -> None:
        runner = qemu(children=True)
        assert runner.command(Path("/b/script"), []) == ["/b/script"]
        assert runner.environment == {"QEMU_CPU": "cortex-a72", "QEMU_LD_PREFIX": "/sys/root"}

    def test_wine_sees_paths_on_drive_z(self) -> None:
        assert WINE.command(Path("/b/python.exe"), ["-V"]) == ["/usr/bin/wine", "/b/python.exe", "-V"]
        assert WINE.translate(Path("/tmp x/ä")) == "Z:\\tmp x\\ä"
        assert WINE.environment["WINEPREFIX"] == "/prefix"
        assert WINE.environment["WINEDLLOVERRIDES"].startswith("mscoree,mshtml,wbemprox")

    def test_a_root_is_shown_whole_but_for_the_places_of_the_bundle_and_its_scratch_folder(
        self, tmp_path: Path
    ) -> None:
        root = tmp_path / "root"
        for folder in ("usr/lib", "home/other", "proc", "tmp"):
            (root / folder).mkdir(parents=True)
        (root / "lib").symlink_to("usr/lib")
        (root / "file").touch()
        bundle, scratch = Path("/home/me/bundle"), Path("/var/cache/s")
        entries = list(shown(root, (bundle, scratch)))
        assert entries == [
            ("file", root / "file", "/file"),
            ("folder", root / "home/other", "/home/other"),
            ("link", Path("usr/lib"), "/lib"),
            ("folder", root / "usr", "/usr"),
        ]
        prefix = bwrap_prefix("/bin/bwrap", entries, bundle=bundle, scratch=scratch)
        text = " ".join(prefix)
        assert "--symlink usr/lib /lib" in text
        assert f"--ro-bind {root}/usr /usr" in text
        assert "--ro-bind /home/me/bundle /home/me/bundle --bind /var/cache/s /var/cache/s --chdir /var/cache/s" in text
        script = unshare_prefix("/bin/unshare", entries, bundle=bundle, scratch=scratch, root=Path("/build it"))[4]
        assert "mount -o remount,bind,ro '/build it/home/me/bundle'" in script
        assert "ln -s usr/lib '/build it/lib'" in script
        assert script.endswith("--root='/build it' --wd=/var/cache/s \"$@\"")


class TestVerdicts:
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
    def test_what_qemu_cannot_do_and_a_sysroot_lacks_says_nothing_of_the_bundle(self, errors: str) -> None:
        words = qemu().inconclusive(ended(errors))
        assert words is not None
        assert words.split(":")[0] in errors

    def test_an_emulator_that_dies_says_nothing_of_the_bundle(self) -> None:
        assert qemu().inconclusive(ended(code=-11)) == "qemu-aarch64-static itself was ended by signal 11"
        assert WINE.inconclusive(ended(code=-9)) == "Wine itself was ended by signal 9"

    def test_an_emulator_that_takes_too_long_says_nothing_of_the_bundle(self) -> None:
        assert "7 s" in str(qemu().inconclusive(ended(code=-15, timed_out=True)))
        assert "7 s" in str(WINE.inconclusive(ended(code=-15, timed_out=True)))

    @pytest.mark.parametrize(
        "completed",
        [
            ended(TRACEBACK + "ModuleNotFoundError: No module named 'x'\n"),
            ended(TRACEBACK + "ImportError: libown.so.1: cannot open shared object file: No such file or directory\n"),
            ended("qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n", -11),
            ended("qemu: uncaught target signal 6 (Aborted) - core dumped\n", -6),
        ],
    )
    def test_what_the_bundle_does_wrong_is_its_own_under_qemu(self, completed: Completed) -> None:
        assert qemu().inconclusive(completed) is None

    def test_a_file_of_another_architecture_is_not_started(self) -> None:
        words = "qemu-aarch64-static: /b/bin/python: Invalid ELF image for this architecture"
        assert qemu().unstarted(ended(f"{words}\n", 255)) == words
        assert qemu().inconclusive(ended(f"{words}\n", 255)) is None

    def test_a_sysroot_that_somebody_named_is_what_a_bundle_has_to_run_on(self) -> None:
        errors = "python: /lib/libc.so.6: version `GLIBC_2.38' not found (required by python)\n"
        assert qemu(chosen=True).inconclusive(ended(errors)) is None

    def test_what_wine_lacks_says_nothing_of_the_bundle(self) -> None:
        words = "wine: Call from 000000007B013D7E to unimplemented function ucrtbase.dll.crealf, aborting"
        assert WINE.inconclusive(ended(f"0024:fixme:x\n {words}\n", 0)) == words

    @pytest.mark.parametrize(
        "completed",
        [
            ended(TRACEBACK + "ImportError: DLL load failed while importing _x: Module not found.\n"),
            ended("wine: Unhandled page fault on read access to 0000000000000000 at address 1\n", 5),
            ended("Fatal error in launcher: Unable to create process using 'x'\n"),
        ],
    )
    def test_what_the_bundle_does_wrong_is_its_own_under_wine(self, completed: Completed) -> None:
        assert WINE.inconclusive(completed) is None

    def test_a_file_that_is_no_windows_program_is_not_started(self) -> None:
        words = 'wine: failed to open "/b/python.exe": c0000135'
        assert WINE.unstarted(ended(f"{words}\n", 53)) == words

    def test_a_root_without_a_library_that_wheels_may_expect_says_nothing_of_the_bundle(self) -> None:
        errors = "ImportError: libstdc++.so.6: cannot open shared object file: No such file or directory\n"
        assert ROOTED.inconclusive(ended(errors)) == f"{errors[13:].split(': No')[0]}: /old lacks it"

    def test_a_root_that_is_too_old_is_what_a_bundle_does_not_run_on(self) -> None:
        errors = "python: /lib/libc.so.6: version `GLIBC_2.34' not found (required by python)\n"
        assert ROOTED.inconclusive(ended(errors)) is None

    def test_a_root_that_cannot_be_entered_says_nothing_of_the_bundle(self) -> None:
        assert ROOTED.inconclusive(ended("bwrap: setting up uid map: Permission denied\n")) is not None
        assert ROOTED.unstarted(ended("bwrap: execvp /b/bin/x: No such file or directory\n")) is not None

    def test_the_newest_version_that_a_system_lacks_is_its_floor(self) -> None:
        text = "".join(
            f"python: libc: version `{symbol}' not found (required by x)\n"
            for symbol in ("GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.9", "GLIBCXX_3.4.30")
        )
        assert too_old(text) == ("GLIBC_2.34", "version `GLIBC_2.34' not found")
        assert too_old("all is well") is None
