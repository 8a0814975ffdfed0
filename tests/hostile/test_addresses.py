"""Addresses in the metadata of packages: the configuration alone says where a package comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from bundle.artifacts.registries.fetch import addresses_in, git_address
from bundle.artifacts.registries.registries import Page
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.errors import ConfigError, IntegrityError
from bundle.make.resolve.direct import DirectPackages
from bundle.make.resolve.policy import Policy, Release, Target
from bundle.make.resolve.requirements import Rewriter, lenient_requirement, parsed_specifier, parsed_version
from bundle.make.resolve.solver_index import SolverIndex
from bundle.make.resolve.source_metadata import BuildRequirementSolver
from bundle.make.sources.sdist import SourceTree
from bundle.model.config.config import PlatformPackages
from bundle.model.locks.lock import LockedPackage, Vcs
from bundle.model.platforms import PLATFORMS, Floors

TARGET = Target(platform=PLATFORMS["linux-x64"], python="3.12.10", floors=Floors())
URL = "https://files.example/private-9.0-py3-none-any.whl"
GIT = "git+https://code.example/private.git@main"


class Files:
    """A registry in memory with version 1.0 of `top`, of `private` and of names that are tied."""

    def __init__(self, requires: str) -> None:
        self.requires = requires

    def page(self, name: str) -> Page | None:
        if name not in ("top", "private", "tied"):
            return None
        return Page("memory", (RemoteFile(f"{name}-1.0-py3-none-any.whl", "x", sha256="a" * 64),))

    def is_tied(self, name: str) -> bool:
        return name == "tied"

    def precedence(self, name: str) -> str:
        return ""

    def wheel_metadata(self, file: RemoteFile) -> bytes:
        requires = f"Requires-Dist: {self.requires}\n" if file.filename.startswith("top") else ""
        return f"Metadata-Version: 2.1\n{requires}".encode()

    def static_metadata(self, file: RemoteFile) -> bytes | None:
        raise AssertionError(file)

    def tree(self, release: Release, file: RemoteFile) -> SourceTree:
        raise AssertionError(file)


def index_of(requires: str, *roots: str, **rules: Any) -> SolverIndex:
    """Return an index whose solver has read the metadata of `top`, and asked for `unknown`."""
    policy = Policy(PlatformPackages(**rules), TARGET)
    directs = DirectPackages(cast("Any", None), policy, cast("Any", None), previous={}, locks=Path(), work=Path())
    requirements = [Requirement(root) for root in roots]
    index = SolverIndex(requirements, policy, files=Files(requires), sources=directs, kept={})
    index.metadata("top", Version("1.0"))
    index.versions("unknown")
    return index


SOLUTION = {name: Version("1.0") for name in ("top", "private", "tied")}


@pytest.mark.parametrize(
    ("requires", "roots"),
    [
        pytest.param(f"private @ {URL}", ["top"], id="a wheel of an unnamed package"),
        pytest.param(f"private @ {GIT}", ["top"], id="a repository"),
        pytest.param(f"private @ {URL}", ["top", "private==1.0"], id="a wheel in place of a root's version"),
        pytest.param(f"Private[x] @ {URL}", ["top", "private"], id="another spelling, with an extra"),
        pytest.param(f"private @ {URL} ; python_version > '3'", ["top"], id="behind a marker"),
        pytest.param(f"private @ {URL} ; extra == 'x'", ["top[x]"], id="in an extra that is asked for"),
        pytest.param(f"private @ {URL}", ["top", f"private @ {GIT}"], id="another address than the configuration's"),
        pytest.param("private @ file:///etc/private-1.0.tar.gz", ["top"], id="a file of this machine"),
    ],
)
def test_an_address_that_only_metadata_name_is_refused_with_who_asked(requires: str, roots: list[str]) -> None:
    index = index_of(requires, *roots)
    with pytest.raises(ConfigError) as caught:
        index.refuse_addresses(SOLUTION)
    assert "top 1.0" in caught.value.as_text()
    assert "packages.overrides" in caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_name_that_only_an_address_could_have_given_is_refused_for_it() -> None:
    with pytest.raises(ConfigError, match=r"top 1\.0 requires unknown from https://"):
        index_of("unknown @ https://files.example/unknown-1.0.tar.gz", "top").refuse_addresses()


@pytest.mark.parametrize(
    ("requires", "roots", "rules"),
    [
        pytest.param(f"private @ {URL}", ["top", f"private @ {URL}"], {}, id="listed"),
        pytest.param(f"tied @ {URL}", ["top"], {}, id="tied to a registry"),
        pytest.param(f"private @ {URL}", ["top"], {"overrides": {"private": "1.0"}}, id="overridden"),
        pytest.param(f"private @ {URL}", ["top"], {"skip": {"private": "no"}}, id="skipped"),
        pytest.param(f"private @ {URL} ; extra == 'dev'", ["top"], {}, id="an extra that nothing asks for"),
        pytest.param(f"private @ {URL} ; sys_platform == 'win32'", ["top"], {}, id="another platform"),
        pytest.param(f"elsewhere @ {URL}", ["top"], {}, id="not in the solution"),
        pytest.param(f"private @ {URL}", ["top"], {"no_deps": frozenset({"top"})}, id="without dependencies"),
    ],
)
def test_an_address_that_changes_nothing_is_no_error(requires: str, roots: list[str], rules: dict[str, Any]) -> None:
    index = index_of(requires, *roots, **rules)
    index.refuse_addresses(SOLUTION)
    assert b"@" not in index.metadata("top", Version("1.0"))


def test_a_tied_name_keeps_the_versions_of_its_registry() -> None:
    index = index_of(f"tied @ {URL}", "top")
    assert index.versions("tied") == [Version("1.0")]


def test_an_unreadable_requirement_with_an_address_reaches_no_solver_as_one() -> None:
    rewriter = Rewriter(PlatformPackages(), {})
    content = rewriter.metadata("top", Version("1"), f"Requires-Dist: private @ {URL} ;;\n".encode()).content
    assert b"Requires-Dist: !private" in content


@pytest.mark.parametrize("digits", [4000, 5000, 100_000])
def test_numbers_of_thousands_of_digits_are_no_versions(digits: int) -> None:
    assert parsed_version("1" * digits + "x y") is None
    assert parsed_version("1" * digits) is None or digits < 4300
    parsed_specifier("==" + "1" * digits)
    lenient_requirement("a==" + "1" * digits)


def test_deeply_nested_markers_are_no_requirement() -> None:
    assert lenient_requirement("a ; " + "(" * 50_000 + "python_version > '3'" + ")" * 50_000) is None


def test_a_name_of_ten_thousand_characters_is_asked_for_nowhere() -> None:
    assert index_of("", "top").versions("a" * 10_000) is None


def test_a_build_requirement_by_address_is_refused(tmp_path: Path) -> None:
    solver = BuildRequirementSolver(cast("Any", Files("")), cast("Any", Configured()), tmp_path)
    with pytest.raises(ConfigError, match="build requirements by URL are not supported"):
        solver.solve([Requirement(f"tied @ {URL}")], what="demo 1.0", platform=PLATFORMS["linux-x64"], kept={})


class Configured:
    """The part of a configuration that build requirements depend on."""

    python = "3.12.10"

    class build:  # noqa: N801
        floors = Floors()


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        ([f"private @ {GIT}"], True),
        (
            [f"private @ {GIT} ; sys_platform == 'linux'", "private @ git+https://x.example/b ; os_name == 'nt'"],
            True,
        ),
        (["private @ git+https://me:secret@code.example/private.git@main"], True),
        ([], False),
        (["private"], False),
        (["private @ git+https://code.example/other.git"], False),
        ([f"other @ {GIT}"], False),
        ([f"private @ {URL}"], False),
    ],
)
def test_a_locked_repository_must_be_one_of_the_configuration(written: list[str], fits: bool) -> None:
    vcs = Vcs(url="https://code.example/private.git", requested="main", commit="a" * 40)
    package = LockedPackage(
        name="private", version="1.0", kind="source", file=None, reason="", required_by=("",), vcs=vcs
    )
    if fits:
        assert git_address(package, addresses_in(written)).public == vcs.url
        return
    with pytest.raises(IntegrityError, match="which the configuration does not name"):
        git_address(package, addresses_in(written))
