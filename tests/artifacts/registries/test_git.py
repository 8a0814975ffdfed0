from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.registries.git import GitAddress, Repositories, parse_git, subfolder
from bundle.base.errors import ConfigError, NetworkError
from bundle.base.report import Reporter
from tests.make.gitmaker import git, make_repository

real = pytest.mark.real


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "upstream")


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
