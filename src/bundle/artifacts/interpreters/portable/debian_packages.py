"""The Debian packages of libraries, for the manifest and the licences."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle.artifacts.interpreters.portable.content_rules import LICENCES
from bundle.base.processes.run import run


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of the system."""

    name: str
    version: str
    copyright: Path | None
    """The file with its licence, where the system keeps one."""


def owners(paths: Iterable[Path]) -> Mapping[Path, Package]:
    """Return the packages that files of the system belong to, as far as dpkg knows them."""
    query = shutil.which("dpkg-query")
    if query is None:
        return {}
    spelled = {spelling: path for path in paths for spelling in _spellings(path)}
    if not spelled:
        return {}
    # It exits with 1 when it does not know one of them, and still answers for the others.
    completed = run([query, "--search", *sorted(spelled)], env={"LC_ALL": "C"}, timeout=60)
    named: dict[Path, str] = {}
    for line in completed.output.splitlines():
        package, separator, file = line.partition(": ")
        if separator and file in spelled and not package.startswith("diversion"):
            named.setdefault(spelled[file], package.partition(",")[0])
    wanted = sorted(set(named.values()))
    versions: dict[str, str] = {}
    if wanted:
        form = "${binary:Package} ${Version}\\n"
        completed = run([query, "--show", f"--showformat={form}", *wanted], env={"LC_ALL": "C"}, timeout=60)
        versions = dict(line.split(" ", 1) for line in completed.output.splitlines() if " " in line)
    return {path: _package(package, versions.get(package, "")) for path, package in named.items()}


def licence_of(library: str) -> str:
    """Return the SPDX expression of a library by its file name, `NOASSERTION` if unknown."""
    stem = re.split(r"\.(?:so|dylib|dll)\b", library, maxsplit=1)[0]
    bare = re.sub(r"[-_.\d]+t?$", "", stem)
    return LICENCES.get(stem) or LICENCES.get(bare, "NOASSERTION")


def _package(qualified: str, version: str) -> Package:
    name = qualified.partition(":")[0]
    licence = Path("/usr/share/doc", name, "copyright")
    return Package(name=name, version=version, copyright=licence if licence.is_file() else None)


def _spellings(path: Path) -> set[str]:
    """Return how dpkg may know a file: before and after /lib became a link into /usr, as a link and as its target."""
    found = set()
    for spelling in (str(path), str(path.resolve())):
        found.add(spelling)
        found.add(spelling.removeprefix("/usr") if spelling.startswith("/usr/lib") else f"/usr{spelling}")
    return found
