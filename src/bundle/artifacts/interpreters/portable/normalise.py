"""Normalise an interpreter of any source: trimmed, relocatable, with a fresh pip."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from bundle.artifacts.interpreters.portable import certificates, embedded_paths, run_paths, sysconfig_data, trimming
from bundle.artifacts.interpreters.portable.content_rules import DROP, OWN_BINARIES, WINDOWS_FOLDERS
from bundle.artifacts.interpreters.portable.sysconfig_data import Recorded
from bundle.base.errors import IntegrityError, WorkError
from bundle.base.filenames import leaves
from bundle.model.certificates import LAUNCHER_PART
from bundle.model.platforms import Platform, short_version

_PYTHON_CONFIG = b'''#!/usr/bin/env python3
"""Prints what programs that embed or extend this Python are compiled and linked with."""

import glob
import os
import shlex
import sys
import sysconfig

OPTIONS = (
    "--prefix", "--exec-prefix", "--includes", "--libs", "--cflags", "--ldflags", "--extension-suffix", "--abiflags",
    "--configdir",
)


def answer(option, embed):
    variable = lambda name: sysconfig.get_config_var(name) or ""
    folders = dict.fromkeys(sysconfig.get_path(name) for name in ("include", "platinclude"))
    include = " ".join("-I" + shlex.quote(folder) for folder in folders)
    library = "-lpython" + (variable("LDVERSION") or sysconfig.get_python_version()) if embed else ""
    libraries = " ".join(part for part in (library, variable("LIBS"), variable("SYSLIBS")) if part)
    return {
        "--prefix": sys.base_prefix,
        "--exec-prefix": sys.base_exec_prefix,
        "--includes": include,
        "--cflags": f"{include} {variable('CFLAGS')}".strip(),
        "--libs": libraries,
        "--ldflags": f"-L{shlex.quote(variable('LIBDIR'))} {libraries}".strip(),
        "--extension-suffix": variable("EXT_SUFFIX"),
        "--abiflags": sys.abiflags,
        "--configdir": variable("LIBPL"),
    }[option]


def missing(options, embed):
    """What the options speak of and this Python does not have; None if nothing."""
    variable = sysconfig.get_config_var
    library = "libpython" + (variable("LDVERSION") or sysconfig.get_python_version())
    found = glob.glob(os.path.join(glob.escape(variable("LIBDIR") or ""), library + ".*"))
    if embed and {"--libs", "--ldflags"} & set(options) and not found:
        return "it has no " + library + " to link with: its executable holds all of it"
    if "--configdir" in options and not os.path.isdir(variable("LIBPL") or ""):
        return "it has no folder with the Makefile of its own build"
    return None


def main(arguments):
    usage = f"Usage: {sys.argv[0]} {'|'.join(OPTIONS)}|--help|--embed"
    if "--help" in arguments:
        print(usage)
        return 0
    wanted = [argument for argument in arguments if argument != "--embed"]
    if not wanted or not set(wanted) <= set(OPTIONS):
        print(usage, file=sys.stderr)
        return 1
    embed = "--embed" in arguments
    problem = missing(wanted, embed)
    if problem is not None:
        print("This Python cannot answer: " + problem + ".", file=sys.stderr)
        return 1
    for option in wanted:
        print(answer(option, embed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
'''


def normalise(
    tree: Path, *, platform: Platform, python: str, places: Recorded | None = None, user_site: bool = False
) -> set[str]:
    """Turn the tree of a relocatable interpreter into the form that all bundles share.

    Args:
        tree: the interpreter: `bin/`, `lib/` and so on, or the Windows layout.
        places: its recorded folders; read from its own records if None.
        user_site: whether its scripts import packages of the user's own.

    Returns:
        The rules that left something out.

    Raises:
        WorkError: a part that every CPython has is missing.
        IntegrityError: a link leads out of the tree.
    """
    if platform.is_windows:
        _spell_folders(tree)
    dropped = trimming.drop(tree, trimming.matcher(DROP, platform.stdlib(python)))
    if not platform.is_windows:
        _arrange_bin(tree, platform, python)
        found = sysconfig_data.read(tree)
        if found is None:
            raise WorkError(f"This interpreter has no sysconfig data in {platform.stdlib(python)}.")
        places = places or sysconfig_data.recorded(found[1])
        sysconfig_data.rewrite(tree, places)
        sysconfig_data.rewrite_pkgconfig(tree / "lib" / "pkgconfig", places)
        _drop_empty_promises(tree)
        if platform.system == "linux":
            embedded_paths.overwrite(_own_binaries(tree, platform.stdlib(python)), places)
    _check_links(tree)
    if platform.is_windows:
        _replace_links(tree)
    _lay_out_pip(tree, platform, python, user_site=user_site)
    if not platform.is_windows:
        _add_scripts(tree, platform, python, user_site=user_site)
        if compiled := certificates.compiled_in(tree, platform, python):
            (tree / platform.stdlib(python) / LAUNCHER_PART).write_bytes(certificates.launcher_part(compiled, python))
    _set_modes(tree)
    return dropped


def _spell_folders(tree: Path) -> None:
    """Give the folders of the Windows layout the names that sysconfig and wheels use."""
    usual = {name.casefold(): name for name in WINDOWS_FOLDERS}
    found = {path.name: path for path in sorted(tree.iterdir())}
    for own, path in found.items():
        name = usual.get(own.casefold(), own)
        if name != own:
            if name in found:
                raise IntegrityError(
                    f"This interpreter has both {path.name} and {name}, which are the same file on Windows."
                )
            path.rename(tree / name)


def _replace_links(tree: Path) -> None:
    """Replace links by copies of their targets: on Windows not every user may make links."""
    for path in sorted(tree.rglob("*")):
        if path.is_symlink():
            target = path.resolve()
            if path.is_relative_to(target):
                raise IntegrityError(f"{path.relative_to(tree)} is a symlink to a folder that contains it.")
            path.unlink()
            if target.is_dir():
                shutil.copytree(target, path)
            else:
                shutil.copyfile(target, path)


def _arrange_bin(tree: Path, platform: Platform, python: str) -> None:
    """Leave one real interpreter in `bin`, and the usual names as links to it."""
    short = short_version(python)
    folder = tree / "bin"
    real = tree / platform.executable(python)
    if not real.exists():
        raise WorkError(f"This interpreter has no {platform.executable(python)}.")
    if real.is_symlink():
        target = real.resolve()
        if not target.is_relative_to(tree.resolve()):
            raise IntegrityError(f"{platform.executable(python)} is a symlink that leads out of the interpreter.")
        real.unlink()
        target.rename(real)
    for path in folder.iterdir():
        if path != real:
            path.unlink()
    for name in ("python", "python3"):
        (folder / name).symlink_to(f"python{short}")


def _own_binaries(tree: Path, stdlib: str) -> Iterator[Path]:
    for glob in OWN_BINARIES:
        for path in sorted(tree.glob(glob.replace("{stdlib}", stdlib))):
            if path.is_file() and not path.is_symlink() and run_paths.is_elf(path):
                yield path


def _drop_empty_promises(tree: Path) -> None:
    """Remove the .pc files for programs that embed Python, where there is no library of it to link with."""
    if not any((tree / "lib").glob("libpython3.[0-9]*")):
        for path in (tree / "lib" / "pkgconfig").glob("python*-embed.pc"):
            path.unlink()


def _check_links(tree: Path) -> None:
    for path in sorted(tree.rglob("*")):
        if not path.is_symlink():
            continue
        if leaves(path, tree):
            raise IntegrityError(
                f"{path.relative_to(tree)} is a link to {path.readlink()}, which leads out of the interpreter."
            )
        if not path.exists():
            path.unlink()  # Its target was left out.


def _lay_out_pip(tree: Path, platform: Platform, python: str, *, user_site: bool) -> None:
    """Install pip from the wheel in `ensurepip`, never from an installed one."""
    from bundle.artifacts.wheel.lay_out import lay_out

    bundled = tree / platform.stdlib(python) / "ensurepip" / "_bundled"
    found = sorted(bundled.glob("pip-*.whl"))
    if not found:
        raise WorkError(
            "This interpreter's ensurepip has no pip wheel.",
            cause="Distributions remove it; `python -m venv` does not work without it.",
        )
    lay_out(found[-1], tree, platform=platform, python=python, user_site=user_site).require_sound()
    _name_pip_after_python(tree, platform, python)


def _name_pip_after_python(tree: Path, platform: Platform, python: str) -> None:
    """Make `pip3.X` the one of this Python: the wheel has none, or the one of the Python that built it."""
    ending = ".exe" if platform.is_windows else ""
    folder = tree / platform.scripts
    right = f"pip{short_version(python)}{ending}"
    (record,) = (tree / platform.site_packages(python)).glob("pip-*.dist-info/RECORD")
    with record.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    kept = []
    for path, *rest in rows:
        name = path.rpartition("/")[2]
        if "/" not in path or not re.fullmatch(rf"pip3(\.\d+)?{re.escape(ending)}", name):
            kept.append([path, *rest])
        elif name != f"pip3{ending}":
            (folder / name).unlink()
        else:
            kept += [[path, *rest], [path.removesuffix(name) + right, *rest]]
    shutil.copyfile(folder / f"pip3{ending}", folder / right)
    (folder / right).chmod(0o755)
    with record.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(sorted(kept))


def _add_scripts(tree: Path, platform: Platform, python: str, *, user_site: bool) -> None:
    from bundle.artifacts.wheel.scripts import entry_script, relocate_script

    short = short_version(python)
    config = relocate_script(_PYTHON_CONFIG, python=python, user_site=user_site)
    if config is None:
        raise RuntimeError("the script python-config has no header that can be replaced")
    pydoc = entry_script("pydoc3", "pydoc", "cli", platform=platform, python=python, user_site=user_site).content
    for name, content, links in (
        (f"python{short}-config", config, ("python3-config", "python-config")),
        (f"pydoc{short}", pydoc, ("pydoc3", "pydoc")),
    ):
        (tree / "bin" / name).write_bytes(content)
        (tree / "bin" / name).chmod(0o755)
        for link in links:
            (tree / "bin" / link).symlink_to(name)


def _set_modes(tree: Path) -> None:
    for folder, folders, names in os.walk(tree):
        for name in folders:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755)
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o111 else 0o644)
    tree.chmod(0o755)
