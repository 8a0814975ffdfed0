"""Archives in every known layout, made of a real interpreter."""

import hashlib
import io
import os
import re
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from bundle.artifacts.interpreters.archive import Archive
from bundle.artifacts.interpreters.choice import choose
from bundle.artifacts.interpreters.portable import sysconfig_data
from bundle.artifacts.interpreters.portable.normalise import normalise
from bundle.artifacts.interpreters.source import Offer, Refusal, Request, Tools
from bundle.artifacts.store.store import Store
from bundle.base.errors import BundleError, ConfigError, IntegrityError
from bundle.base.extract import extract
from bundle.base.files import sha256_of
from bundle.base.http.client import Downloader
from bundle.base.processes.run import check, run
from bundle.base.report import Reporter
from bundle.model.config.config import ArchiveSpec, Interpreter, Substitute
from bundle.model.platforms import PLATFORMS
from tests.artifacts.interpreters.conftest import MakeTools, Portable, request_for
from tests.artifacts.interpreters.extensions import native_project
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


@pytest.fixture(scope="module")
def maker(portable: Portable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the archive of a maker whose compilers and prefix stand in the interpreter, packed as it left them."""
    folder = tmp_path_factory.mktemp("maker")
    tree = folder / "python"
    shutil.copytree(portable.tree, tree, symlinks=True)
    location = portable.offer.location.encode()
    for path in (*tree.glob("lib/libpython*.so.*"), tree / portable.platform.executable(portable.offer.python)):
        content = path.read_bytes()
        neutral = re.compile(rb"/__bundle_prefix[^/\0]*/" + re.escape(location.rpartition(b"/")[2]))
        path.write_bytes(neutral.sub(lambda found: location if len(found[0]) == len(location) else found[0], content))
    found = sysconfig_data.read(tree)
    assert found is not None
    tools = "/nowhere/tools"
    variables = {
        **found[1],
        "prefix": portable.offer.location,
        "exec_prefix": portable.offer.location,
        "AR": f"{tools}/zig-ar",
        "CC": f"{tools}/cc-x86_64 --sysroot={tools}/root",
        "CFLAGS": f"-O2 -I{tools}/include --target=x86_64-linux-gnu",
        "CXX": f"{tools}/c++-x86_64",
        "LDCXXSHARED": f"{tools}/c++-x86_64 -shared",
        "LDSHARED": f"{tools}/cc-x86_64 -shared -L{tools}/lib -fuse-ld=lld",
        "RANLIB": "llvm-ranlib-17",
    }
    found[0].write_text(f"build_time_vars = {variables!r}\n")
    return _tar(tree, folder / "maker.tar", "python")


@pytest.fixture(scope="module")
def from_maker(portable: Portable, maker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a bundle that was made from it."""
    folder = tmp_path_factory.mktemp("from maker")
    archive = Archive(_spec(maker))
    request = request_for(portable.offer.python)
    tools = Tools(
        downloader=Downloader(reporter=Reporter(), environ={}),
        files=Store(folder / "store", reporter=Reporter()).files,
        reporter=Reporter(),
        work=folder / "work",
    )
    tools.work.mkdir()
    (folder / "tree").mkdir()
    (offer,) = (offer for offer in archive.offers(request) if isinstance(offer, Offer))
    archive.make(archive.fetch(offer, request, tools), request, folder / "tree", tools)
    return folder / "tree"


@pytest.mark.skipif(shutil.which("cc") is None, reason="this machine has no C compiler")
def test_pip_builds_a_c_extension_with_an_interpreter_whose_maker_had_compilers_of_its_own(
    from_maker: Path, tmp_path: Path
) -> None:
    project = native_project(tmp_path)
    environ = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX", "CFLAGS", "LDSHARED")}
    command: list[str | Path] = ["-m", "pip", "install", "--quiet", "--target", tmp_path / "target"]
    python = from_maker / "bin" / "python"
    check(run([python, *command, project], env=environ, timeout=600), "pip install")
    program = "import eggs, spam; print(spam.__name__, eggs.__name__)"
    completed = run([python, "-c", program], env={"PYTHONPATH": str(tmp_path / "target")})
    assert completed.output == "spam eggs\n"
    told = check(run([python, "-c", "import sysconfig; print(sysconfig.get_config_vars())"], env={}), "Python").output
    assert "/nowhere/tools" not in told


def test_started_under_a_name_that_hides_its_place_it_does_not_take_its_maker_s_library(
    from_maker: Path, maker: Path, portable: Portable, tmp_path: Path
) -> None:
    command = ["/bin/bash", "-c", 'exec -a nobody "$0" -c "import sys; print(sys.prefix)"']
    extract(maker, tmp_path)
    before = run([*command, tmp_path / "python/bin/python"], env={"PATH": "/usr/bin:/bin"})
    assert portable.offer.location in before.output, "the archive does not show what it is to show"
    after = run([*command, from_maker / "bin" / "python"], env={"PATH": "/usr/bin:/bin"})
    assert after.code != 0
    assert portable.offer.location not in after.output + after.errors


def test_it_promises_only_what_it_has_for_programs_that_embed_it(from_maker: Path, tmp_path: Path) -> None:
    config = from_maker / "bin" / "python3-config"
    assert "-lpython3" in check(run([config, "--embed", "--libs"], env={"PATH": "/usr/bin:/bin"}), "config").output
    assert run([config, "--configdir"], env={"PATH": "/usr/bin:/bin"}).code == 1
    static = tmp_path / "static"
    shutil.copytree(from_maker, static, symlinks=True)
    (static / "lib" / "pkgconfig").mkdir(exist_ok=True)
    (static / "lib" / "pkgconfig" / "python-3.12-embed.pc").write_text("prefix=/install\n")
    # What the program loads stays loadable, under a name that no linker looks for.
    (static / "hidden").mkdir()
    for library in static.glob("lib/libpython*"):
        library.rename(static / "hidden" / library.name)
    normalise(static, platform=PLATFORMS["linux-x64"], python="3.12.10")
    assert not list((static / "lib" / "pkgconfig").glob("*embed*"))
    env = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(static / "hidden")}
    config = static / "bin" / "python3-config"
    for options in (["--embed", "--libs"], ["--embed", "--ldflags"]):
        completed = run([config, *options], env=env)
        assert (completed.code, completed.output) == (1, "")
        assert "no libpython3." in completed.errors
    assert "-lpython" not in check(run([config, "--ldflags"], env=env), "config").output


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
