"""Machines that lack something: space, the right to write, memory, descriptors."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bundle.base.files import sha256_of
from bundle.base.folders import remove_tree
from tests.hostile.mounts import Mounts, mounts
from tests.make.killing import PACKAGES
from tests.make.projects import VERSION, Row, Run, SmallProject, World, leftovers, rows_of, small_world, this_machine

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="needs the namespaces of Linux")]

BUILD = ("build", VERSION)

State = tuple[dict[str, Row], ...]


@dataclass(frozen=True)
class Places:
    """A project as some command finds it, seen from inside a namespace, where all its paths are the same each time."""

    project: SmallProject
    mounts: Mounts

    def run(self, *command: str, prefix: tuple[str, ...] = (), **environ: str) -> Run:
        """Run a command inside, as a user without special rights."""
        return replace(self.project, prefix=(*self.mounts.prefix, *prefix)).run(*command, environ=environ)

    def refused(self, *command: str, prefix: tuple[str, ...] = (), **environ: str) -> str:
        """Run a command that must fail in good order, and leave all results as they are; return what it says."""
        before = self.results()
        done = self.run(*command, prefix=prefix, **environ)
        assert done.code == 1, done.output + done.errors
        in_good_order(done)
        assert self.results() == before
        assert self.left() == []
        return done.errors

    def results(self) -> State:
        """Return all that a user has of earlier runs."""
        folders = (self.project.tree, self.project.folder, self.project.catalogue.parent)
        archive = self.mounts.seen(self.project.archive)
        kept: dict[str, Row] = {archive.name: ("file", 0, sha256_of(archive))} if archive.exists() else {}
        return (*(rows_of(self.mounts.seen(folder)) for folder in folders), kept)

    def made(self) -> list[str]:
        """Return the hashes of all results of a build."""
        paths = (self.project.archive, self.project.lock, self.project.catalogue)
        return [sha256_of(self.mounts.seen(path)) for path in paths]

    def left(self) -> list[Path]:
        """Return the remains of unfinished work."""
        return leftovers(self.mounts.seen(self.project.root), self.mounts.seen(self.project.cache))


def in_good_order(done: Run) -> None:
    for sign in ("Traceback", "Unexpected", "bug in bundle"):
        assert sign not in done.output + done.errors, done.errors
    assert done.code == 0 or ("error: " in done.errors and "to do: " in done.errors), done.errors


@dataclass(frozen=True)
class Prepared:
    """A built project with an edit that was not built, and the bytes that a build makes of it."""

    project: SmallProject
    edited: Path
    """A copy of the project's folder before that build."""
    made: list[str]

    def copy(self, folder: Path, *, lacks: tuple[str, ...]) -> tuple[Path, Path]:
        """Copy project and store, without some parts of the store."""
        copies = folder / "project", folder / "cache"
        for source, target in zip((self.edited, self.project.cache), copies, strict=True):
            subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)
        for part in lacks:
            remove_tree(copies[1] / part)
        return copies


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


@pytest.fixture(scope="module")
def prepared(world: World, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    values = {"packages": PACKAGES, "platforms": [this_machine().key]}
    project = world.project(folder / "project", cache=folder / "cache", **values)
    project.build()
    with (project.folder / "own" / "bin" / "tool").open("a") as tool:
        tool.write("echo more\n")
    shutil.copytree(project.root, folder / "edited", symlinks=True)
    project.build()
    paths = (project.archive, project.lock, project.catalogue)
    return Prepared(project, folder / "edited", [sha256_of(path) for path in paths])


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Mounts]:
    with mounts() as made:
        yield made
    remove_tree(tmp_path)


Enter = Callable[..., Places]


@pytest.fixture
def enter(prepared: Prepared, inside: Mounts, tmp_path: Path) -> Enter:
    """Gives the project in a namespace; `lacks` names parts of the store that it has to make anew."""

    def make(*lacks: str) -> Places:
        root, cache = prepared.copy(tmp_path, lacks=lacks)
        inside.instead(prepared.project.root, root)
        inside.instead(prepared.project.cache, cache)
        return Places(prepared.project, inside)

    return make


