"""Pipes, sockets, devices and endless folders, as the argument of `bundle verify` or inside of a bundle."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.folders import remove_tree
from bundle.make.verify.archive import check_archive
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.policy import Known
from bundle.make.verify.targets import bundle_folders
from bundle.model.platforms import PLATFORMS
from tests.make.audited import PYTHON, good
from tests.make.verify.built import build

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes")


def bind(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # The path of a socket may have 100 bytes.
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


MAKERS: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "socket": bind,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", ["target", "target.tar.zst", "target.zip"])
def test_as_an_argument_they_are_refused_unopened(tmp_path: Path, kind: str, name: str) -> None:
    target = tmp_path / name
    MAKERS[kind](target)
    with pytest.raises(ConfigError, match="neither a version"):
        bundle_folders(str(target), project=None, platforms=(), machine=None, scratch=tmp_path / "scratch")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "path",
    [
        "bin/python3.12",
        "bin/script",
        "lib/python3.12/lib-dynload/_x.so",
        "lib/python3.12/site-packages/sums/_sums.cpython-312-x86_64-linux-gnu.so",
        "lib/python3.12/site-packages/sums/_new.so",
        "lib/python3.12/site-packages/sums-1.0.dist-info/RECORD",
        "lib/python3.12/site-packages/sums-1.0.dist-info/METADATA",
        "lib/python3.12/site-packages/x.pth",
        "lib/pkgconfig/x.pc",
        "pyvenv.cfg",
        "bundle-files.json",
    ],
)
def test_inside_of_a_bundle_they_are_not_waited_for(tmp_path: Path, kind: str, path: str) -> None:
    made = good(tmp_path, "linux-x64")
    target = made.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    MAKERS[kind](target)
    if path != "bundle-files.json":
        made.verify()
        return
    contents = read_contents(made.root, python=PYTHON, platform=PLATFORMS["linux-x64"])
    assert path in contents.files


def test_a_folder_in_a_folder_without_end_is_refused(tmp_path: Path) -> None:
    root = here = tmp_path / "bundle"
    root.mkdir()
    start = os.open(".", os.O_RDONLY)
    try:
        os.chdir(root)
        for _ in range(900):
            Path("deep").mkdir()
            os.chdir("deep")
    finally:
        os.fchdir(start)
        os.close(start)
    with pytest.raises(IntegrityError, match="too deep"):
        read_contents(here, python=PYTHON, platform=PLATFORMS["linux-x64"])
    remove_tree(root)


def test_what_is_behind_the_end_of_a_tar_is_told(tmp_path: Path) -> None:
    built = build(tmp_path, formats=("tar.gz",))
    archive = built.archives[0].path
    whole = archive.read_bytes()
    archive.write_bytes(whole + gzip.compress(b"x" * 50))
    assert [one.rule for one in check_archive(archive, built.manifest, Known())] == ["archive-surplus"]
    archive.write_bytes(whole + b"x" * 50)
    with pytest.raises(IntegrityError):
        bundle_folders(str(archive), project=None, platforms=(), machine=None, scratch=tmp_path / "scratch")
