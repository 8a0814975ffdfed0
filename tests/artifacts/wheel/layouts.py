"""Lays wheels out for the tests of this room."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from bundle.artifacts.wheel.lay_out import Laid, lay_out
from bundle.base.errors import BundleError
from bundle.model.platforms import PLATFORMS, Platform

LINUX = PLATFORMS["linux-x64"]
MACOS = PLATFORMS["macosx-aarch64"]
WINDOWS = PLATFORMS["windows-x64"]
PYTHON = "3.12.10"
SITE = "lib/python3.12/site-packages"
ENTRY_POINTS = (
    "[console_scripts]\ndemo = demo.cli:main\nold = demo:f.g [extra]\n[gui_scripts]\nwin = demo:gui\n[other]\nx = y\n"
)


def lay(wheel: Path, tree: Path, *, platform: Platform = LINUX, **options: object) -> Laid:
    tree.mkdir()
    return lay_out(wheel, tree, platform=platform, python=PYTHON, **options)  # type: ignore[arg-type]


def content(tree: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(tree).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


def assert_record_is_true(tree: Path, site_packages: str, dist_info: str) -> None:
    record = tree / site_packages / dist_info / "RECORD"
    rows = list(csv.reader(io.StringIO(record.read_text(), newline="")))
    assert rows == sorted(rows)
    listed = {os.path.normpath(f"{site_packages}/{path}"): (digest, size) for path, digest, size in rows}
    files = content(tree)
    assert listed.keys() == files.keys()
    for path, (data, _) in files.items():
        if path != f"{site_packages}/{dist_info}/RECORD":
            digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert listed[path] == (f"sha256={digest}", str(len(data)))


def refused(wheel: Path, tree: Path, *, platform: Platform = LINUX) -> BundleError:
    with pytest.raises(BundleError) as caught:
        lay(wheel, tree, platform=platform).require_sound()
    outside = [path for path in tree.parent.iterdir() if path != tree and path.suffix != ".whl"]
    assert outside == []
    return caught.value


def scripts_in(tree: Path, platform: Platform) -> list[str]:
    return sorted(path.name for path in (tree / platform.scripts).iterdir())
