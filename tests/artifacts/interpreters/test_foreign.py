"""Interpreters for the platforms that this machine is not: real archives, and all that may be wrong."""

from __future__ import annotations

import io
import os
import runpy
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import lief
import pytest
import zstandard

from bundle.artifacts.interpreters.archive import Archive
from bundle.artifacts.interpreters.choice import choose
from bundle.artifacts.interpreters.portable.facts import About
from bundle.artifacts.interpreters.python_build_standalone import PythonBuildStandalone, Release
from bundle.artifacts.interpreters.sources import sources_for
from bundle.base.errors import BundleError
from bundle.base.extract import extract
from bundle.base.files import sha256_of
from bundle.base.native.read import read_native
from bundle.model.config.config import ArchiveSpec, Interpreter
from bundle.model.platforms import PLATFORMS, platforms_of
from bundle.model.system_libraries import LINUX_BASE
from tests.artifacts.interpreters.conftest import MakeTools, request_for
from tests.artifacts.interpreters.releases import Listing
from tests.artifacts.trees import hashes
from tests.foreign import linux_aarch64
from tests.foreign.prepared import Prepared, pack
from tests.foreign.pythons import PREPARATIONS, foreign_python

pytestmark = pytest.mark.real

Made = tuple[Prepared, Path, About]


