"""A portable copy of a CPython of a Linux machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.artifacts.interpreters.portable import embedded_paths, run_paths, sysconfig_data, trimming
from bundle.artifacts.interpreters.portable.certificates import compiled_in
from bundle.artifacts.interpreters.portable.content_rules import DROP, DROP_FROM_HOST, EXPECTED_BY_WHEELS
from bundle.artifacts.interpreters.portable.debian_packages import Package, licence_of, owners
from bundle.artifacts.interpreters.portable.facts import About, Library, measure_glibc
from bundle.artifacts.interpreters.portable.normalise import normalise
from bundle.base.errors import WorkError
from bundle.base.native.read import read_native
from bundle.base.processes.run import check
from bundle.base.report import Reporter
from bundle.model.platforms import Platform, short_version
from bundle.model.system_libraries import LINUX_BASE


@dataclass(frozen=True, kw_only=True)
class Original:
    """A CPython that is installed on this machine."""

    python: str
    prefix: Path
    platform: Platform

    @property
    def executable(self) -> Path:
        """The interpreter."""
        return self.prefix / self.platform.executable(self.python)

    def kept(self, left_out: set[str]) -> Iterator[tuple[str, Path]]:
        """Yield the files to copy, as (path in the tree, file or link here).

        Args:
            left_out: the rules that left something out are added to it.
        """
        short = short_version(self.python)
        match = trimming.matcher((*DROP, *DROP_FROM_HOST), self.platform.stdlib(self.python))
        yield f"bin/python{short}", self.executable
        for folder in (f"include/python{short}", f"lib/python{short}"):
            for inside, entry in trimming.walk(str(self.prefix), folder, match, left_out):
                yield inside, Path(entry.path)
        for glob in (
            f"libpython{short}.so*",
            "libpython3.so",
            f"pkgconfig/python-{short}*.pc",
            "pkgconfig/python3*.pc",
        ):
            for path in sorted((self.prefix / "lib").glob(glob)):
                yield path.relative_to(self.prefix).as_posix(), path


def copy(original: Original, tree: Path, *, home: str, user_site: bool, reporter: Reporter) -> About:
    """Fill `tree` with a portable copy.

    Args:
        tree: an empty folder.
        home: the home folder, whose path must not appear in the copy.
        user_site: see `normalise`.

    Raises:
        WorkError: a library that the interpreter cannot do without is not there.
    """
    remarks: list[str] = []
    left_out: set[str] = set()
    copied = _copy_files(original, tree, left_out)
    own = {path: source for path, source in copied.items() if run_paths.is_elf(path)}
    libraries = _take_along(original, own, tree, remarks)
    own_files = sorted(path for path in own if path.exists())
    stripped = run_paths.strip(own_files)
    if stripped is not None:
        check(stripped, "Stripping")
    else:
        remarks.append("debug information was not removed: this machine has no program `strip` (package binutils)")
    run_paths.set_run_paths(run_paths.files_in(tree), tree)
    found = sysconfig_data.read(tree)
    if found is None:
        raise WorkError(f"{original.prefix} has no sysconfig data.")
    places = sysconfig_data.recorded(found[1], (str(original.prefix), str(original.prefix.resolve())))
    packages = _add_licences(tree, libraries)
    dropped = normalise(tree, platform=original.platform, python=original.python, places=places, user_site=user_site)
    if rest := embedded_paths.leftovers(tree, places, home):
        remarks.append(f"paths of the build machine stay in {', '.join(rest)}")
    for remark in remarks:
        reporter.warning(f"interpreter {original.python} of this machine: {remark}")
    known = tuple(
        Library(name=name, version=packages[path].version if path in packages else "", licence=licence_of(name))
        for name, path in libraries
    )
    return About(
        python=original.python,
        glibc=measure_glibc(tree, original.platform, original.python),
        licences={"CPython": "PSF-2.0", **{library.name: library.licence for library in known}},
        libraries=known,
        dropped=tuple(sorted(left_out | dropped)),
        certificates=compiled_in(tree, original.platform, original.python),
        remarks=tuple(remarks),
    )


def _copy_files(original: Original, tree: Path, left_out: set[str]) -> dict[Path, Path]:
    copied: dict[Path, Path] = {}
    root = original.prefix.resolve()
    for path, source in original.kept(left_out):
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() and path != original.platform.executable(original.python):
            end = source.readlink()
            if not end.is_absolute() and (source.parent / end).resolve().is_relative_to(root):
                target.symlink_to(end)
                continue
        if not source.exists():
            continue  # A dangling link is of no use elsewhere either.
        if source.is_dir():
            raise WorkError(f"{source} is a symlink to a folder outside {root}; such an interpreter is not supported.")
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & 0o111 else 0o644)
        copied[target] = source
    return copied


def _take_along(original: Original, own: dict[Path, Path], tree: Path, remarks: list[str]) -> list[tuple[str, Path]]:
    """Copy the shared libraries that the interpreter needs, and those that wheels expect, into `lib`."""
    linker = run_paths.Linker.of_machine(original.platform, (original.prefix / "lib",))
    present = {path.name for path in tree.joinpath("lib").iterdir()}
    taken: dict[str, Path] = {}
    for path, source in sorted(own.items()):
        reached, missing = _closure(source, linker, present)
        if not missing:
            taken.update(reached)
        elif path.parent.name == "lib-dynload":
            remarks.append(f"{path.name} was left out: this machine lacks {', '.join(missing)}")
            path.unlink()
        else:
            raise WorkError(f"{source} needs {', '.join(missing)}, which this machine does not have.")
    for name in EXPECTED_BY_WHEELS:
        found = linker.find(name)
        reached, missing = _closure(found, linker, present) if found else ({}, [name])
        if found is None or missing:
            remarks.append(f"wheels may expect {name}, which this machine does not have")
        else:
            taken.update({name: found, **reached})
    for name, source in sorted(taken.items()):
        target = tree / "lib" / name
        shutil.copyfile(source, target)
        target.chmod(0o755)
    return sorted(taken.items())


def _closure(start: Path, linker: run_paths.Linker, present: set[str]) -> tuple[dict[str, Path], list[str]]:
    """Return the libraries that a file needs, directly or not, by name; and the names that nothing was found for."""
    reached: dict[str, Path] = {}
    missing: list[str] = []
    waiting = [start]
    while waiting:
        file = waiting.pop()
        native = read_native(file)
        if native is None:
            raise WorkError(f"{file} is not a readable ELF file.")
        folders = [entry.replace("$ORIGIN", str(file.parent)) for entry in native.run_paths]
        for name in (need.name for need in native.needs):
            if name in LINUX_BASE or name in present or name in reached or name in missing:
                continue
            if found := linker.find(name, folders):
                reached[name] = found
                waiting.append(found)
            else:
                missing.append(name)
    return reached, missing


def _add_licences(tree: Path, libraries: Sequence[tuple[str, Path]]) -> Mapping[Path, Package]:
    """Copy the licences of the libraries that were copied; return the packages that they belong to."""
    packages = owners(path for _, path in libraries)
    for package in packages.values():
        if package.copyright is not None:
            target = tree / "share" / "licenses" / package.name / "copyright"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package.copyright, target)
    return packages
