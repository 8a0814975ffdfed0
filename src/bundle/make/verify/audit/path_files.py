"""The `.pth` files of a bundle: the folders that they put on Python's path, and the modules that they import."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from bundle.make.verify.checks.subject import Subject

_READ = 2**20
"""Bytes of a file that are read."""

_IMPORTED = re.compile(r"(?:^|;)\s*import\s+(\w+)")


class PathLine(NamedTuple):
    """A line of a `.pth` file that does something."""

    file: str
    """Relative to the bundle's root."""
    text: str

    @property
    def runs(self) -> bool:
        """Whether Python runs it in place of adding it to its path (module `site`)."""
        return self.text.startswith(("import ", "import\t"))

    @property
    def folder(self) -> str:
        """The folder that it adds, relative to the bundle's root."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.file), self.text.replace("\\", "/")))

    @property
    def modules(self) -> list[str]:
        """The modules that it imports, without those inside of packages."""
        return _IMPORTED.findall(self.text)


def path_lines(subject: Subject) -> Iterator[PathLine]:
    """Yield the lines of all `.pth` files that the bundle's Python reads as it starts, comments aside."""
    folders = {subject.platform.site_packages(subject.contents.python)}
    if subject.platform.is_windows:
        folders.add("")  # The prefix, too, is a folder of packages there (module `site`).
    for path in sorted(subject.scanned):
        if path.endswith(".pth") and posixpath.dirname(path) in folders:
            for line in read_start(subject, path).splitlines():
                if (text := line.rstrip()) and not text.startswith("#"):
                    yield PathLine(path, text)


def read_start(subject: Subject, path: str) -> str:
    """Return the text of a small file, or the start of a large one."""
    with (subject.root / path).open("rb") as file:
        return file.read(_READ).decode(errors="replace")