def usage(*paths: Path) -> int:
    """Return the bytes that files and folders take on a disk."""
    files = [one for path in paths for one in (path, *path.rglob("*")) if one.is_file() and not one.is_symlink()]
    return sum(-(-one.stat().st_size // 4096) * 4096 for one in files)


@pytest.mark.parametrize("share", [0.1, 0.95])
def test_a_disk_too_small_for_the_results_keeps_the_earlier_ones(
    prepared: Prepared, enter: Enter, share: float
) -> None:
    places = enter()
    project = places.project
    free = share * usage(project.tree, project.archive)
    places.mounts.small(project.output, int(free))
    said = places.refused(*BUILD)
    assert "No space left for " in said
    assert f"{project.output}/" in said
    places.mounts.grow(project.output)
    assert places.run(*BUILD).code == 0
    assert places.made() == prepared.made


@pytest.mark.parametrize("share", [0.0, 0.4, 0.95])
def test_a_disk_too_small_for_the_store_leaves_a_sound_one(prepared: Prepared, enter: Enter, share: float) -> None:
    lacks = ("layers", "keys", "frames")
    places = enter(*lacks)
    cache = places.project.cache
    places.mounts.small(cache, int(share * usage(*(cache / part for part in lacks))))
    said = places.refused(*BUILD)
    assert "No space left for " in said
    assert f"{cache}/" in said
    assert places.run("cache", "verify").code == 0
    places.mounts.grow(cache)
    assert places.run(*BUILD).code == 0
    assert places.made() == prepared.made


def test_a_full_disk_below_the_catalogue_leaves_the_earlier_one(prepared: Prepared, enter: Enter) -> None:
    places = enter()
    catalogue = places.project.catalogue
    places.mounts.small(catalogue.parent, 4096)
    places.mounts.no_more_files(catalogue.parent)
    before = rows_of(places.mounts.seen(catalogue.parent))
    done = places.run(*BUILD)
    assert done.code == 1
    in_good_order(done)
    assert f"No space left for {catalogue}." in done.errors
    assert rows_of(places.mounts.seen(catalogue.parent)) == before
    places.mounts.grow(catalogue.parent)
    assert places.run(*BUILD).code == 0
    assert places.made() == prepared.made


@pytest.mark.parametrize("full", ["versions", "cache"])
def test_a_full_disk_leaves_the_earlier_lock(enter: Enter, full: str) -> None:
    places = enter("metadata", "pages")
    project = places.project
    folder = project.cache if full == "cache" else project.folder
    lock = places.mounts.seen(project.lock)
    config = places.mounts.seen(project.folder / "config.json")
    config.write_text(config.read_text().replace('"hello",', ""))
    before = lock.read_bytes()
    places.mounts.small(folder, 4096)
    places.mounts.no_more_files(folder)
    said = places.refused("lock", VERSION)
    assert f"No space left for {folder}" in said
    places.mounts.grow(folder)
    assert places.run("lock", VERSION).code == 0
    assert lock.read_bytes() != before
    assert places.run("lock", VERSION, "--check").code == 0


def test_a_full_disk_can_be_pruned(prepared: Prepared, enter: Enter) -> None:
    places = enter()
    cache = places.project.cache
    places.mounts.small(cache, 4096)
    places.mounts.no_more_files(cache)
    done = places.run("--json", "cache", "prune", "--older-than", "0")
    assert done.code == 0, done.errors
    assert done.json["freed"] > 2**20
    assert places.left() == []
    assert places.run("cache", "verify").code == 0
    places.mounts.grow(cache)
    assert places.run(*BUILD).code == 0
    assert places.made() == prepared.made


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_folder_for_temporary_files_without_use_is_not_needed(
    prepared: Prepared, enter: Enter, tmp_path: Path, state: str
) -> None:
    places = enter("layers", "keys", "built", "metadata")
    if state == "full":
        places.mounts.small(tmp_path / "tmp", 4096)
        places.mounts.no_more_files(tmp_path / "tmp")
    else:
        places.mounts.read_only(tmp_path / "tmp")
    for command in (("lock", VERSION, "--upgrade"), BUILD):
        done = places.run(*command, TMPDIR=str(tmp_path / "tmp"))
        assert done.code == 0, done.errors
    assert places.made() == prepared.made


@pytest.mark.parametrize(
    ("place", "kind"),
    [("project", "mounted"), ("output", "mounted"), ("output", "modes"), ("catalogue", "modes"), ("store", "mounted")],
)
def test_a_folder_that_may_only_be_read_is_named(prepared: Prepared, enter: Enter, place: str, kind: str) -> None:
    places = enter("frames")
    project = places.project
    folder = {"project": project.root, "output": project.output, "store": project.cache}.get(
        place, project.catalogue.parent
    )
    if kind == "mounted":
        places.mounts.read_only(folder)
    else:
        subprocess.run(
            ["find", places.mounts.seen(folder), "-type", "d", "-exec", "chmod", "a-w", "{}", "+"], check=True
        )
    before = rows_of(places.mounts.seen(folder))
    done = places.run(*BUILD)
    assert done.code == 1
    in_good_order(done)
    assert f"No permission to read or write {folder}" in done.errors
    assert "read-only" in done.errors
    assert rows_of(places.mounts.seen(folder)) == before
    for command in (("check",), ("versions",), ("lock", VERSION, "--check"), ("cache", "size")):
        done = places.run(*command)
        assert done.code == 0, done.errors


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (f"--as={100 << 20}", "a limit allows 100 MiB"),
        (f"--as={270 << 20}", "too little memory"),
        ("--nofile=10", "Too many files are open"),
        ("--fsize=0", "grew larger than a file may be"),
        (f"--fsize={1 << 20}", "grew larger than a file may be"),
    ],
)
def test_a_limit_of_the_user_is_told_and_spoils_nothing(
    prepared: Prepared, enter: Enter, limit: str, words: str
) -> None:
    places = enter("layers", "keys", "frames", "built", "metadata")
    said = places.refused(*BUILD, prefix=("prlimit", limit))
    assert words in said
    assert places.run("cache", "verify").code == 0
    assert places.run(*BUILD).code == 0
    assert places.made() == prepared.made
