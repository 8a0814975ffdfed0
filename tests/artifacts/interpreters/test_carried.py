"""Libraries that wheels expect, carried by an interpreter that has not brought them."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.archive import Archive
from bundle.artifacts.interpreters.carried import GLIBC, PACKAGES, carry
from bundle.artifacts.interpreters.portable.facts import About
from bundle.artifacts.interpreters.source import Offer, Request, Tools
from bundle.artifacts.store.store import Store
from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.errors import ConfigError, NetworkError
from bundle.base.files import sha256_of
from bundle.base.http.client import Downloader
from bundle.base.native.native import dotted
from bundle.base.native.read import read_native
from bundle.base.processes.run import check, run
from bundle.base.report import Reporter
from bundle.model.config.config import ArchiveSpec
from bundle.model.platforms import PLATFORMS
from bundle.model.system_libraries import CARRIED
from tests.artifacts.interpreters.conftest import MakeTools, Portable, request_for
from tests.artifacts.trees import hashes
from tests.foreign.bundles import NUMPY, foreign_wheel, found
from tests.foreign.prepared import pack
from tests.foreign.systems import PLACE, only_the_c_library, run_elsewhere

LIBRARIES = ("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1")


def test_every_platform_of_linux_has_every_package() -> None:
    linux = {key for key, platform in PLATFORMS.items() if platform.system == "linux"}
    assert [package.library for package in PACKAGES if package.library] == list(LIBRARIES)
    assert all(package.sha256.keys() == linux for package in PACKAGES)


def test_what_an_interpreter_has_brought_is_not_carried_and_nothing_is_downloaded(
    tmp_path: Path, make_tools: MakeTools
) -> None:
    (tmp_path / "lib").mkdir()
    for name in LIBRARIES:
        (tmp_path / "lib" / name).touch()
    request = replace(request_for("3.12.10", platform=PLATFORMS["linux-x64"]), carry=True)
    assert carry(tmp_path, request, "3.12.10", make_tools(offline=True)) == ()
    assert not (tmp_path / CARRIED).exists()


def test_without_the_network_the_error_says_what_to_do(tmp_path: Path, make_tools: MakeTools) -> None:
    request = replace(
        request_for("3.12.10", platform=PLATFORMS["linux-x64"]),
        carry=True,
        environ={"BUNDLE_DEBIAN_MIRROR": "https://mirror.example/debian/"},
    )
    with pytest.raises(NetworkError) as caught:
        carry(tmp_path / "tree", request, "3.12.10", make_tools(offline=True))
    assert "build.carry" in (caught.value.remedy or "")
    assert "mirror.example" in (caught.value.cause or "")
    assert carry(tmp_path / "tree", replace(request, carry=False), "3.12.10", make_tools("none", offline=True)) == ()


def test_where_no_mirror_is_known_an_explicit_wish_is_an_error(
    tmp_path: Path, make_tools: MakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundle.artifacts.interpreters.carried.debian_mirror", lambda _: "")
    request = replace(request_for("3.12.10", platform=PLATFORMS["linux-x64"]), carry=True)
    with pytest.raises(ConfigError, match="no mirror of Debian"):
        carry(tmp_path / "tree", request, "3.12.10", make_tools(offline=True))


def _make(archive: Path, folder: Path, portable: Portable) -> tuple[Path, About]:
    """Return the finished interpreter of an archive, and the facts about it."""
    request: Request = replace(request_for(portable.offer.python), carry=True)
    source = Archive(ArchiveSpec(path=archive, sha256=sha256_of(archive)))
    (folder / "work").mkdir(parents=True)
    tools = Tools(
        downloader=Downloader(reporter=Reporter(), environ=dict(os.environ)),
        files=Store(archive.parent / "store", reporter=Reporter()).files,
        reporter=Reporter(),
        work=folder / "work",
    )
    tree = folder / "python"
    tree.mkdir()
    (offer,) = (offer for offer in source.offers(request) if isinstance(offer, Offer))
    try:
        return tree, source.make(source.fetch(offer, request, tools), request, tree, tools)
    except NetworkError as error:
        return found(None, f"no packages of Debian 11: {error}")


@pytest.fixture(scope="module")
def bare_archive(portable: Portable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive whose interpreter has none of the libraries."""
    if portable.platform.key not in PACKAGES[0].sha256:
        pytest.skip(f"nothing is carried on {portable.platform.key}")
    folder = tmp_path_factory.mktemp("bare")
    shutil.copytree(portable.tree, folder / "python", symlinks=True)
    for name in LIBRARIES:
        (folder / "python/lib" / name).unlink()
    pack(folder / "python", folder / "bare.tar.zst")
    return folder / "bare.tar.zst"


