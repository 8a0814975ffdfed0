"""Archives in every known layout, made of a real interpreter."""

import hashlib
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from bundle.artifacts.interpreters.archive import Archive
from bundle.artifacts.interpreters.choice import choose
from bundle.artifacts.interpreters.source import Offer, Refusal, Request
from bundle.base.errors import BundleError, ConfigError, IntegrityError
from bundle.base.files import sha256_of
from bundle.base.processes.run import run
from bundle.model.config.config import ArchiveSpec, Interpreter, Substitute
from bundle.model.platforms import PLATFORMS
from tests.artifacts.interpreters.conftest import MakeTools, Portable, request_for
from tests.artifacts.trees import hashes

pytestmark = pytest.mark.real


def _tar(tree: Path, target: Path, top: str) -> Path:
    with tarfile.open(target, "w") as archive:
        archive.add(tree, arcname=top or ".")
    return target


def _tar_gz(tree: Path, target: Path, top: str) -> Path:
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        archive.add(tree, arcname=top)
    return target


def _tar_zst(tree: Path, target: Path, top: str) -> Path:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(tree, arcname=top)
    target.write_bytes(zstandard.ZstdCompressor(level=1).compress(stream.getvalue()))
    return target


def _spec(path: Path) -> ArchiveSpec:
    return ArchiveSpec(path=path, sha256=sha256_of(path))


def _request(portable: Portable, spec: ArchiveSpec, *, python: str = "", substitute: Substitute = "never") -> Request:
    config = Interpreter(archives={portable.platform.key: spec}, substitute=substitute)
    return request_for(python or portable.offer.python, config=config)


def _fetch_and_make(request: Request, tree: Path, make_tools: MakeTools) -> Offer:
    tools = make_tools()
    choice = choose(request, [Archive()], tools)
    tree.mkdir()
    choice.source.make(choice.offer, request, tree, tools)
    assert not [path for path in tools.work.iterdir() if path.is_dir()], "scratch is left behind"
    return choice.offer