def _make(prepared: Prepared, tree: Path, make_tools: MakeTools, *, name: str = "tools") -> About:
    spec = ArchiveSpec(path=prepared.path, sha256=prepared.sha256)
    request = request_for(
        prepared.python, platform=PLATFORMS[prepared.key], config=Interpreter(archives={prepared.key: spec})
    )
    tools = make_tools(name)
    choice = choose(request, [Archive()], tools)
    tree.mkdir(parents=True)
    return choice.source.make(choice.offer, request, tree, tools)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Return the normalised interpreter of a platform, made once; tests must not change it."""
    known: dict[str, Made] = {}

    def get(key: str) -> Made:
        if key not in known:
            folder = tmp_path_factory.mktemp(key)
            prepared = foreign_python(key)
            about = _make(prepared, folder / "tree", _tools_in(folder))
            known[key] = prepared, folder / "tree", about
        return known[key]

    return get


def _tools_in(folder: Path) -> MakeTools:
    from bundle.artifacts.interpreters.source import Tools
    from bundle.artifacts.store.store import Store
    from bundle.base.http.client import Downloader
    from bundle.base.report import Reporter

    def make(name: str = "tools") -> Tools:
        (folder / name / "work").mkdir(parents=True)
        reporter = Reporter()
        return Tools(
            downloader=Downloader(reporter=reporter, offline=True, environ={}),
            files=Store(folder / name, reporter=reporter).files,
            reporter=reporter,
            work=folder / name / "work",
        )

    return make


@pytest.mark.parametrize("key", PREPARATIONS)
class TestEveryPlatform:
    def test_the_interpreter_stands_where_its_platform_expects_it(self, made: Callable[[str], Made], key: str) -> None:
        prepared, tree, about = made(key)
        platform = PLATFORMS[key]
        assert about.python == prepared.python
        native = read_native(tree / platform.executable(prepared.python), platform.machine)
        assert native is not None
        assert platforms_of(native.format, native.machines) == (key,)
        assert (tree / platform.stdlib(prepared.python) / "os.py").is_file()

    def test_nothing_of_what_was_installed_stays_but_a_fresh_pip(self, made: Callable[[str], Made], key: str) -> None:
        prepared, tree, _ = made(key)
        platform = PLATFORMS[key]
        site = tree / platform.site_packages(prepared.python)
        assert {path.name.partition("-")[0] for path in site.iterdir()} == {"pip"}
        (wheel,) = (tree / platform.stdlib(prepared.python) / "ensurepip" / "_bundled").glob("pip-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("pip/"):
                    assert (site / name).read_bytes() == archive.read(name)

    def test_neither_tests_nor_bytecode_nor_an_editor_stay(self, made: Callable[[str], Made], key: str) -> None:
        prepared, tree, _ = made(key)
        stdlib = tree / PLATFORMS[key].stdlib(prepared.python)
        assert not [name for name in ("test", "idlelib", "turtledemo") if (stdlib / name).exists()]
        assert not list(tree.rglob("__pycache__"))
        assert not list(tree.rglob("*._pth"))

    def test_no_text_names_the_folder_that_it_was_built_or_prepared_in(
        self, made: Callable[[str], Made], key: str
    ) -> None:
        _, tree, _ = made(key)
        here = str(Path.home()).encode()
        guilty = [
            path
            for path in tree.rglob("*")
            if path.suffix in {".py", ".pc", ""} and path.is_file() and b"/private/var/" in path.read_bytes()
        ]
        guilty += [path for path in tree.rglob("*.pc") if here in path.read_bytes()]
        assert not guilty

    def test_the_same_archive_gives_the_same_bytes(
        self, made: Callable[[str], Made], key: str, tmp_path: Path, make_tools: MakeTools
    ) -> None:
        prepared, tree, about = made(key)
        assert _make(prepared, tmp_path / "again", make_tools) == about
        assert hashes(tmp_path / "again") == hashes(tree)


@pytest.mark.parametrize("key", PREPARATIONS)
def test_a_release_of_python_build_standalone_goes_the_same_way(
    made: Callable[[str], Made], tmp_path: Path, make_tools: MakeTools, key: str
) -> None:
    prepared, tree, _ = made(key)
    file = f"cpython-{prepared.python}+20250529-{PLATFORMS[key].triple}-install_only_stripped.tar.gz"
    (tmp_path / "20250529").mkdir()
    with tarfile.open(tmp_path / "20250529" / file, "w:gz", compresslevel=1) as archive:
        archive.add(tree, arcname="python")
    release = Release(
        python=prepared.python,
        url=f"https://releases.example/20250529/{file.replace('+', '%2B')}",
        sha256=sha256_of(tmp_path / "20250529" / file),
    )
    request = request_for(prepared.python, platform=PLATFORMS[key], config=Interpreter(mirror=tmp_path.as_uri()))
    tools = make_tools()
    choice = choose(request, [PythonBuildStandalone(Listing((release,)))], tools)
    (tmp_path / "tree").mkdir()
    about = choice.source.make(choice.offer, request, tmp_path / "tree", tools)
    assert about.python == prepared.python
    assert hashes(tmp_path / "tree") == hashes(tree)


def _native(tree: Path, magic: tuple[bytes, ...]) -> dict[str, str]:
    """Return the hashes of the files below a folder that start in certain ways."""
    found = {}
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4).startswith(magic):
                    found[path.relative_to(tree).as_posix()] = sha256_of(path)
    return found


class TestWindows:
    def test_every_signed_file_is_untouched_and_its_signature_holds(
        self, made: Callable[[str], Made], tmp_path: Path
    ) -> None:
        prepared, tree, _ = made("windows-x64")
        extract(prepared.path, tmp_path)
        before = _native(tmp_path / "cp312", (b"MZ",))
        after = {path: digest for path, digest in _native(tree, (b"MZ",)).items() if not path.startswith("Scripts/")}
        theirs = ("Lib/site-packages/", "Scripts/")
        assert after.items() <= before.items()
        assert {path for path in before.keys() - after.keys() if not path.startswith(theirs)} == set()
        for path in ("python.exe", "pythonw.exe", "python3.dll", "python312.dll", "DLLs/_ssl.pyd"):
            binary = lief.PE.parse(str(tree / path))
            assert isinstance(binary, lief.PE.Binary)
            assert binary.verify_signature() == lief.PE.Signature.VERIFICATION_FLAGS.OK, path

    def test_pip_starts_the_python_beside_it_by_a_relative_path(self, made: Callable[[str], Made]) -> None:
        _, tree, _ = made("windows-x64")
        assert sorted(path.name for path in (tree / "Scripts").iterdir()) == ["pip.exe", "pip3.12.exe", "pip3.exe"]
        for launcher in (tree / "Scripts").iterdir():
            assert b"#!<launcher_dir>\\..\\python.exe -s\n" in launcher.read_bytes()

    def test_there_are_no_links_and_no_two_names_that_windows_takes_for_one(self, made: Callable[[str], Made]) -> None:
        _, tree, _ = made("windows-x64")
        paths = [path.relative_to(tree).as_posix() for path in tree.rglob("*")]
        assert not [path for path in tree.rglob("*") if path.is_symlink()]
        assert len({path.casefold() for path in paths}) == len(paths)
        assert {"DLLs", "Include", "Lib", "Scripts", "libs"} <= {path.name for path in tree.iterdir()}

    def test_what_c_extensions_are_built_with_stays_and_libraries_have_their_licence(
        self, made: Callable[[str], Made]
    ) -> None:
        _, tree, about = made("windows-x64")
        assert (tree / "Include" / "Python.h").is_file()
        assert (tree / "libs" / "python312.lib").is_file()
        assert about.licences["libcrypto-3.dll"] == "Apache-2.0"
        assert "NOASSERTION" not in about.licences.values()

    @pytest.mark.parametrize("folder", ["Include", "include"])
    def test_however_an_archive_spells_its_folders_there_is_one_spelling(
        self, made: Callable[[str], Made], tmp_path: Path, make_tools: MakeTools, folder: str
    ) -> None:
        prepared, tree, _ = made("windows-x64")
        shutil.copytree(tree, tmp_path / "own")
        (tmp_path / "own" / "Include").rename(tmp_path / "own" / "other")
        (tmp_path / "own" / "other").rename(tmp_path / "own" / folder)
        (tmp_path / "own" / "Lib").rename(tmp_path / "own" / "lib")
        (tmp_path / "own" / "python312._pth").write_text("python312.zip\n.\n")
        (tmp_path / "own" / "LICENSE.link").symlink_to("LICENSE.txt")
        pack(tmp_path / "own", tmp_path / "own.tar.zst")
        own = Prepared(key=prepared.key, python=prepared.python, path=tmp_path / "own.tar.zst")
        _make(own, tmp_path / "tree", make_tools)
        link = tmp_path / "tree" / "LICENSE.link"
        assert not link.is_symlink()
        assert link.read_bytes() == (tree / "LICENSE.txt").read_bytes()
        link.unlink()
        assert hashes(tmp_path / "tree") == hashes(tree)


@pytest.mark.parametrize("key", ["macosx-x64", "macosx-aarch64"])
class TestMacOS:
    def test_no_byte_of_a_native_file_changes_so_that_signatures_hold(
        self, made: Callable[[str], Made], tmp_path: Path, key: str
    ) -> None:
        prepared, tree, _ = made(key)
        extract(prepared.path, tmp_path)
        before = _native(tmp_path / "python", (b"\xcf\xfa\xed\xfe",))
        assert len(before) == 4
        assert _native(tree, (b"\xcf\xfa\xed\xfe",)) == before

    def test_sysconfig_answers_from_where_it_stands_and_knows_nothing_of_the_build_machine(
        self, made: Callable[[str], Made], key: str
    ) -> None:
        _, tree, _ = made(key)
        told = runpy.run_path(str(tree / "lib/python3.12/_sysconfigdata__darwin_darwin.py"))["build_time_vars"]
        assert told["prefix"] == str(tree)
        assert told["LIBDIR"] == f"{tree}/lib"
        assert told["CC"] == "cc"
        assert told["AR"] == "ar"
        for name, value in told.items():
            assert not any(place in str(value) for place in ("/private", "/install", "Xcode")), name
        assert "-mmacosx-version-min=11.0" in told["CFLAGS"]

    def test_scripts_find_the_python_beside_them(self, made: Callable[[str], Made], key: str) -> None:
        _, tree, _ = made(key)
        for name in ("pip", "pip3.12", "pydoc3", "python3-config"):
            content = (tree / "bin" / name).read_bytes()
            assert content.startswith(b"#!/bin/sh\n")
            assert b"/python3.12" in content
            assert b"/install" not in content
        assert (tree / "bin" / "python").readlink() == Path("python3.12")


class TestLinuxOnARM:
    def test_every_library_lies_in_the_tree_and_is_found_by_a_relative_path(self, made: Callable[[str], Made]) -> None:
        from bundle.artifacts.interpreters.portable import run_paths

        _, tree, about = made("linux-aarch64")
        assert about.glibc.whole == "2.36"
        beside = {path.name for path in (tree / "lib").iterdir()}
        for file in run_paths.files_in(tree):
            native = read_native(file)
            assert native is not None
            assert {need.name for need in native.needs} - LINUX_BASE <= beside, file
            folders = [path.replace("$ORIGIN", str(file.parent)) for path in native.run_paths]
            assert {Path(os.path.normpath(folder)) for folder in folders} == {tree / "lib"}, file

    def test_the_distribution_s_own_ways_are_gone(self, made: Callable[[str], Made]) -> None:
        _, tree, _ = made("linux-aarch64")
        stdlib = tree / "lib" / f"python{linux_aarch64.PYTHON.rpartition('.')[0]}"
        for name in ("sysconfig.py", "site.py", "ensurepip/__init__.py"):
            assert b"dist-packages" not in (stdlib / name).read_bytes()
        assert not (stdlib / "sitecustomize.py").exists()


def _tar(target: Path, *members: tuple[str, bytes | str]) -> Path:
    """Write a .tar.zst of files, or of links where the content is a text."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    target.write_bytes(zstandard.ZstdCompressor(level=1).compress(stream.getvalue()))
    return target


