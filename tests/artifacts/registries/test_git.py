from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.registries.git import GitAddress, Repositories, parse_git, subfolder
from bundle.base.errors import BundleError, ConfigError, MissingPackageError, NetworkError
from bundle.base.report import Reporter
from bundle.model.locks.pylock import read_lock, write_lock
from tests.make.lockable import Lockable, found
from tests.make.registry import Registry, serving
from tests.make.sdistmaker import IN_TREE, WRITER

real = pytest.mark.real


def git(folder: Path, *command: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(
        ["git", *command],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **identity},
    )
    return done.stdout.strip()


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository with a package of a version that is taken from its tags."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "package" / "in_tree").mkdir(parents=True)
    (folder / "package" / "pyproject.toml").write_text(
        f'{IN_TREE}\n[project]\nname = "demo"\nversion = "1.0"\ndependencies = ["low"]\n'
    )
    (folder / "package" / "in_tree" / "backend.py").write_text(WRITER)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "tag", "-a", "v1", "-m", "one")
    git(folder, "checkout", "--quiet", "-b", "feature/slash")
    (folder / "more.txt").write_text("more")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "second")
    return folder


@pytest.fixture
def repositories(tmp_path: Path) -> Repositories:
    return Repositories(tmp_path / "git", environ=dict(os.environ), reporter=Reporter())


def test_addresses_are_taken_apart_at_the_last_at_of_the_path() -> None:
    address = parse_git("git+https://user:secret@code.example/a/b.git@feature/x#subdirectory=src/pkg&egg=demo")

    assert address == GitAddress(
        url="https://user:secret@code.example/a/b.git", revision="feature/x", subdirectory="src/pkg"
    )
    assert address.public == "https://code.example/a/b.git"


def test_an_address_without_revision_means_the_default_branch() -> None:
    assert parse_git("git+ssh://git@code.example/a.git") == GitAddress(
        url="ssh://git@code.example/a.git", revision=None, subdirectory=None
    )


def test_other_addresses_are_not_for_git() -> None:
    assert parse_git("https://index.example/demo-1.0.tar.gz") is None


@pytest.mark.parametrize(
    "url",
    [
        "git+ext://sh",
        "git+https://code.example/a.git@--upload-pack=x",
        "git+https://code.example/a.git#subdirectory=../../etc",
    ],
)
def test_addresses_that_could_do_something_else_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_git(url)


@real
def test_branches_tags_and_commits_become_commits(upstream: Path, repositories: Repositories) -> None:
    first, second = git(upstream, "rev-parse", "main"), git(upstream, "rev-parse", "feature/slash")

    def commit(revision: str | None) -> str:
        return repositories.commit_of(GitAddress(url=upstream.as_uri(), revision=revision, subdirectory=None))

    assert commit("main") == commit("v1") == commit(first) == commit(first[:10]) == first
    assert commit("feature/slash") == commit(None) == second
    with pytest.raises(ConfigError, match="no branch, tag or commit 'nope'"):
        commit("nope")


@real
def test_a_commit_comes_with_its_tags_and_stays_available(
    upstream: Path, repositories: Repositories, tmp_path: Path
) -> None:
    address = GitAddress(url=upstream.as_uri(), revision="main", subdirectory="package")
    commit = repositories.commit_of(address)
    repositories.fetch(address, commit)
    upstream.rename(upstream.with_name("gone"))

    repositories.checkout(address, commit, tmp_path / "source")

    assert (tmp_path / "source" / "package" / "pyproject.toml").is_file()
    assert git(tmp_path / "source", "describe", "--tags") == "v1"
    assert subfolder(tmp_path / "source", address, commit) == tmp_path / "source" / "package"
    with pytest.raises(ConfigError, match="no folder nowhere"):
        subfolder(tmp_path / "source", replace(address, subdirectory="nowhere"), commit)


@real
def test_a_repository_that_is_not_there_is_a_network_error_without_credentials(repositories: Repositories) -> None:
    address = GitAddress(url="http://user:secret@127.0.0.1:9/a.git", revision=None, subdirectory=None)

    with pytest.raises(NetworkError) as caught:
        repositories.commit_of(address)

    assert "secret" not in str(caught.value.as_json())


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        running.wheel("low", "1.0")
        running.wheel("demo", "9.0")
        yield running


@real
def test_a_git_requirement_is_locked_to_a_commit(upstream: Path, registry: Registry, tmp_path: Path) -> None:
    place = Lockable(tmp_path / "project", registry, version=platform.python_version())
    requirement = f"demo @ git+{upstream.as_uri()}@feature/slash#subdirectory=package"
    second = git(upstream, "rev-parse", "feature/slash")
    # Its one source is allowed by the requirement itself, and never run: everything is in [project].
    lock = place.lock(requirement)

    demo = found(lock, "demo")
    assert demo.vcs is not None
    assert (demo.vcs.commit, demo.vcs.requested, demo.vcs.subdirectory) == (second, "feature/slash", "package")
    assert (demo.kind, demo.version, demo.dependencies) == ("source", "1.0", ("low",))

    (upstream / "newer.txt").write_text("newer")
    git(upstream, "add", ".")
    git(upstream, "commit", "--quiet", "-m", "third")
    assert found(place.lock(requirement, previous=lock), "demo").key == second
    assert found(place.lock(requirement, previous=lock, upgrade=True), "demo").key != second

    path = tmp_path / "pylock.linux-x64.toml"
    write_lock(lock, path)
    assert read_lock(path) == lock
    place.fetch(lock, place.config(requirement), cache="empty")
    upstream.rename(upstream.with_name("gone"))
    place.fetch(lock, place.config(requirement), cache="empty")


@real
def test_a_source_by_address_that_policy_forbids_is_missing(upstream: Path, registry: Registry, tmp_path: Path) -> None:
    place = Lockable(tmp_path / "project", registry, version=platform.python_version())

    with pytest.raises(MissingPackageError, match="demo"):
        place.lock(f"demo @ git+{upstream.as_uri()}@main#subdirectory=package", resolution={"onlyBinaryList": ["demo"]})


@real
def test_an_address_in_the_metadata_of_a_package_is_followed(
    upstream: Path, registry: Registry, tmp_path: Path
) -> None:
    place = Lockable(tmp_path / "project", registry, version=platform.python_version())
    registry.wheel("early", "1.0", ["demo"])
    registry.wheel("top", "1.0", [f"demo @ git+{upstream.as_uri()}@main#subdirectory=package"])

    lock = place.lock("early", "top", resolution={"allowSourceList": ["demo"]})

    assert found(lock, "demo").vcs is not None
    assert found(lock, "demo").required_by == ("early", "top")
    with pytest.raises(BundleError, match="has no usable file"):
        place.lock("early", "top")


@real
def test_two_addresses_for_one_package_are_refused(upstream: Path, registry: Registry, tmp_path: Path) -> None:
    place = Lockable(tmp_path / "project", registry, version=platform.python_version())
    address = f"demo @ git+{upstream.as_uri()}"

    with pytest.raises(ConfigError, match="two addresses"):
        place.lock(f"{address}@main", f"{address}@v1")
