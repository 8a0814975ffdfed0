from __future__ import annotations

from pathlib import Path

import pytest

from bundle.model.platforms import PLATFORMS, Floors
from bundle.model.system_libraries import CARRIED, LINUX_RUN_PATH
from tests.base.nativemaker import elf, macho, pe, universal
from tests.make.audited import BUILDER, Made, good, rules

LINUX, ARM, MAC, WINDOWS = "linux-x64", "linux-aarch64", "macosx-aarch64", "windows-x64"


def add(made: Made, content: bytes, name: str = "_more") -> str:
    """Install a package with one native module; return the module's path."""
    module = f"{name.strip('_')}/{name}{made.ending}"
    made.install(name.strip("_"), {f"{name.strip('_')}/__init__.py": "", module: content})
    return f"{made.site}/{module}"


@pytest.mark.parametrize("key", PLATFORMS)
def test_nothing_is_found_in_a_good_bundle(tmp_path: Path, key: str) -> None:
    report = good(tmp_path, key).verify()
    assert report.findings == ()
    assert report.checked["binaries"] == (5 if PLATFORMS[key].is_windows else 3)


def test_the_floor_is_measured(tmp_path: Path) -> None:
    assert good(tmp_path, LINUX).verify().floor == {"glibc": "2.28"}
    assert good(tmp_path, MAC).verify().floor == {"macos": "12.0"}
    windows = good(tmp_path, WINDOWS)
    assert windows.verify().floor == {"windows": "8.1"}
    add(windows, pe(needed=["ICU.dll"]))
    assert windows.verify().floor == {"windows": "10.0.18362"}


@pytest.mark.parametrize(
    ("key", "content", "is_for"),
    [
        (LINUX, elf(machine="aarch64"), "aarch64, and the bundle for x86_64"),
        (ARM, elf(machine="x86_64"), "x86_64, and the bundle for aarch64"),
        (LINUX, macho(machine="x86_64"), "Mach-O for x86_64, and the bundle for linux-x64"),
        (MAC, macho(machine="x86_64"), "x86_64, and the bundle for arm64"),
        (MAC, elf(machine="aarch64"), "ELF for aarch64, and the bundle for macosx-aarch64"),
        (WINDOWS, pe(machine="arm64"), "arm64, and the bundle for amd64"),
    ],
)  # fmt: skip
def test_a_module_for_another_machine_is_found(tmp_path: Path, key: str, content: bytes, is_for: str) -> None:
    made = good(tmp_path, key)
    path = add(made, content)
    (finding,) = made.verify().findings
    assert (finding.rule, finding.severity, finding.file) == ("wrong-machine", "error", path)
    assert is_for in finding.message


