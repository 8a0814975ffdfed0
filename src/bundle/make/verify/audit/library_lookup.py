"""Find the libraries that native files need, as the loaders of Linux, macOS and Windows would.

One walk serves all systems: from each root (a program, a module, a library that no other file names) to the libraries
that it needs, theirs, and so on, with the folders that the loader knows on the way. Each system has its own lookup.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from bundle.base.native.native import Native, Need
from bundle.model.platforms import Platform
from bundle.model.system_libraries import LINUX_BASE, LINUX_DRIVERS, LINUX_EXPECTED, MACOS_FOLDERS, MACOS_LIBRARIES
from bundle.model.windows_libraries import WINDOWS_DRIVERS, WINDOWS_EXPECTED, is_windows_library

Place = Literal["inside", "base", "expected", "driver", "elsewhere", "unsure", "foreign", "stranger", "nowhere"]
"""In the bundle where the loader looks; the platform's own; what wheels may expect; a device's driver; in the bundle
where the loader does not look; perhaps the platform's; by an absolute path of some other machine; in the bundle where
the loader looks, but for another machine; nowhere."""

_WORST: tuple[Place, ...] = ("base", "inside", "expected", "driver", *get_args(Place)[4:])

Look = Callable[["Step", Need], "Answer"]

_ORIGIN = re.compile(r"\$(ORIGIN\b|\{ORIGIN\})")


class Answer(NamedTuple):
    """Where one library comes from."""

    place: Place
    file: str = ""
    """Relative to the bundle's root, if it is in the bundle."""


class Step(NamedTuple):
    """A file that the loader has reached, and the folders known by then."""

    file: str
    native: Native
    folders: tuple[str, ...]
    """Folders of the bundle that those which loaded it let the loader look in."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A library that a file needs, and where it comes from in the worst case."""

    file: str
    need: Need
    answer: Answer
    root: str
    """The root from which the loader came to it in that case."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The native files of a bundle that fit its machine, and everything else by name."""

    natives: Mapping[str, Native]
    """By path relative to the bundle's root."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Path of the file that a symlink leads to, by the link's."""
    executable: str = ""
    """The interpreter's path."""
    modules: Collection[str] = ()
    """Paths of the native modules that an import finds."""
    strangers: Collection[str] = ()
    """Paths of the native files for other machines."""
    added: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Windows: folders that packages add for the loader, by the folder whose modules can count on them."""

    def at(self, path: str) -> str | None:
        """Return the native file that a path leads to, None if there is none."""
        path = posixpath.normpath(path)
        path = self.links.get(path, path)
        return path if path in self.natives else None

    def found(self, candidates: Iterable[str]) -> Answer | None:
        """Return the first native file among places where a loader looks, else the first for another machine."""
        places = list(candidates)
        for place in places:
            if file := self.at(place):
                return Answer("inside", file)
        ends = (self.links.get(place, place) for place in map(posixpath.normpath, places))
        strange = next((place for place in ends if place in self.strangers), None)
        return Answer("stranger", strange) if strange else None

    def named(self) -> Mapping[str, str]:
        """Return the native files by base name, in lower case, and by the name that they have for the loader."""
        found: dict[str, str] = {}
        for path, native in sorted(self.natives.items()):
            found.setdefault(posixpath.basename(path).lower(), path)
            if native.name:
                found.setdefault(posixpath.basename(native.name).lower(), path)
        for link, path in self.links.items():
            if path in self.natives:
                found.setdefault(posixpath.basename(link).lower(), path)
        return found


def links_of(tree: Tree, platform: Platform) -> Iterator[Link]:
    """Yield every library that a file of a bundle needs, with its place."""
    if platform.system == "linux":
        return _linux(tree)
    return _macos(tree) if platform.system == "macosx" else _windows(tree)


def loaders_name(path: str, native: Native) -> str:
    """Return the name by which a loader knows a loaded library: ELF and Mach-O its own, Windows its file's."""
    return (native.name or posixpath.basename(path)).lower()


