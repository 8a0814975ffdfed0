from __future__ import annotations

from bundle.base.native.formats import Format
from bundle.base.native.native import Kind, Native, Need
from bundle.make.verify.audit.library_lookup import Tree, links_of, run_folder
from bundle.model.platforms import PLATFORMS


def native(
    kind: Format,
    *needs: str,
    name: str = "",
    rpath: tuple[str, ...] = (),
    runpath: tuple[str, ...] = (),
    program: bool = False,
) -> Native:
    which: Kind = "executable" if program else "library"
    return Native(
        format=kind,
        kind=which,
        machines=("x86_64",),
        name=name,
        needs=tuple(Need(name=need) for need in needs),
        run_paths=runpath or rpath,
        inherited=not runpath,
    )


def places(
    key: str, natives: dict[str, Native], modules: tuple[str, ...] = (), links: dict[str, str] | None = None
) -> dict[tuple[str, str], tuple[str, str]]:
    executable = next((path for path, one in natives.items() if one.kind == "executable"), "")
    tree = Tree(natives=natives, links=links or {}, executable=executable, modules=modules)
    answers = {(link.file, link.need.name): link.answer for link in links_of(tree, PLATFORMS[key])}
    return {need: (answer.place, answer.file) for need, answer in answers.items()}


def test_the_programs_own_run_path_counts_for_what_wheels_load() -> None:
    natives = {
        "bin/python": native("elf", rpath=("$ORIGIN/../lib",), program=True),
        "lib/libz.so.1": native("elf", name="libz.so.1"),
        "site/a.so": native("elf", "libz.so.1"),
    }
    assert places("linux-x64", natives)["site/a.so", "libz.so.1"] == ("inside", "lib/libz.so.1")


def test_a_file_with_a_newer_run_path_looks_nowhere_else() -> None:
    natives = {
        "bin/python": native("elf", rpath=("$ORIGIN/../lib",), program=True),
        "lib/libother.so": native("elf", name="libother.so"),
        "site/a.so": native("elf", "libother.so", runpath=("$ORIGIN/libs",)),
    }
    assert places("linux-x64", natives)["site/a.so", "libother.so"] == ("elsewhere", "lib/libother.so")


def test_a_modules_older_run_path_counts_for_its_libraries_and_a_newer_one_does_not() -> None:
    def natives(module: Native) -> dict[str, Native]:
        return {
            "site/a.so": module,
            "site/libs/libb.so": native("elf", "libc-own.so", name="libb.so"),
            "site/libs/libc-own.so": native("elf", name="libc-own.so"),
        }

    need = ("site/libs/libb.so", "libc-own.so")
    older = native("elf", "libb.so", rpath=("$ORIGIN/libs",))
    newer = native("elf", "libb.so", runpath=("$ORIGIN/libs",))
    assert places("linux-x64", natives(older))[need] == ("inside", "site/libs/libc-own.so")
    assert places("linux-x64", natives(newer))[need] == ("elsewhere", "site/libs/libc-own.so")


def test_a_library_that_is_loaded_already_is_not_looked_for() -> None:
    natives = {
        "site/a.so": native("elf", "libb.so", "libc-own.so", runpath=("$ORIGIN/libs",)),
        "site/libs/libb.so": native("elf", "libc-own.so", name="libb.so"),
        "site/libs/libc-own.so": native("elf", name="libc-own.so"),
    }
    assert places("linux-x64", natives)["site/libs/libb.so", "libc-own.so"] == ("inside", "site/libs/libc-own.so")


def test_links_are_followed() -> None:
    natives = {
        "lib/libx.so.1.2": native("elf", name="libx.so.1"),
        "site/a.so": native("elf", "libx.so.1", rpath=("$ORIGIN/../lib",)),
    }
    links = {"lib/libx.so.1": "lib/libx.so.1.2"}
    assert places("linux-x64", natives, links=links)["site/a.so", "libx.so.1"] == ("inside", "lib/libx.so.1.2")


def test_the_worst_answer_counts() -> None:
    natives = {
        "site/good.so": native("elf", "libb.so", rpath=("$ORIGIN/libs", "$ORIGIN/more")),
        "site/poor.so": native("elf", "libb.so", rpath=("$ORIGIN/libs",)),
        "site/libs/libb.so": native("elf", "libd.so", name="libb.so"),
        "site/more/libd.so": native("elf", name="libd.so"),
    }
    modules = ("site/good.so", "site/poor.so")
    assert places("linux-x64", natives, modules)["site/libs/libb.so", "libd.so"][0] == "elsewhere"


def test_run_paths_of_a_mac_are_those_of_all_that_led_there() -> None:
    natives = {
        "bin/python": native("macho", "@executable_path/../lib/libp.dylib", rpath=(), program=True),
        "lib/libp.dylib": native("macho", name="@rpath/libp.dylib"),
        "site/a.so": native("macho", "@rpath/libb.dylib", "/usr/lib/libc++.1.dylib", rpath=("@loader_path/libs",)),
        "site/libs/libb.dylib": native("macho", "@rpath/libd.dylib", name="@rpath/libb.dylib"),
        "site/libs/libd.dylib": native("macho", "/opt/brew/lib/libe.dylib", name="@rpath/libd.dylib"),
    }
    found = places("macosx-x64", natives)
    assert found["bin/python", "@executable_path/../lib/libp.dylib"] == ("inside", "lib/libp.dylib")
    assert found["site/a.so", "/usr/lib/libc++.1.dylib"] == ("base", "")
    assert found["site/libs/libb.dylib", "@rpath/libd.dylib"] == ("inside", "site/libs/libd.dylib")
    assert found["site/libs/libd.dylib", "/opt/brew/lib/libe.dylib"] == ("foreign", "")


def test_windows_looks_beside_the_module_beside_the_program_and_in_folders_that_packages_add() -> None:
    natives = {
        "python.exe": native("pe", program=True),
        "python312.dll": native("pe"),
        "Lib/site-packages/a/_a.pyd": native("pe", "PYTHON312.DLL", "beside.dll", "added-1.dll", "far.dll"),
        "Lib/site-packages/a/beside.dll": native("pe", "WS2_32.dll"),
        "Lib/site-packages/a.libs/added-1.dll": native("pe", "MSVCP140.dll"),
        "Lib/site-packages/b/far.dll": native("pe"),
    }
    module = "Lib/site-packages/a/_a.pyd"
    found = places("windows-x64", natives, (module,))
    assert {name: found[module, name] for name in ("PYTHON312.DLL", "beside.dll", "added-1.dll", "far.dll")} == {
        "PYTHON312.DLL": ("inside", "python312.dll"),
        "beside.dll": ("inside", "Lib/site-packages/a/beside.dll"),
        "added-1.dll": ("inside", "Lib/site-packages/a.libs/added-1.dll"),
        "far.dll": ("elsewhere", "Lib/site-packages/b/far.dll"),
    }
    assert found["Lib/site-packages/a/beside.dll", "WS2_32.dll"] == ("base", "")
    assert found["Lib/site-packages/a.libs/added-1.dll", "MSVCP140.dll"] == ("expected", "")


def test_run_paths_are_read_relative_to_their_file() -> None:
    assert run_folder("$ORIGIN/../lib", "bin/python") == "lib"
    assert run_folder("${ORIGIN}", "a.so") == "."
    assert run_folder("@loader_path/.dylibs/x.dylib", "site/a.so") == "site/.dylibs/x.dylib"
    assert run_folder("$ORIGIN/../..", "bin/python") == ".."
    assert run_folder("/opt/lib", "bin/python") is None
    assert run_folder("$ORIGINAL/lib", "bin/python") is None
