from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.store.layers import (
    Entry,
    Layer,
    _header,
    normalise,
    overlay,
    path_order,
    scan,
    seal,
    tar_chunks,
    tar_entries,
)
from bundle.artifacts.store.trees import stamp_difference
from bundle.base.errors import IntegrityError
from bundle.model.manifest import Conflict
from tests.artifacts.trees import SMALL, File, Link, Tree, grow, trees
from tests.examples import examples

EPOCH = 315532800


def make(root: Path, tree: Tree) -> tuple[str, tuple[Entry, ...]]:
    grow(root, tree)
    entries = scan(root)
    normalise(root, entries, epoch=EPOCH)
    return seal(root, entries, epoch=EPOCH)


def layer(name: str, tree: Tree, root: Path) -> Layer:
    digest, entries = make(root / name, tree)
    return Layer(digest=digest, kind="wheel", name=name, version="1", size=0, entries=entries, about={})


def test_the_digest_of_a_tree_never_changes_between_releases(tmp_path: Path) -> None:
    digest, _ = make(tmp_path / "tree", SMALL)

    assert digest == "b489500631d49f593e6603626c3ee450a78fe12580dc73e6fbb6aed196c99f4e"


@examples(50)
@given(tree=trees(), seed=st.randoms(use_true_random=False))
def test_the_same_content_has_the_same_digest_however_it_came_to_be(tree: Tree, seed: random.Random) -> None:
    scratch = Path(tempfile.mkdtemp())
    before = os.umask(seed.choice([0, 0o022, 0o077]))
    try:
        first, _ = make(scratch / "first", tree)
        order = list(tree)
        seed.shuffle(order)
        second = grow(scratch / "second", tree, order=order)
        for path in second.rglob("*"):
            if not path.is_symlink():
                os.utime(path, (seed.randrange(2**31),) * 2)
                path.chmod(path.stat().st_mode & (0o700 if seed.random() < 0.5 else 0o755))
        entries = scan(second)
        normalise(second, entries, epoch=EPOCH)
        again, sealed = seal(second, entries, epoch=EPOCH)

        assert again == first
        stream = b"".join(tar_chunks(second, tar_entries(sealed, epoch=EPOCH)))
        assert hashlib.sha256(stream).hexdigest() == first
        assert stamp_difference(second, sealed, epoch=EPOCH) is None
    finally:
        os.umask(before)
        shutil.rmtree(scratch)


@examples(50)
@given(tree=trees())
def test_the_tar_entries_of_any_tree_are_read_back_by_the_standard_library(tree: Tree) -> None:
    scratch = Path(tempfile.mkdtemp())
    try:
        _, entries = make(scratch / "tree", tree)
        described = list(tar_entries(entries, epoch=EPOCH))
        data = b"".join(tar_chunks(scratch / "tree", described))
    finally:
        shutil.rmtree(scratch)

    assert len(data) == sum(entry.size for entry in described)
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1024))) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["python", *(f"python/{entry.path}" for entry in entries)]
        for member in members:
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", EPOCH)
        for path, what in tree.items():
            member = archive.getmember(f"python/{path}")
            if isinstance(what, File):
                content = archive.extractfile(member)
                assert content is not None
                assert content.read() == what.content
                assert member.mode == (0o755 if what.executable else 0o644)
            elif isinstance(what, Link):
                assert member.linkname == what.target
            else:
                assert member.isdir()
                assert member.mode == 0o755


def test_a_folder_is_followed_by_what_is_in_it_before_anything_else(tmp_path: Path) -> None:
    tree = {"a/b": File(b""), "a.py": File(b""), "a-b": File(b""), "a": None}

    assert [entry.path for entry in scan(grow(tmp_path / "tree", tree))] == ["a", "a/b", "a-b", "a.py"]
    assert path_order("a/b") < path_order("a-b")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", "/etc/passwd"),
        ("link", ".."),
        ("a/link", "../../x"),
        ("a/b/link", "../b/../../../x"),
        ("link", "a/.."),
        ("link", "..\\x"),
    ],
)
def test_a_link_that_could_leave_the_tree_is_refused(tmp_path: Path, path: str, target: str) -> None:
    with pytest.raises(IntegrityError, match="outside the tree"):
        scan(grow(tmp_path / "tree", {path: Link(target)}))


@pytest.mark.parametrize(("path", "target"), [("a/link", "../x"), ("a/b/link", "../../x/y"), ("link", "./x")])
def test_a_link_within_the_tree_is_taken(tmp_path: Path, path: str, target: str) -> None:
    assert scan(grow(tmp_path / "tree", {path: Link(target)}))[-1].target == target


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(grow(tmp_path / "tree", {}) / "pipe")

    with pytest.raises(IntegrityError, match="pipe is not"):
        scan(tmp_path / "tree")


@pytest.mark.parametrize("name", [b"back\\slash", b"latin-\xfc", b"new\nline"])
def test_a_name_that_not_every_system_has_is_refused(tmp_path: Path, name: bytes) -> None:
    root = grow(tmp_path / "tree", {})
    Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()

    with pytest.raises(IntegrityError):
        scan(root)


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    root = grow(tmp_path / "tree", {"a": File(b"123")})
    entries = scan(root)
    (root / "a").write_bytes(b"1234")

    with pytest.raises(IntegrityError, match="3 bytes"):
        seal(root, entries, epoch=EPOCH)


def test_the_later_layer_wins_and_the_conflict_is_told(tmp_path: Path) -> None:
    first = layer("first", {"a": File(b"1"), "b": File(b"same"), "c/d": File(b"")}, tmp_path)
    second = layer("second", {"a": File(b"2"), "b": File(b"same"), "c/e": File(b"")}, tmp_path)

    held, conflicts = overlay([first, second])

    assert conflicts == [Conflict(path="a", kept="second", lost="first")]
    assert held["a"][0] is second
    assert set(held) == {"a", "b", "c", "c/d", "c/e"}


@pytest.mark.parametrize("other", [{"a/b": File(b"")}, {"a": Link("x")}])
def test_layers_that_do_not_fit_on_each_other_are_an_error(tmp_path: Path, other: Tree) -> None:
    with pytest.raises(IntegrityError, match=r"a is a file in first 1 and a (folder|symlink) in second 1"):
        overlay([layer("first", {"a": File(b"1")}, tmp_path), layer("second", other, tmp_path)])


NAMES = st.text(st.sampled_from("ab./é"), min_size=1, max_size=6).flatmap(
    lambda text: st.integers(80, 110).map(lambda count: (text * count)[: count - 1] + "x")  # No path ends in a slash.
)


@given(
    NAMES,
    st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE]),
    st.sampled_from([0, 1, 8**11 - 1, 8**11]),
    NAMES,
    st.sampled_from([0, EPOCH, 8**11 - 1, 8**11]),
)
def test_a_header_is_the_one_of_the_standard_library(
    name: str, kind: bytes, size: int, target: str, epoch: int
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname, info.mtime = kind, 0o644, size, target, epoch
    expected = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    assert _header(name, kind, 0o644, size, target, epoch) == expected
