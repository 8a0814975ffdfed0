"""The destination of an installed wheel: a file tree for any platform."""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from installer.destinations import WheelDestination
from installer.records import Hash, RecordEntry
from packaging.utils import canonicalize_name

from bundle.artifacts.wheel.scripts import ScriptFile, entry_script, shipped_script
from bundle.artifacts.wheel.source import CheckedWheel, Member
from bundle.base.errors import IntegrityError, WorkError
from bundle.base.filenames import folded, windows_obstacle
from bundle.base.files import CHUNK
from bundle.model.interpreter_places import is_closed_to_wheels
from bundle.model.platforms import Platform, short_version

if TYPE_CHECKING:
    from installer.scripts import ScriptSection
    from installer.utils import Scheme

_PIP = re.compile(r"(bin|scripts)/pip[0-9.]*(\.exe)?")


class WheelTree(WheelDestination):
    """The destination that `installer.install` writes to.

    Args:
        tree: a folder that stands for the bundle's root and has none of the wheel's files yet.
        user_site: whether scripts import packages of the user's own.
    """

    def __init__(
        self, tree: Path, source: CheckedWheel, *, platform: Platform, python: str, user_site: bool = False
    ) -> None:
        self._tree = tree
        self._wheel = source.filename
        self._name = source.name
        self._dist_info = source.dist_info_dir
        self._platform = platform
        self._python = python
        self._user_site = user_site
        site_packages = platform.site_packages(python)
        include = "Include" if platform.is_windows else f"include/python{short_version(python)}"
        self._site_packages = site_packages
        self._folders = {
            "purelib": f"{site_packages}/",
            "platlib": f"{site_packages}/",
            "scripts": f"{platform.scripts}/",
            # As pip does outside virtual environments.
            "headers": f"{include}/{source.metadata.get('name', source.name)}/",
            "data": "",
        }
        self.written: dict[str, tuple[str, int]] = {}
        """Path to hash, as RECORD spells it, and size."""
        self._made: set[str] = {""}
        self._spelt: dict[str, str] = {}
        self._commands: set[str] = set()
        self._launchers: list[ScriptFile] = []

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """Write the script of an entry point."""
        gui = section == "gui"
        target, python, user_site = self._platform, self._python, self._user_site
        script = entry_script(name, module, attr, platform=target, python=python, gui=gui, user_site=user_site)
        self._commands.add(name)
        return self._write_script(script)

    def write_file(
        self, scheme: Scheme, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """Write a file of the wheel, scripts with the header that lets them find their interpreter."""
        name = str(path)
        target = self._folders[scheme] + name
        if posixpath.dirname(target) != self._platform.scripts:
            return self._write(target, stream, executable=is_executable or scheme == "scripts")
        base = posixpath.basename(target)
        if _command(base) in self._commands:
            # Made by the tool that built the wheel; the entry point's own script replaces it.
            return RecordEntry(target, None, None)
        start = stream.read(2)
        if start != b"#!":
            return self._write(target, stream, executable=True, start=start)
        content, platform, python = start + stream.read(), self._platform, self._python
        first, *others = shipped_script(base, content, platform=platform, python=python, user_site=self._user_site)
        self._launchers += others
        return self._write_script(first)

    def finalize_installation(
        self,
        scheme: Scheme,  # noqa: ARG002
        record_file_path: str,
        records: Iterable[tuple[Scheme, RecordEntry]],  # noqa: ARG002
    ) -> None:
        """Write RECORD: the files that were written, sorted."""
        for script in self._launchers:
            # Unless the wheel, or an entry point, has one of its own.
            if f"{self._platform.scripts}/{script.name}" not in self.written:
                self._write_script(script)
        rows = [
            (self._from_site_packages(path), f"sha256={digest}", str(size))
            for path, (digest, size) in self.written.items()
        ]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(sorted([*rows, (record_file_path, "", "")]))
        path = f"{self._site_packages}/{record_file_path}"
        self._write(path, io.BytesIO(text.getvalue().encode()), executable=False)

    def _from_site_packages(self, path: str) -> str:
        inside = path.removeprefix(f"{self._site_packages}/")
        # The library compares all parts of both paths, for each of thousands of files.
        return inside if inside != path else posixpath.relpath(path, self._site_packages)

    def _write_script(self, script: ScriptFile) -> RecordEntry:
        return self._write(f"{self._platform.scripts}/{script.name}", io.BytesIO(script.content), executable=True)

    def _write(self, path: str, stream: BinaryIO | Member, *, executable: bool, start: bytes = b"") -> RecordEntry:
        self._claim(path)
        # Files of the wheel are hashed while they are read.
        member = stream if isinstance(stream, Member) else Member(stream, None)
        target = f"{self._tree}/{path}"
        with open(target, "xb") as file:  # noqa: PTH123 - a path object for each of thousands of files is slow
            file.write(start)
            while chunk := member.read(CHUNK):
                file.write(chunk)
        os.chmod(target, 0o755 if executable else 0o644)  # noqa: PTH101
        digest = member.sha256
        self.written[path] = (digest, member.size)
        return RecordEntry(path, Hash("sha256", digest), member.size)

    def _claim(self, path: str) -> None:
        """Make the folders of a path, and make sure that it can be a file of its own."""
        self._check_place(path)
        folder = posixpath.dirname(path)
        parents = [] if folder in self._made else [*reversed(PurePosixPath(folder).parents), PurePosixPath(folder)][1:]
        for each in (*map(str, parents), path):
            if each in self.written or (each == path and path in self._made):
                raise IntegrityError(f"{self._wheel} has two files for {each}")
            if self._platform.system != "linux":
                self._check_spelling(each)
        if parents:
            (self._tree / folder).mkdir(parents=True, exist_ok=True)
            self._made.update(map(str, parents))

    def _check_place(self, path: str) -> None:
        """Keep a wheel out of the interpreter, the manifest and the records of other packages."""
        lower = folded(path)
        if lower.startswith(folded(f"{self._site_packages}/")):
            top = path[len(self._site_packages) + 1 :].partition("/")[0]
            if self._is_record_of_another(top):
                raise IntegrityError(f"{self._wheel}: {path} would be the record of another package")
            return
        pips = _PIP.fullmatch(lower) and self._name != "pip"
        if pips or is_closed_to_wheels(path, self._platform, self._python):
            raise IntegrityError(
                f"{self._wheel}: {path} would replace the bundle's interpreter, or a part of it",
                cause="Wheels install to site-packages, scripts, headers, and folders of data such as share and etc.",
            )

    def _is_record_of_another(self, name: str) -> bool:
        """Return whether a file or folder in site-packages describes a package, and not this one."""
        stem, dot, end = name.rpartition(".")
        if folded(end) == "dist-info":
            return name != self._dist_info
        # Its version and the Python may follow: NAME-VERSION-pyX.Y.egg-info.
        owner = canonicalize_name(stem.partition("-")[0])
        return bool(dot) and folded(end) in ("egg-info", "egg", "egg-link") and owner != self._name

    def _check_spelling(self, path: str) -> None:
        name = posixpath.basename(path)
        if self._platform.is_windows and windows_obstacle(name):
            raise WorkError(f"{self._wheel}: {path} cannot exist on Windows", remedy="Skip the package there.")
        known = self._spelt.setdefault(folded(path), path)
        if known != path:
            raise WorkError(
                f"{self._wheel}: {known} and {path} are the same file on {self._platform.key}",
                cause="File systems there ignore case.",
                remedy="Choose another version of the package, or skip it there.",
            )


def _command(name: str) -> str:
    """Return the command that a script file is for, however it was made."""
    return re.sub(r"(-script\.pyw?|\.exe|\.exe\.manifest)$", "", name, flags=re.IGNORECASE)
