"""How the loaders of Linux, macOS and Windows look for a library, as far as a bundle decides it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from bundle.base.native import Need
from bundle.make.verify.audit.library_lookup import Answer, Link, Step, Tree, walk
from bundle.model.platforms import Platform
from bundle.model.system_libraries import (
    LINUX_BASE,
    LINUX_DRIVERS,
    LINUX_EXPECTED,
    MACOS_FOLDERS,
    WINDOWS_DRIVERS,
    WINDOWS_EXPECTED,
    WINDOWS_PREFIXES,
    WINDOWS_SYSTEM,
)

_ORIGIN = re.compile(r"\$(ORIGIN\b|\{ORIGIN\})")


def links_of(tree: Tree, platform: Platform) -> Iterator[Link]:
    """Yield every library that a file of a bundle needs, with where it comes from.

    Args:
        tree: the bundle's native files.
        platform: what it is for.
    """
    if platform.system == "linux":
        return _linux(tree)
    return _macos(tree) if platform.system == "macosx" else _windows(tree)


def run_folder(entry: str, file: str) -> str | None:
    """Return the folder that a run path of an ELF or Mach-O file stands for, relative to the bundle's root.

    Args:
        entry: such as `$ORIGIN/../lib` or `@loader_path/.dylibs`.
        file: the file's path, relative to the bundle's root.

    Returns:
        None if it does not follow from the file's place; it begins with `..` if it leads out of the bundle.
    """
    folder = posixpath.dirname(file) or "."
    for begin in ("@loader_path", "@executable_path"):
        if entry == begin or entry.startswith(f"{begin}/"):
            return posixpath.normpath(f"{folder}/{entry.removeprefix(begin)}")
    if _ORIGIN.match(entry):
        return posixpath.normpath(_ORIGIN.sub(lambda _: folder, entry))
    return None


def _own_folders(step: Step) -> tuple[str, ...]:
    folders = (run_folder(entry, step.file) for entry in step.native.run_paths)
    return tuple(folder for folder in folders if folder is not None)


def _linux(tree: Tree) -> Iterator[Link]:
    """Look as ld.so does: DT_RPATH of a file, of those that loaded it and of the program, unless it has a DT_RUNPATH.

    Source: ld.so(8); glibc elf/dl-load.c.
    """
    named = tree.named()
    program = tree.natives.get(tree.executable)
    fallback = _own_folders(Step(tree.executable, program, ())) if program and program.inherited else ()

    def look(step: Step, need: Need) -> Answer:
        own = _own_folders(step)
        replaced = bool(step.native.run_paths) and not step.native.inherited
        for folder in own if replaced else (*own, *step.folders, *fallback):
            if found := tree.at(f"{folder}/{need.name}"):
                return Answer("inside", found)
        return _otherwise(need.name)

    def _otherwise(name: str) -> Answer:
        if name in LINUX_BASE:
            return Answer("base")
        if found := named.get(name.lower()):
            return Answer("expected" if name in LINUX_EXPECTED else "elsewhere", found)
        if name in LINUX_EXPECTED:
            return Answer("expected")
        return Answer("driver" if name in LINUX_DRIVERS else "nowhere")

    def passes_on(step: Step) -> tuple[str, ...]:
        return (*_own_folders(step), *step.folders) if step.native.inherited else step.folders

    return walk(tree, look, passes_on=passes_on)


def _macos(tree: Tree) -> Iterator[Link]:
    """Look as dyld does: a path, in which `@rpath` stands for the run paths of the file and of those that loaded it.

    Source: dyld(1).
    """
    named = tree.named()
    program = tree.natives.get(tree.executable)
    fallback = _own_folders(Step(tree.executable, program, ())) if program else ()

    def look(step: Step, need: Need) -> Answer:
        name = need.name
        if name.startswith(MACOS_FOLDERS):
            return Answer("base")
        if name.startswith("@rpath/"):
            folders = (*_own_folders(step), *step.folders, *fallback)
            candidates = [f"{folder}/{name.removeprefix('@rpath/')}" for folder in folders]
        elif name.startswith("@executable_path/"):
            candidates = [run_folder(name, tree.executable or step.file) or ""]
        else:
            candidates = [run_folder(name, step.file) or ""]
        for candidate in filter(None, candidates):
            if found := tree.at(candidate):
                return Answer("inside", found)
        if not name.startswith("@"):
            return Answer("foreign")
        found = named.get(posixpath.basename(name).lower())
        return Answer("elsewhere", found) if found else Answer("nowhere")

    return walk(tree, look, passes_on=lambda step: (*_own_folders(step), *step.folders))


def _windows(tree: Tree) -> Iterator[Link]:
    """Look as Windows does for what CPython loads: the module's folder, the program's, those that packages have added.

    Packages add folders with `os.add_dll_directory`; those named `*.libs` are the ones that delvewheel makes.

    Source: CPython's `LoadLibraryEx` flags LOAD_LIBRARY_SEARCH_DEFAULT_DIRS and LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR.
    """
    named = tree.named()
    by_folder: dict[str, dict[str, str]] = {}
    for path in tree.natives:
        folder, name = posixpath.split(path)
        by_folder.setdefault(folder, {})[name.lower()] = path
    added = sorted(folder for folder in by_folder if ".libs" in folder)
    program = posixpath.dirname(tree.executable)

    def look(step: Step, need: Need) -> Answer:
        name = need.name.lower()
        for folder in (*step.folders, posixpath.dirname(step.file), program, *added):
            if found := by_folder.get(folder, {}).get(name):
                return Answer("inside", found)
        if name in WINDOWS_SYSTEM or name.startswith(WINDOWS_PREFIXES):
            return Answer("base")
        if found := named.get(name):
            return Answer("elsewhere", found)
        if name in WINDOWS_EXPECTED:
            return Answer("expected")
        return Answer("driver" if name in WINDOWS_DRIVERS else "nowhere")

    # The folder of the file that was asked for counts for all that it needs.
    return walk(tree, look, passes_on=lambda step: step.folders or (posixpath.dirname(step.file),))
