from __future__ import annotations

from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from bundle.artifacts.registries.registries import Page
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.make.resolve.policy import Policy, Release, Target
from bundle.make.resolve.solver_index import SolverIndex, Sources
from bundle.make.sources.sdist import SourceTree
from bundle.model.config.config import PlatformPackages, Resolution, UnsetVariableError
from bundle.model.platforms import PLATFORMS, Floors

TARGET = Target(platform=PLATFORMS["linux-x64"], python="3.12.10", floors=Floors())


class PackageFiles:
    """A registry in memory: file names by project, requirements by file name."""

    def __init__(self, files: dict[str, list[str]], requires: dict[str, list[str]] | None = None) -> None:
        self.files = files
        self.requires = requires or {}
        self.read: list[str] = []

    def page(self, name: str) -> Page | None:
        if name not in self.files:
            return None
        return Page("memory", tuple(RemoteFile(file, file, sha256="a" * 64) for file in self.files[name]))

    def is_tied(self, name: str) -> bool:
        return name.startswith("tied")

    def precedence(self, name: str) -> str:
        return ""

    def wheel_metadata(self, file: RemoteFile) -> bytes:
        self.read.append(file.filename)
        lines = [f"Requires-Dist: {one}" for one in self.requires.get(file.filename, [])]
        return "\n".join(["Metadata-Version: 2.1", *lines, ""]).encode()

    def static_metadata(self, file: RemoteFile) -> bytes | None:
        self.read.append(file.filename)
        return None

    def tree(self, release: Release, file: RemoteFile) -> SourceTree:
        raise AssertionError("nothing may be built here")


def index_of(files: PackageFiles, *roots: str, kept: dict[str, Version] | None = None, **rules: Any) -> SolverIndex:
    policy = Policy(PlatformPackages(**rules), TARGET)
    return SolverIndex([Requirement(root) for root in roots], policy, files=files, sources=Sources(), kept=kept or {})


def shown(index: SolverIndex, name: str) -> list[str]:
    return [str(version) for version in index.versions(name) or ()]


def wheel(version: str, tag: str = "py3-none-any", name: str = "a") -> str:
    return f"{name}-{version}-{tag}.whl"


WINDOWS = "cp312-cp312-win_amd64"


def test_the_solver_sees_versions_with_a_usable_file() -> None:
    index = index_of(PackageFiles({"a": [wheel("1.0"), wheel("2.0", WINDOWS), "a-3.0.tar.gz"]}))

    assert shown(index, "a") == ["1.0"]


def test_a_registry_that_cannot_be_asked_names_who_wants_it() -> None:
    class Unset(PackageFiles):
        def page(self, name: str) -> Page | None:
            raise UnsetVariableError(f"The registry for {name} needs X.")

    with pytest.raises(UnsetVariableError) as caught:
        index_of(Unset({}), "triton>=3").versions("triton")
    assert caught.value.details == ("triton is required by the configuration.",)


def test_a_name_without_any_usable_file_is_shown_whole_so_that_it_can_be_reported() -> None:
    index = index_of(PackageFiles({"a": [wheel("1.0", WINDOWS), wheel("2.0", WINDOWS)]}))

    assert shown(index, "a") == ["2.0", "1.0"]


def test_a_version_that_the_configuration_names_is_always_shown() -> None:
    files = PackageFiles({"a": [wheel("1.0"), wheel("2.0", WINDOWS)]})

    assert shown(index_of(files, "a==2.0"), "a") == ["2.0", "1.0"]
    assert shown(index_of(files, "a>=2.0"), "a") == ["1.0"]
    assert shown(index_of(files, "a", overrides={"a": "2.0"}), "a") == ["2.0"]


def test_a_skipped_package_has_one_empty_version_and_is_asked_for_nowhere() -> None:
    index = index_of(PackageFiles({}), skip={"a": "no"})

    assert shown(index, "a") == ["0"]
    assert index.metadata("a", Version("0")).decode().splitlines()[1:] == ["Name: a", "Version: 0"]


def test_an_unknown_name_is_remembered_with_its_askers() -> None:
    index = index_of(PackageFiles({}), "a>=1")

    assert index.versions("a") is None
    assert index.unknown == {"a"}
    assert [requested.who for requested in index.askers("a")] == ["the configuration"]


def test_widening_opens_what_alone_satisfies_a_requirement_and_then_everything() -> None:
    files = PackageFiles(
        {"a": [wheel("1.0"), wheel("2.0", WINDOWS)], "b": [wheel("1.0", name="b"), wheel("2.0", WINDOWS, name="b")]},
        {wheel("1.0", name="b"): ["a>=2"]},
    )
    index = index_of(files, "b")
    index.versions("b")
    index.versions("a")
    index.metadata("b", Version("1.0"))

    assert index.widen()
    assert (shown(index, "a"), shown(index, "b")) == (["2.0", "1.0"], ["1.0"])
    assert index.widen()
    assert (shown(index, "a"), shown(index, "b")) == (["2.0", "1.0"], ["2.0", "1.0"])
    assert not index.widen()


@pytest.mark.parametrize("marker", ["sys_platform == 'win32'", "extra == 'never'"])
def test_requirements_that_do_not_hold_here_open_nothing(marker: str) -> None:
    files = PackageFiles(
        {"a": [wheel("1.0"), wheel("2.0", WINDOWS)], "b": [wheel("1.0", name="b")]},
        {wheel("1.0", name="b"): [f"a>=2 ; {marker}"]},
    )
    index = index_of(files, "b")
    index.versions("a")
    index.metadata("b", Version("1.0"))
    index.widen()

    assert not index.widen()


def test_a_pin_of_the_last_lock_survives_that_its_file_was_withdrawn() -> None:
    class Withdrawn(PackageFiles):
        def page(self, name: str) -> Page | None:
            page = super().page(name)
            return page and Page("memory", tuple(file._replace(yanked="broken") for file in page.files))

    files = Withdrawn({"a": [wheel("1.0"), wheel("2.0")]})

    assert shown(index_of(files, "a"), "a") == []
    assert shown(index_of(files, "a", kept={"a": Version("1.0")}), "a") == ["1.0"]


def test_a_source_package_takes_its_dependencies_from_any_wheel_of_the_version() -> None:
    files = PackageFiles({"a": ["a-1.0.tar.gz", wheel("1.0", WINDOWS)]}, {wheel("1.0", WINDOWS): ["low"]})
    index = index_of(files, "a", resolution=Resolution(allow_source_all=True))

    assert b"Requires-Dist: low" in index.metadata("a", Version("1.0"))
    assert files.read == [wheel("1.0", WINDOWS)]


def test_a_package_that_may_not_be_built_is_not_asked() -> None:
    files = PackageFiles({"a": ["a-1.0.tar.gz"]})
    index = index_of(files, "a")

    assert b"Requires-Dist" not in index.metadata("a", Version("1.0"))
    assert files.read == ["a-1.0.tar.gz"]