LAYOUTS: dict[str, Callable[[Path, Path], Path]] = {
    "python/": lambda tree, folder: _tar_gz(tree, folder / "install_only.tar.gz", "python"),
    "python/install/": lambda tree, folder: _tar_zst(tree, folder / "full.tar.zst", "python/install"),
    "bin/ at the top": lambda tree, folder: _tar(tree, folder / "flat.tar", ""),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_tree_and_normalising_twice_changes_nothing(
    portable: Portable, tmp_path: Path, make_tools: MakeTools, layout: str
) -> None:
    archive = LAYOUTS[layout](portable.tree, tmp_path)
    offer = _fetch_and_make(_request(portable, _spec(archive)), tmp_path / "tree", make_tools)
    assert offer.python == portable.offer.python
    assert hashes(tmp_path / "tree") == hashes(portable.tree)
    program = "import sys, ssl; print(sys.prefix)"
    completed = run([tmp_path / "tree" / "bin" / "python", "-c", program], env={})
    assert completed.output == f"{tmp_path / 'tree'}\n"


def test_a_url_is_fetched_and_its_hash_checked(portable: Portable, tmp_path: Path, make_tools: MakeTools) -> None:
    archive = _tar(portable.tree, tmp_path / "a b.tar", "python")
    spec = ArchiveSpec(url=archive.as_uri(), sha256=sha256_of(archive))
    _fetch_and_make(_request(portable, spec), tmp_path / "tree", make_tools)
    assert (tmp_path / "tree" / "bin" / "python").exists()


@pytest.mark.parametrize("by", ["path", "url"])
def test_other_bytes_than_promised_are_refused(
    portable: Portable, tmp_path: Path, make_tools: MakeTools, by: str
) -> None:
    archive = tmp_path / "own.tar"
    archive.write_bytes(b"something else")
    place = {"path": archive} if by == "path" else {"url": archive.as_uri()}
    spec = ArchiveSpec(sha256=hashlib.sha256(b"meant").hexdigest(), **place)
    with pytest.raises(IntegrityError):
        choose(_request(portable, spec), [Archive()], make_tools())


def test_a_damaged_archive_is_an_integrity_error_even_if_its_hash_is_right(
    portable: Portable, tmp_path: Path, make_tools: MakeTools
) -> None:
    archive = _tar_gz(portable.tree / "include", tmp_path / "own.tar.gz", "python/include")
    archive.write_bytes(archive.read_bytes()[: 2**16])
    with pytest.raises(IntegrityError, match=r"^own\.tar\.gz "):
        choose(_request(portable, _spec(archive)), [Archive()], make_tools())


def test_an_archive_for_another_platform_is_refused(portable: Portable, tmp_path: Path, make_tools: MakeTools) -> None:
    archive = _tar(portable.tree, tmp_path / "own.tar", "python")
    other = next(
        platform for platform in PLATFORMS.values() if platform.system == "linux" and platform != portable.platform
    )
    config = Interpreter(archives={other.key: _spec(archive)})
    request = request_for(portable.offer.python, platform=other, config=config)
    with pytest.raises(ConfigError, match=f"not for {other.key}"):
        choose(request, [Archive()], make_tools())


def test_an_archive_without_a_python_is_refused(portable: Portable, tmp_path: Path, make_tools: MakeTools) -> None:
    (tmp_path / "folder").mkdir()
    archive = _tar(tmp_path / "folder", tmp_path / "own.tar", "python")
    with pytest.raises(ConfigError, match="no Python"):
        choose(_request(portable, _spec(archive)), [Archive()], make_tools())


def test_the_version_is_read_from_the_archive_and_must_be_the_one_asked_for(
    portable: Portable, tmp_path: Path, make_tools: MakeTools
) -> None:
    archive = _tar(portable.tree, tmp_path / "own.tar", "python")
    minor, _, patch = portable.offer.python.rpartition(".")
    asked = f"{minor}.{int(patch) + 1}"
    with pytest.raises(BundleError, match=f"Python {asked}"):
        choose(_request(portable, _spec(archive), python=asked), [Archive()], make_tools("first"))
    request = _request(portable, _spec(archive), python=asked, substitute="patch")
    choice = choose(request, [Archive()], make_tools("second"))
    assert (choice.offer.python, choice.substituted) == (portable.offer.python, True)


def test_a_missing_file_and_an_unnamed_platform_are_refusals(portable: Portable, tmp_path: Path) -> None:
    spec = ArchiveSpec(path=tmp_path / "gone.tar", sha256="0" * 64)
    (missing,) = Archive().offers(_request(portable, spec))
    assert isinstance(missing, Refusal)
    assert "gone.tar" in missing.reason
    (unnamed,) = Archive().offers(request_for(portable.offer.python))
    assert isinstance(unnamed, Refusal)
    assert "interpreter.archives" in unnamed.reason


def _windows_zip(portable: Portable, target: Path, top: str) -> Path:
    """Pack what the Windows layout has, around a file that begins like its python.exe."""
    program = bytearray(b"MZ" + bytes(254))
    struct.pack_into("<I", program, 60, 128)
    program[128:134] = b"PE\0\0" + struct.pack("<H", 0x8664)
    stdlib = portable.tree / portable.platform.stdlib(portable.offer.python)
    header = next((portable.tree / "include").glob("python3.*")) / "patchlevel.h"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(f"{top}python.exe", bytes(program))
        archive.writestr(f"{top}Lib/os.py", (stdlib / "os.py").read_bytes())
        archive.writestr(f"{top}Lib/test/test_os.py", "")
        archive.writestr(f"{top}Lib/site-packages/somebody.pth", "import sys")
        archive.writestr(f"{top}Scripts/pip.exe", b"somebody's")
        archive.writestr(f"{top}include/patchlevel.h", header.read_bytes())
        for wheel in (stdlib / "ensurepip" / "_bundled").glob("pip-*.whl"):
            archive.write(wheel, f"{top}Lib/ensurepip/_bundled/{wheel.name}")
    return target


@pytest.mark.parametrize("top", ["", "cp312/"])
def test_the_windows_layout_at_the_top_or_in_a_folder(
    portable: Portable, tmp_path: Path, make_tools: MakeTools, top: str
) -> None:
    windows = PLATFORMS["windows-x64"]
    spec = _spec(_windows_zip(portable, tmp_path / "own.zip", top))
    request = request_for(portable.offer.python, platform=windows, config=Interpreter(archives={windows.key: spec}))
    tree = tmp_path / "tree"
    _fetch_and_make(request, tree, make_tools)
    assert (tree / "python.exe").is_file()
    assert not (tree / "Lib" / "test").exists()
    assert {path.name.partition("-")[0] for path in (tree / "Lib" / "site-packages").iterdir()} == {"pip"}
    assert (tree / "Scripts" / "pip.exe").read_bytes() != b"somebody's"
    assert (tree / "Scripts" / "pip.exe").read_bytes()[:2] == b"MZ"