@pytest.fixture(scope="module")
def carrying(bare_archive: Path, portable: Portable, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, About]:
    """Return the interpreter of that archive, and the facts about it."""
    return _make(bare_archive, tmp_path_factory.mktemp("carrying"), portable)


@pytest.mark.real
def test_they_are_recorded_with_their_licences_and_run_on_old_systems(carrying: tuple[Path, About]) -> None:
    tree, about = carrying
    assert {path.name for path in (tree / CARRIED).iterdir()} == set(LIBRARIES)
    licences = {library.name: library.licence for library in about.libraries}
    assert licences["libstdc++.so.6"] == licences["libgcc_s.so.1"] == "GPL-3.0-or-later WITH GCC-exception-3.1"
    assert licences["libz.so.1"] == "Zlib"
    assert b"GCC RUNTIME LIBRARY EXCEPTION" in (tree / "share/licenses/gcc-10-base/copyright").read_bytes()
    assert (tree / "share/licenses/zlib1g/copyright").is_file()
    for name in LIBRARIES:
        native = read_native(tree / CARRIED / name)
        assert native is not None
        assert dotted(native.glibc) <= GLIBC


@pytest.mark.real
def test_the_same_archive_gives_the_same_bytes_also_if_it_holds_them_already(
    carrying: tuple[Path, About], bare_archive: Path, portable: Portable, tmp_path: Path
) -> None:
    tree, about = carrying
    again, told = _make(bare_archive, tmp_path / "again", portable)
    assert (hashes(again), told) == (hashes(tree), about)
    pack(tree, tmp_path / "own.tar.zst")
    third, told = _make(tmp_path / "own.tar.zst", tmp_path / "third", portable)
    assert hashes(third) == hashes(tree)
    assert told.libraries == about.libraries


@pytest.mark.real
def test_numpy_runs_where_there_is_nothing_but_the_c_library(
    carrying: tuple[Path, About], portable: Portable, tmp_path: Path
) -> None:
    """Moved, read-only, as another user, without HOME."""
    bundle = tmp_path / "a b ü"
    shutil.copytree(carrying[0], bundle, symlinks=True)
    wheel = foreign_wheel("numpy", NUMPY, portable.platform.key, portable.offer.python)
    lay_out(wheel, bundle, platform=portable.platform, python=portable.offer.python)
    root = only_the_c_library(Path("/"), portable.platform, tmp_path / "root")
    code = (
        "import numpy, zlib\n"
        "loaded = {line.split()[-1] for line in open('/proc/self/maps') if 'carried' in line}\n"
        "print(numpy.linalg.inv([[2.0]])[0][0], *sorted(loaded))"
    )
    command = (f"{PLACE}/bin/python", "-B", "-c", code)
    started = run_elsewhere(root, bundle, command)
    assert started.errors == ""
    first, *loaded = started.output.split()
    assert first == "0.5"
    assert loaded == [f"{PLACE}/{CARRIED}/{name}" for name in LIBRARIES]
    shutil.rmtree(bundle / CARRIED)
    assert "cannot open shared object file" in run_elsewhere(root, bundle, command).errors


@pytest.mark.real
def test_where_the_system_has_them_its_own_are_taken(carrying: tuple[Path, About]) -> None:
    """Those of the system are newer, and its drivers may need them so."""
    code = "import ctypes; ctypes.CDLL('libstdc++.so.6'); print(open('/proc/self/maps').read())"
    folder = Path("/usr/lib", PLATFORMS["linux-x64"].multiarch, "libstdc++.so.6")
    found(folder if folder.exists() else None, "this machine has no libstdc++")
    told = check(run([carrying[0] / "bin/python", "-c", code], env={}), "Python").output
    assert "libstdc++" in told
    assert "/carried/libstdc++" not in told