def _choose(path: Path, key: str, make_tools: MakeTools, *, python: str = "3.12.9") -> BundleError:
    """Return the error of taking an archive by `--interpreter KEY=PATH`."""
    with pytest.raises(BundleError) as caught:
        choose(
            request_for(python, platform=PLATFORMS[key]),
            sources_for([f"{key}={path}"], (), PLATFORMS[key]),
            make_tools(),
        )
    return caught.value


class TestWhatIsWrongWithAnArchive:
    @pytest.mark.parametrize(
        ("held", "asked"),
        [
            ("linux-aarch64", "linux-x64"),
            ("macosx-aarch64", "macosx-x64"),
            ("macosx-x64", "windows-x64"),
            ("windows-x64", "linux-aarch64"),
        ],
    )
    def test_it_is_for_another_platform(self, make_tools: MakeTools, held: str, asked: str) -> None:
        prepared = foreign_python(held)
        error = _choose(prepared.path, asked, make_tools, python=prepared.python)
        assert error.exit_code == 2
        assert f"a Python for {held}, not for {asked}" in error.what

    def test_it_holds_another_version(self, make_tools: MakeTools) -> None:
        error = _choose(foreign_python("windows-x64").path, "windows-x64", make_tools, python="3.12.10")
        assert error.exit_code == 2
        assert "Python 3.12.10 for windows-x64" in error.what
        assert any("3.12.9" in line for line in error.details)
        assert "interpreter.substitute" in (error.remedy or "")

    @pytest.mark.parametrize("key", ["windows-x64", "linux-aarch64"])
    def test_it_is_cut_short(self, tmp_path: Path, make_tools: MakeTools, key: str) -> None:
        prepared = foreign_python(key)
        content = prepared.path.read_bytes()
        damaged = tmp_path / prepared.path.name
        damaged.write_bytes(content[: len(content) // 2])
        assert _choose(damaged, key, make_tools, python=prepared.python).exit_code == 4

    def test_one_of_its_bytes_is_wrong(self, tmp_path: Path, make_tools: MakeTools) -> None:
        prepared = foreign_python("windows-x64")
        content = bytearray(prepared.path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        damaged = tmp_path / "damaged.zip"
        damaged.write_bytes(content)
        assert _choose(damaged, "windows-x64", make_tools).exit_code == 4

    def test_its_executable_is_none(self, tmp_path: Path, make_tools: MakeTools) -> None:
        own = _tar(tmp_path / "own.tar.zst", ("python/python.exe", b"hello"), ("python/Lib/os.py", b""))
        error = _choose(own, "windows-x64", make_tools)
        assert error.exit_code == 4
        assert "not a native executable" in error.what

    @pytest.mark.parametrize(
        "member",
        [
            ("../outside", b"x"),
            ("/etc/outside", b"x"),
            ("python/lib/out", "../../../outside"),
            ("python/lib/out", "/etc/passwd"),
        ],
        ids=["a path upward", "an absolute path", "a link upward", "an absolute link"],
    )
    def test_it_reaches_out_of_its_folder(
        self, tmp_path: Path, make_tools: MakeTools, member: tuple[str, bytes | str]
    ) -> None:
        own = _tar(tmp_path / "own.tar.zst", ("python/bin/python3.12", b"x"), member)
        error = _choose(own, "linux-aarch64", make_tools)
        assert error.exit_code == 4
        assert not (tmp_path.parent / "outside").exists()

    @pytest.mark.parametrize("key", ["windows-x64", "macosx-aarch64"])
    def test_it_has_no_wheel_of_pip(
        self, made: Callable[[str], Made], tmp_path: Path, make_tools: MakeTools, key: str
    ) -> None:
        prepared, tree, _ = made(key)
        shutil.copytree(tree, tmp_path / "own", symlinks=True)
        for wheel in (tmp_path / "own").rglob("pip-*.whl"):
            wheel.unlink()
        pack(tmp_path / "own", tmp_path / "own.tar.zst")
        error = _choose(tmp_path / "own.tar.zst", key, make_tools, python=prepared.python)
        assert error.exit_code == 2
        assert "without a pip wheel" in error.what

    def test_its_distribution_patched_it(
        self, made: Callable[[str], Made], tmp_path: Path, make_tools: MakeTools
    ) -> None:
        prepared, tree, _ = made("linux-aarch64")
        shutil.copytree(tree, tmp_path / "own", symlinks=True)
        with (tmp_path / "own/lib/python3.11/sysconfig.py").open("a") as file:
            file.write("_INSTALL_SCHEMES['posix_local'] = {}\n")
        pack(tmp_path / "own", tmp_path / "own.tar.zst")
        error = _choose(tmp_path / "own.tar.zst", "linux-aarch64", make_tools, python=prepared.python)
        assert error.exit_code == 2
        assert "dist-packages" in error.what


def test_several_archives_named_at_once_serve_each_its_own_platform(tmp_path: Path) -> None:
    values = [foreign_python(key).option for key in PREPARATIONS]
    for key in PREPARATIONS:
        (source,) = sources_for(values, ("host",), PLATFORMS[key])
        (offer,) = source.offers(request_for("3.12.1", platform=PLATFORMS[key]))
        assert getattr(offer, "detail", None) == str(foreign_python(key).path)
    (own,) = sources_for(values, ("host",), PLATFORMS["linux-x64"])
    assert own.name == "host"
