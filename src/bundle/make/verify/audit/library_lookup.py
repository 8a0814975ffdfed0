"""Where the libraries that native files need come from, as the target's loader would look for them.

One walk for all systems: from each root (a program, a module, a library that nobody names) to the libraries that it
needs, theirs, and so on, with what the loader knows on the way. How a name is looked for is each system's own matter.
"""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from bundle.base.native import Native, Need

Place = Literal["inside", "base", "expected", "driver", "elsewhere", "foreign", "nowhere"]
"""In the bundle where the loader looks; the platform's own; what wheels may expect; a device's driver; in the bundle
where the loader does not look; by an absolute path of some other machine; nowhere."""

_WORST: tuple[Place, ...] = ("base", "inside", "expected", "driver", "elsewhere", "foreign", "nowhere")

Look = Callable[["Step", Need], "Answer"]


class Answer(NamedTuple):
    """Where one library comes from."""

    place: Place
    file: str = ""
    """Relative to the bundle's root, if it is in the bundle."""


class Step(NamedTuple):
    """A file that the loader has come to, and what it brings along for the search."""

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

    def at(self, path: str) -> str | None:
        """Return the native file that a path leads to, None if there is none."""
        path = posixpath.normpath(path)
        path = self.links.get(path, path)
        return path if path in self.natives else None

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


def walk(tree: Tree, look: Look, *, passes_on: Callable[[Step], tuple[str, ...]]) -> Iterator[Link]:
    """Yield every need of every file with its worst answer.

    Args:
        tree: the files.
        look: answers where a library comes from, seen from a file.
        passes_on: the folders that a file lets the loader look in for what its libraries need.
    """
    worst: dict[tuple[str, str], Link] = {}
    reached: set[str] = set()
    started = _closure(tree, tree.executable, look, passes_on, {}, worst)
    reached.update(started.values())
    for root in _roots(tree):
        reached.update(_closure(tree, root, look, passes_on, started, worst).values())
    for root in sorted(tree.natives):
        # Libraries that only name each other in a circle, or that nobody came to.
        if root not in reached and tree.natives[root].kind != "other":
            reached.update(_closure(tree, root, look, passes_on, started, worst).values())
    yield from worst.values()


def _roots(tree: Tree) -> Iterable[str]:
    """Return what is loaded by its own path: programs, modules, and libraries that no other file names."""
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
    """Go through all that a root needs; return the files that are loaded then, by the names that the loader knows.

    Args:
        tree: the files.
        root: where to start.
        look: see `walk`.
        passes_on: see `walk`.
        started: what is loaded before, with the interpreter.
        worst: gets the answers.
    """
    if root not in tree.natives:
        return {}
    program = tree.natives[root].kind == "executable"
    loaded = {} if program else dict(started)
    loaded.update(_names(root, tree.natives[root]))
    waiting = deque([Step(root, tree.natives[root], ())])
    while waiting:
        step = waiting.popleft()
        for need in step.native.needs:
            known = loaded.get(need.name.lower())
            answer = Answer("inside", known) if known else look(step, need)
            _keep_worst(worst, Link(file=step.file, need=need, answer=answer, root=root))
            if answer.place == "inside" and answer.file not in loaded.values():
                native = tree.natives[answer.file]
                loaded.update({need.name.lower(): answer.file, **_names(answer.file, native)})
                waiting.append(Step(answer.file, native, passes_on(step)))
    return loaded


def _names(path: str, native: Native) -> dict[str, str]:
    # ELF and Mach-O know what is loaded by its own name, Windows by its file's.
    return {(native.name or posixpath.basename(path)).lower(): path}


def _keep_worst(worst: dict[tuple[str, str], Link], link: Link) -> None:
    key = (link.file, link.need.name)
    if key not in worst or _WORST.index(worst[key].answer.place) < _WORST.index(link.answer.place):
        worst[key] = link