def run_folder(entry: str, file: str) -> str | None:
    """Return the folder that a run path of an ELF or Mach-O file stands for, relative to the bundle's root.

    Args:
        entry: such as `$ORIGIN/../lib` or `@loader_path/.dylibs`.

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
        folders = own if replaced else (*own, *step.folders, *fallback)
        found = tree.found(f"{folder}/{need.name}" for folder in folders)
        if found and found.place == "inside":
            return found
        # The loader goes on behind a library for another machine.
        otherwise = _otherwise(need.name)
        return found if found and otherwise.place in ("elsewhere", "nowhere") else otherwise

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

    return _walk(tree, look, passes_on=passes_on)


def _macos(tree: Tree) -> Iterator[Link]:
    """Look as dyld does: a path, in which `@rpath` stands for the run paths of the file and of those that loaded it.

    Source: dyld(1).
    """
    named = tree.named()
    program = tree.natives.get(tree.executable)
    fallback = _own_folders(Step(tree.executable, program, ())) if program else ()

    def look(step: Step, need: Need) -> Answer:
        name = need.name
        if name.startswith(MACOS_FOLDERS) or name in MACOS_LIBRARIES:
            return Answer("base")
        if posixpath.dirname(name) == "/usr/lib":
            return Answer("unsure")
        if name.startswith("@rpath/"):
            folders = (*_own_folders(step), *step.folders, *fallback)
            candidates = [f"{folder}/{name.removeprefix('@rpath/')}" for folder in folders]
        elif name.startswith("@executable_path/"):
            candidates = [run_folder(name, tree.executable or step.file) or ""]
        else:
            candidates = [run_folder(name, step.file) or ""]
        if answer := tree.found(filter(None, candidates)):
            return answer
        if not name.startswith("@"):
            return Answer("foreign")
        found = named.get(posixpath.basename(name).lower())
        return Answer("elsewhere", found) if found else Answer("nowhere")

    return _walk(tree, look, passes_on=lambda step: (*_own_folders(step), *step.folders))


def _windows(tree: Tree) -> Iterator[Link]:
    """Look as Windows does for CPython's modules: in their folder, in the program's, in those that packages have added.

    Packages add folders with `os.add_dll_directory`; those named `*.libs` are the ones that delvewheel makes. Names are
    compared without case.

    Source: CPython's `LoadLibraryEx` flags LOAD_LIBRARY_SEARCH_DEFAULT_DIRS and LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR.
    """
    named = tree.named()
    by_folder: dict[str, dict[str, str]] = {}
    for path in (*tree.strangers, *tree.natives):
        folder, name = posixpath.split(path)
        by_folder.setdefault(folder, {})[name.lower()] = path
    mangled = sorted(folder for folder in by_folder if ".libs" in folder)
    program = posixpath.dirname(tree.executable)

    def look(step: Step, need: Need) -> Answer:
        name = need.name.lower()
        own = posixpath.dirname(step.file)
        folders = (*step.folders, own, program, *mangled, *_added(tree, step.folders[0] if step.folders else own))
        answer = tree.found(by_folder[folder][name] for folder in folders if name in by_folder.get(folder, {}))
        if answer and answer.place == "inside":
            return answer
        if is_windows_library(name):
            return Answer("base")
        if answer:
            return answer
        if WINDOWS_EXPECTED.fullmatch(name):
            return Answer("expected")
        if found := named.get(name):
            return Answer("elsewhere", found)
        return Answer("driver" if name in WINDOWS_DRIVERS else "nowhere")

    # The folder of the file that was asked for counts for all that it needs.
    return _walk(tree, look, passes_on=lambda step: step.folders or (posixpath.dirname(step.file),))


def _added(tree: Tree, folder: str) -> Iterator[str]:
    """Yield the folders that packages have added by the time that a module of a folder is loaded."""
    for base, folders in tree.added.items():
        if not base or folder == base or folder.startswith(f"{base}/"):
            yield from sorted(folders)


def _walk(tree: Tree, look: Look, *, passes_on: Callable[[Step], tuple[str, ...]]) -> Iterator[Link]:
    """Yield every need of every file with its worst answer.

    Args:
        look: answers where a library comes from, seen from a file.
        passes_on: the folders of a file that count for the needs of its libraries.
    """
    worst: dict[tuple[str, str], Link] = {}
    reached: set[str] = set()
    started = _closure(tree, tree.executable, look, passes_on, {}, worst)
    reached.update(started.values())
    for root in _roots(tree):
        reached.update(_closure(tree, root, look, passes_on, started, worst).values())
    for root in sorted(tree.natives):
        # Libraries that only name each other in a circle.
        if root not in reached and tree.natives[root].kind != "other":
            reached.update(_closure(tree, root, look, passes_on, started, worst).values())
    yield from worst.values()


def _roots(tree: Tree) -> Iterable[str]:
    """Return the files loaded by their own path: programs, modules, and libraries that no other file names."""
    named = {posixpath.basename(need.name).lower() for native in tree.natives.values() for need in native.needs}
    modules = frozenset(tree.modules)
    for path, native in sorted(tree.natives.items()):
        names = {posixpath.basename(path).lower(), posixpath.basename(native.name).lower()}
        if native.kind == "executable" or path in modules or (native.kind == "library" and not names & named):
            yield path


def _closure(
    tree: Tree,
    root: str,
    look: Look,
    passes_on: Callable[[Step], tuple[str, ...]],
    started: Mapping[str, str],
    worst: dict[tuple[str, str], Link],
) -> dict[str, str]:
    """Load a root with all its needs; return the loaded files by the names that the loader knows.

    Args:
        started: the files loaded with the interpreter.
        worst: gets the answers.
    """
    if root not in tree.natives:
        return {}
    program = tree.natives[root].kind == "executable"
    loaded = {} if program else dict(started)
    loaded[loaders_name(root, tree.natives[root])] = root
    waiting = deque([Step(root, tree.natives[root], ())])
    while waiting:
        step = waiting.popleft()
        for need in step.native.needs:
            known = loaded.get(need.name.lower())
            answer = Answer("inside", known) if known else look(step, need)
            _keep_worst(worst, Link(file=step.file, need=need, answer=answer, root=root))
            if answer.place == "inside" and answer.file not in loaded.values():
                native = tree.natives[answer.file]
                loaded.update(dict.fromkeys((need.name.lower(), loaders_name(answer.file, native)), answer.file))
                waiting.append(Step(answer.file, native, passes_on(step)))
    return loaded


def _keep_worst(worst: dict[tuple[str, str], Link], link: Link) -> None:
    key = (link.file, link.need.name)
    if key not in worst or _WORST.index(worst[key].answer.place) < _WORST.index(link.answer.place):
        worst[key] = link
