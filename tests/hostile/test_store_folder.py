"""A folder that is named as the store, and holds something else or belongs to others."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.artifacts.store.claim import claim
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.environment_place import MARK
from bundle.artifacts.store.paths import PARTS
from bundle.artifacts.store.store import Store
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from tests.artifacts.trees import SMALL, grow
from tests.cli.results import result_of

FOREIGN = {
    "a document": "thesis.tex",
    "a folder of documents": "work/report.txt",
    "a hidden file": ".bashrc",
    "a project": "pages/index.html",
    "pictures by date": "files/20/IMG_1.jpg",
    "another cache": "files/ab/cd/abcdef",
    "a repository": "repositories/website/HEAD",
    "keys": "keys/id_ed25519",
    "another cache's tag": MARK,
    "a manifest": "frames/frame.json",
}


def rows(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def old(root: Path) -> None:
    past = time.time() - 400 * 24 * 3600
    for path in root.rglob("*"):
        os.utime(path, (past, past))


def filled(root: Path, tmp_path: Path) -> Store:
    """A store with something in it, as a release without marks left it."""
    store = Store(root, reporter=Reporter())
    layer = store.add("wheel", {"a": 1}, grow(tmp_path / "tree", SMALL), name="numpy", version="2.2.6", about={})
    store.frames([layer], Compression(format="tar.zst"))
    wheel = tmp_path / "numpy.whl"
    wheel.write_bytes(b"wheel")
    store.files.add(wheel)
    (store.folder("pages") / ("a" * 64)).write_text("links")
    (store.folder("repositories") / ("b" * 32)).mkdir()
    (store.folder("repositories") / f"{'b' * 32}.lock").touch()
    (store.folder("built") / "locks").mkdir()
    (store.folder("work") / "wine-0123").mkdir()
    return store


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("place", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("command", [("prune", "--older-than", "0"), ("verify", "--repair"), ("size",)], ids="-".join)
def test_what_is_no_store_is_refused_and_left_as_it_is(tmp_path: Path, place: str, command: tuple[str, ...]) -> None:
    path = tmp_path / "home" / place
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    old(tmp_path / "home")

    with pytest.raises(ConfigError, match="is not a store of bundle") as refused:
        result_of(None, "cache", *command, environ={"BUNDLE_CACHE_DIR": str(tmp_path / "home")})

    assert refused.value.exit_code == 2
    assert "BUNDLE_CACHE_DIR" in f"{refused.value.cause}"
    assert rows(tmp_path / "home") == {place: b"mine"}


@pytest.mark.parametrize("extra", ["notes.txt", "layers/notes.txt"], ids=["beside it", "in a part"])
def test_a_store_without_a_mark_and_with_more_in_it_is_refused(tmp_path: Path, extra: str) -> None:
    filled(tmp_path / "cache", tmp_path)
    (tmp_path / "cache" / extra).touch()

    with pytest.raises(ConfigError, match=extra):
        claim(tmp_path / "cache", trusted=True)


@pytest.mark.parametrize("state", ["missing", "empty", "empty parts", "of an earlier release", "marked"])
def test_a_store_is_recognised_and_marked(tmp_path: Path, state: str) -> None:
    root = tmp_path / "cache"
    if state.startswith("empty"):
        root.mkdir(mode=0o755)
    if state == "empty parts":
        (root / "work").mkdir(mode=0o755)
    if state in ("of an earlier release", "marked"):
        filled(root, tmp_path)

    claim(root, trusted=False)
    assert (root / MARK).read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")
    (root / "notes.txt").touch()
    claim(root, trusted=False)

    assert (root / "notes.txt").exists()


def test_pruning_keeps_the_mark_and_what_is_beside_the_parts(tmp_path: Path) -> None:
    store = filled(tmp_path / "cache", tmp_path)
    claim(store.root, trusted=False)
    (store.root / "notes.txt").write_text("mine")
    old(store.root)

    assert store.prune(older_than_days=0) > 0
    assert {MARK, "notes.txt"} <= rows(store.root).keys()


def test_a_folder_that_cannot_be_written_to_is_told_by_the_first_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    claim(tmp_path / "file" / "cache", trusted=False)
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file" / "cache", reporter=Reporter()).folder("layers")


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has these modes")
@pytest.mark.parametrize("place", ["", *PARTS], ids=lambda place: place or "the store")
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o770, 0o722], ids=oct)
def test_a_store_that_others_may_write_to_is_used_only_if_told(tmp_path: Path, place: str, mode: int) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    folder = tmp_path / "cache" / place
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)

    with pytest.raises(ConfigError, match="writable by other users") as refused:
        claim(tmp_path / "cache", trusted=False)

    assert "--trust-store" in refused.value.remedy
    claim(tmp_path / "cache", trusted=True)
    folder.chmod(mode & ~0o022)
    claim(tmp_path / "cache", trusted=False)
    folder.chmod(mode | 0o1000)
    claim(tmp_path / "cache", trusted=False)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has owners")
@pytest.mark.parametrize(
    ("owner", "user", "refused"),
    [(0, 0, False), (0, 1000, False), (1000, 1000, False), (1000, 0, True), (1001, 1000, True), (65534, 1000, True)],
    ids=["root", "root's, read by a user", "the user's", "a user's, used by root", "another's", "nobody's"],
)
def test_a_store_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, user: int, refused: bool
) -> None:
    root = tmp_path / "cache"
    root.mkdir(mode=0o755)
    status = os.stat_result((0o40755, 1, 1, 2, owner, owner, 0, 0, 0, 0))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    plain = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **options: status if path == root else plain(path, **options))

    claim(root, trusted=True)
    if refused:
        with pytest.raises(ConfigError, match="belongs to one"):
            claim(root, trusted=False)
    else:
        claim(root, trusted=False)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has these modes")
@pytest.mark.parametrize("flag", ["before", "behind"])
def test_the_option_is_accepted_before_and_behind_the_command(tmp_path: Path, flag: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    words = ("--trust-store", "cache", "size") if flag == "before" else ("cache", "size", "--trust-store")

    assert result_of(None, *words, environ={"BUNDLE_CACHE_DIR": str(tmp_path / "cache")}).data["total"] == 0


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has these modes")
def test_no_folder_of_the_store_is_writable_by_others_whatever_the_umask(tmp_path: Path, umask: None) -> None:
    environ = {"BUNDLE_CACHE_DIR": str(tmp_path / "new" / "cache")}
    result_of(None, "cache", "size", environ=environ)
    filled(tmp_path / "new" / "cache", tmp_path)

    folders = [path for path in (tmp_path / "new").rglob("*") if path.is_dir()]
    assert [path for path in folders if path.stat().st_mode & 0o022] == []
    assert result_of(None, "cache", "verify", environ=environ).exit_code == 0
    shutil.rmtree(tmp_path / "new")