def test_programs_of_other_systems_that_packages_keep_as_data_are_none_of_our_business(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    made.install("launchers", {"launchers/t64.exe": pe(program=True), "launchers/w32.exe": pe(machine="x86")})
    assert made.verify().findings == ()
    made.install("tools", {"tools/tool": elf(machine="aarch64")})
    assert rules(made.verify(), "note") == [("wrong-machine", f"{made.site}/tools/tool")]


@pytest.mark.parametrize(
    ("key", "files"),
    [
        (LINUX, {"attach_arm.so": elf(machine="aarch64"), "attach_x86.so": elf(machine="x86")}),
        (ARM, {"attach_amd64.so": elf(), "attach_mac.dylib": macho(machine="x86_64")}),
        (MAC, {"attach_amd64.dylib": macho(machine="x86_64"), "attach_linux.so": elf()}),
        (WINDOWS, {"attach_x86.dll": pe(machine="x86"), "attach_arm64.dll": pe(machine="arm64")}),
    ],
)
def test_libraries_of_other_machines_that_nothing_loads_are_data(
    tmp_path: Path, key: str, files: dict[str, bytes]
) -> None:
    made = good(tmp_path, key)
    made.install("debug", {f"debug/{name}": content for name, content in files.items()})
    report = made.verify()
    assert {one.rule for one in report.findings} <= {"wrong-machine"}
    assert rules(report) == []


@pytest.mark.parametrize(
    ("key", "module", "name", "library"),
    [
        (LINUX, elf(needed=["libtds.so.5"], rpath="$ORIGIN/libs"), "libs/libtds.so.5", elf(machine="aarch64")),
        (MAC, macho(needed=["@loader_path/libs/libtds.dylib"]), "libs/libtds.dylib", macho(machine="x86_64")),
        (WINDOWS, pe(needed=["tds.dll"]), "tds.dll", pe(machine="arm64")),
    ],
)
def test_a_library_of_another_machine_that_a_module_needs_is_an_error(
    tmp_path: Path, key: str, module: bytes, name: str, library: bytes
) -> None:
    made = good(tmp_path, key)
    made.install("sql", {"sql/__init__.py": "", f"sql/_sql{made.ending}": module, f"sql/{name}": library})
    report = made.verify()
    assert rules(report) == [("wrong-machine", f"{made.site}/sql/{name}")]
    assert report.of("error")[0].details == (f"{made.site}/sql/_sql{made.ending} needs it.",)


def test_a_library_of_another_machine_is_passed_over_where_the_system_has_one(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    add(made, elf(needed=["libstdc++.so.6"], rpath="$ORIGIN"))
    made.install("data", {"more/libstdc++.so.6": elf(machine="aarch64", name="libstdc++.so.6")})
    assert rules(made.verify()) == []


def test_a_wheel_for_one_platform_whose_libraries_are_all_of_another_is_a_warning(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    library = {"by_hand/libhand.so": elf(machine="aarch64")}
    made.install("by_hand", {**library, "by_hand-1.0.dist-info/WHEEL": "Tag: py3-none-manylinux_2_17_x86_64\n"})
    assert rules(made.verify()) == [("wrong-machine", f"{made.site}/by_hand/libhand.so")]
    made.install("by_hand", {**library, "by_hand-1.0.dist-info/WHEEL": "Tag: py3-none-any\n"})
    assert rules(made.verify()) == []


def test_an_assembly_for_every_machine_is_no_stranger(tmp_path: Path) -> None:
    made = good(tmp_path, WINDOWS)
    made.install("runtime", {"runtime/Runtime.dll": pe(machine="x86", managed=1, needed=["mscoree.dll"])})
    assert made.verify().findings == ()


def test_a_program_of_another_machine_among_the_scripts_is_an_error(tmp_path: Path) -> None:
    made = good(tmp_path, WINDOWS)
    path = made.write("Scripts/tool.exe", pe(machine="arm64", program=True))
    assert rules(made.verify()) == [("wrong-machine", path)]


def test_a_universal_file_counts_for_each_of_its_machines(tmp_path: Path) -> None:
    made = good(tmp_path, MAC)
    old = macho(machine="x86_64", minimum="10.9", signed=False)
    path = add(made, universal({"x86_64": old, "arm64": macho(minimum="14.2")}))
    (finding,) = made.verify().findings
    assert (finding.rule, finding.file) == ("macos-above-floor", path)
    assert "needs macOS 14.2; the floor is 13.0" in finding.message


@pytest.mark.parametrize(
    ("key", "content", "library"),
    [
        (LINUX, elf(needed=["libnowhere.so.3"]), "libnowhere.so.3"),
        (LINUX, elf(needed=["libpython3.11.so.1.0"]), "libpython3.11.so.1.0"),
        (MAC, macho(needed=["@rpath/libnowhere.dylib"], run_paths=["@loader_path/../lib"]), "@rpath/libnowhere.dylib"),
        (WINDOWS, pe(needed=["nowhere.dll"]), "nowhere.dll"),
        (WINDOWS, pe(needed=["python311.dll"]), "python311.dll"),
        (WINDOWS, pe(needed=["api-ms-win-core-bogus-l9-9-9.dll"]), "api-ms-win-core-bogus-l9-9-9.dll"),
    ],
)
def test_a_library_that_is_nowhere_is_found(tmp_path: Path, key: str, content: bytes, library: str) -> None:
    made = good(tmp_path, key)
    path = add(made, content)
    (finding,) = made.verify().findings
    assert (finding.rule, finding.severity, finding.file) == ("library-missing", "error", path)
    assert f"needs {library}, which is neither in the bundle nor part of the system." in finding.message


def test_a_library_of_a_package_that_was_left_out_is_told_with_the_reason(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    paths = "$ORIGIN/../../nvidia/cuda_runtime/lib:$ORIGIN"
    made.install("torch", {"torch/lib/_C.abi3.so": elf(needed=["libcudart.so.12"], rpath=paths)})
    skipped = {"nvidia-cuda-runtime-cu12": "no GPU.", "nvidia-cudnn-cu12": "no GPU", "torch-more": "not asked for"}

    (finding,) = made.verify(skipped=skipped).of("error")

    assert finding.details == (
        "nvidia-cuda-runtime-cu12, in whose folder the file looks for libraries, was left out: no GPU.",
    )


def test_what_only_a_plug_in_lacks_is_a_warning(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    made.install("plugs", {"plugs/plugins/libplug.so": elf(name="libplug.so", needed=["libnowhere.so.3"])})
    assert rules(made.verify()) == [("library-missing", f"{made.site}/plugs/plugins/libplug.so")]
    assert made.verify().ok


def test_what_a_library_lacks_counts_for_the_module_that_needs_it(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    made.write(f"{made.site}/sums.libs/libadd-1.so", elf(name="libadd-1.so", needed=["libnowhere.so.3"]))
    errors = [one for one in made.verify().of("error") if one.rule != "record-differs"]
    assert [(one.rule, one.file) for one in errors] == [("library-missing", f"{made.site}/sums.libs/libadd-1.so")]
    assert errors[0].details == (f"It is loaded for {made.site}/sums/_sums{made.ending}.",)


def test_what_a_library_lacks_is_a_warning_where_its_package_may_have_opened_another_of_that_name(
    tmp_path: Path,
) -> None:
    """A loader takes the library of that name that is loaded already."""
    opening = "import ctypes\nctypes.CDLL('tables.libs/libblosc2.dll')\n"
    broken = {
        "tables/hdf5.cp312-win_amd64.pyd": pe(needed=["blosc2.dll"]),
        "tables/blosc2.dll": pe(needed=["zstd.dll"]),
    }
    other = {"tables.libs/blosc2.dll": pe(needed=["zstd-1f.dll"]), "tables.libs/zstd-1f.dll": pe()}
    made = good(tmp_path, WINDOWS)

    def severity(source: str, files: dict[str, bytes]) -> str:
        made.install("tables", {"tables/__init__.py": source, **broken, **files})
        (finding,) = (one for one in made.verify().findings if one.rule == "library-missing")
        assert finding.file == f"{made.site}/tables/blosc2.dll"
        return finding.severity

    assert severity(opening, {}) == "error"
    assert severity("", other) == "error"
    assert severity(opening, other) == "warning"
    made.install("strange", {"strange/blosc2.dll": pe()})
    (made.root / f"{made.site}/tables.libs/blosc2.dll").unlink()
    assert severity(opening, {}) == "error"


def test_a_library_where_the_loader_does_not_look_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    path = add(made, elf(needed=["libadd-1.so"]))
    assert rules(made.verify()) == [("library-unreached", path)]


def test_a_weak_library_may_be_missing(tmp_path: Path) -> None:
    made = good(tmp_path, MAC)
    add(made, macho(weak=["@rpath/libnowhere.dylib"]))
    assert made.verify().ok
    assert [rule for rule, _ in rules(made.verify(), "note")] == ["library-missing"]


def test_a_library_of_somebodys_mac_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, MAC)
    path = add(made, macho(needed=["/usr/local/opt/gcc/lib/libgomp.1.dylib"]))
    assert rules(made.verify()) == [("library-foreign", path)]


def test_what_wheels_may_expect_and_what_drivers_bring_is_told_once_for_all_files(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    for name in ("_one", "_two"):
        add(made, elf(needed=["libX11.so.6", "libcuda.so.1"]), name)
    report = made.verify()
    assert [rule for rule, _ in rules(report, "note")] == ["library-of-driver", "library-expected"]
    assert len(report.findings) == 2
    assert "as 1 more file does" in report.findings[0].message


def test_the_redistributable_of_visual_cpp_is_one_warning(tmp_path: Path) -> None:
    made = good(tmp_path, WINDOWS)
    path = add(made, pe(needed=["MSVCP140.dll", "VCOMP140.DLL"]), "_one")
    add(made, pe(needed=["mfc140u.dll"]), "_two")
    report = made.verify()
    assert rules(report) == [("library-expected", path)]
    assert "needs mfc140u.dll, msvcp140.dll, vcomp140.dll of" in report.of("warning")[0].message


def test_another_packages_copy_of_the_redistributable_does_not_count(tmp_path: Path) -> None:
    made = good(tmp_path, WINDOWS)
    made.install("qt", {"qt/bin/msvcp140.dll": pe()})
    path = add(made, pe(needed=["MSVCP140.dll"]))
    assert rules(made.verify()) == [("library-expected", path)]


def test_a_library_in_usr_lib_that_is_not_known_is_a_warning(tmp_path: Path) -> None:
    made = good(tmp_path, MAC)
    path = add(made, macho(needed=["/usr/lib/libnotthere.dylib", "/usr/lib/libz.1.dylib"]))
    assert rules(made.verify()) == [("library-missing", path)]
    assert made.verify().ok


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (elf(stack="RWX"), "executable-stack"),
        (elf(stack=""), "executable-stack"),
        (elf(text_relocations=True), "text-relocations"),
        (elf(level=3), "processor-level"),
    ],
)
def test_what_some_systems_do_not_load_is_a_warning(tmp_path: Path, content: bytes, rule: str) -> None:
    made = good(tmp_path, LINUX)
    path = add(made, content)
    report = made.verify()
    assert rules(report) == [(rule, path)]
    assert report.ok


def test_the_stack_of_a_program_is_its_own_affair(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    made.write("bin/tool", elf(interpreter="/lib64/ld-linux-x86-64.so.2", stack="RWX"), executable=True)
    assert rules(made.verify()) == []


def test_the_interpreters_program_is_found_if_it_is_cut_off(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    path = made.write("bin/python3.12", (made.root / "bin/python3.12").read_bytes()[:-60], executable=True)
    assert ("unreadable-binary", path) in rules(made.verify(), "error")


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.add_dll_directory(os.path.join(os.path.dirname(__file__), 'bin'))\n",
        "import os\nos.add_dll_directory(os.path.dirname(__file__) + '\\\\Qt6\\\\bin')\n",
    ],
)
def test_folders_that_a_package_adds_for_its_modules_count(tmp_path: Path, source: str) -> None:
    made = good(tmp_path, WINDOWS)
    files = {"qt/core.cp312-win_amd64.pyd": pe(needed=["Qt6Core.dll"]), "qt/Qt6/bin/Qt6Core.dll": pe()}
    made.install("qt", {"qt/__init__.py": "", **files})
    assert rules(made.verify()) == [("library-unreached", f"{made.site}/qt/core.cp312-win_amd64.pyd")]
    made.install("qt", {"qt/__init__.py": source, **files})
    assert rules(made.verify()) == []


def test_a_symbol_above_the_floor_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    path = add(made, elf(versions={"libc.so.6": ["GLIBC_2.4", "GLIBC_2.31"]}))
    (finding,) = made.verify().findings
    assert (finding.rule, finding.severity, finding.file) == ("glibc-above-floor", "error", path)
    assert "needs glibc 2.31; the floor is 2.28 (build.glibc)." in finding.message
    assert made.verify(floors=Floors(glibc="2.31")).findings == ()


def test_relative_relocations_need_the_glibc_that_has_them(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    add(made, elf(versions={"libc.so.6": ["GLIBC_2.4", "GLIBC_ABI_DT_RELR"]}))
    assert made.verify().floor == {"glibc": "2.36"}


def test_an_interpreter_of_the_building_machine_is_a_warning_with_all_its_files(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    made.write("lib/libcrypt.so.1", elf(name="libcrypt.so.1", versions={"libc.so.6": ["GLIBC_2.36"]}))
    bearable = add(made, elf(versions={"libc.so.6": ["GLIBC_2.34"]}), "_old")
    newer = add(made, elf(versions={"libc.so.6": ["GLIBC_2.38"]}), "_new")
    report = made.verify(source="host")
    assert rules(report, "warning") == [("glibc-above-floor", "bin/python3.12"), ("glibc-above-floor", bearable)]
    assert "needs glibc 2.36" in report.of("warning")[0].message
    assert rules(report, "error") == [("glibc-above-floor", newer)]
    assert len(made.verify(source="archive").of("error")) == 3


def test_a_newer_libstdcxx_than_the_floor_has_is_found_unless_the_bundle_brings_it(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    path = add(made, elf(versions={"libstdc++.so.6": ["GLIBCXX_3.4.21", "GLIBCXX_3.4.30", "CXXABI_1.3.11"]}))
    (finding,) = made.verify().of("error")
    assert (finding.rule, finding.file) == ("libstdcxx-above-floor", path)
    assert "GLIBCXX_3.4.30" in finding.message
    brought = ["GLIBCXX_3.4.21", "GLIBCXX_3.4.30", "CXXABI_1.3.11"]
    made.write("lib/libstdc++.so.6", elf(name="libstdc++.so.6", defines=brought))
    assert made.verify().findings == ()


def test_a_carried_libstdcxx_is_found_and_does_not_raise_what_systems_have(tmp_path: Path) -> None:
    """The loader takes the system's own first, which may be older."""
    made = good(tmp_path, LINUX)
    program = elf(
        interpreter=made.platform.loaders[0],
        needed=["libc.so.6"],
        rpath=f"$ORIGIN/../lib:{LINUX_RUN_PATH}:$ORIGIN/../{CARRIED}",
    )
    made.write("bin/python3.12", program, executable=True)
    offered = ["GLIBCXX_3.4.21", "GLIBCXX_3.4.28"]
    made.write(f"{CARRIED}/libstdc++.so.6", elf(name="libstdc++.so.6", defines=offered))
    add(made, elf(versions={"libstdc++.so.6": ["GLIBCXX_3.4.21"]}))
    assert made.verify().findings == ()
    path = add(made, elf(versions={"libstdc++.so.6": offered}))
    (finding,) = made.verify().findings
    assert (finding.rule, finding.severity, finding.file) == ("libstdcxx-above-floor", "error", path)


def test_a_library_of_the_bundle_that_is_too_old_for_its_user_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    made.write("lib/libstdc++.so.6", elf(name="libstdc++.so.6", defines=["GLIBCXX_3.4.21"]))
    path = add(made, elf(versions={"libstdc++.so.6": ["GLIBCXX_3.4.21", "GLIBCXX_3.4.22"]}))
    (finding,) = made.verify().findings
    assert (finding.rule, finding.severity, finding.file) == ("version-missing", "error", path)
    assert "needs GLIBCXX_3.4.22 of lib/libstdc++.so.6" in finding.message


@pytest.mark.parametrize(
    ("entry", "rule", "severity"),
    [
        (f"{BUILDER}/lib", "run-path-of-build", "error"),
        ("/opt/builder/lib", "run-path-leaves", "note"),
        ("$ORIGIN/../../../../../../lib", "run-path-leaves", "note"),
        ("/tmp/build/lib", "run-path-leaves", "warning"),
        ("lib", "run-path-leaves", "warning"),
    ],
)
def test_a_run_path_that_leaves_the_bundle_is_found(tmp_path: Path, entry: str, rule: str, severity: str) -> None:
    made = good(tmp_path, LINUX)
    path = add(made, elf(rpath=f"$ORIGIN:{entry}"))
    found = [(finding.rule, finding.severity, finding.file) for finding in made.verify().findings]
    assert (rule, severity, path) in found


def test_a_linker_that_no_usual_system_has_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    path = made.write("bin/tool", elf(interpreter="/store/abc/ld-linux-x86-64.so.2"), executable=True)
    assert rules(made.verify()) == [("program-interpreter", path)]


def test_apple_silicon_wants_signatures_and_both_want_them_sound(tmp_path: Path) -> None:
    signed = macho(machine="arm64")
    made = good(tmp_path, MAC)
    unsigned = add(made, macho(signed=False), "_none")
    edited = add(made, signed[:60] + b"!" + signed[61:], "_void")
    assert sorted(rules(made.verify(), "error")) == [("signature-missing", unsigned), ("signature-void", edited)]
    intel = good(tmp_path, "macosx-x64")
    signed = macho(machine="x86_64")
    add(intel, macho(machine="x86_64", signed=False), "_none")
    edited = add(intel, signed[:60] + b"!" + signed[61:], "_void")
    assert rules(intel.verify()) == [("signature-void", edited)]
    assert intel.verify().ok


def test_a_file_that_is_only_named_like_a_native_one_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, LINUX)
    text = add(made, b"version https://large-files.example/spec/v1\n", "_text")
    assert rules(made.verify()) == [("unreadable-binary", text)]


@pytest.mark.parametrize(("key", "content"), [(LINUX, elf(needed=["libc.so.6"])), (WINDOWS, pe(needed=["a.dll"]))])
def test_a_file_that_is_cut_off_is_found(tmp_path: Path, key: str, content: bytes) -> None:
    made = good(tmp_path, key)
    path = add(made, content[:-40])
    assert rules(made.verify()) == [("unreadable-binary", path)]


def test_folders_that_a_path_file_bootstraps_count_for_every_module(tmp_path: Path) -> None:
    made = good(tmp_path, WINDOWS)
    files: dict[str, bytes | str] = {
        "win/lib/boot.py": "import types_system\nimport os\nos.add_dll_directory(types_system.__path__[0])\n",
        "types_system/types312.dll": pe(),
        f"win/api{made.ending}": pe(needed=["types312.dll"]),
    }
    made.install("win", files)
    assert rules(made.verify()) == [("library-unreached", f"{made.site}/win/api{made.ending}")]
    made.install("win", {**files, "win.pth": "# comment\nwin\nwin\\lib\nimport boot\n"})
    assert rules(made.verify()) == []


def test_libraries_of_one_folder_where_the_loader_does_not_look_are_one_finding_for_a_package(tmp_path: Path) -> None:
    made = good(tmp_path, WINDOWS)
    modules = {f"qt/m{number}{made.ending}": pe(needed=["a.dll", f"b{number}.dll"]) for number in range(5)}
    libraries = {f"qt/bin/{name}.dll": pe() for name in ("a", *(f"b{number}" for number in range(5)))}
    made.install("qt", {"qt/__init__.py": "", **modules, **libraries})
    (finding,) = made.verify().of("warning")
    assert finding.rule == "library-unreached"
    assert "as is the case for 9 more needs" in finding.message
