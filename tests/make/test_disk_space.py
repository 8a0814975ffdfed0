from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from bundle.artifacts.store.store import Store
from bundle.base.errors import WorkError
from bundle.make import disk_space
from bundle.make.build_request import BuildRequest
from bundle.make.disk_space import Sizes, lacking, require_space
from bundle.model.config.project import Project
from bundle.model.locks.lock import LockedFile
from bundle.model.platforms import PLATFORMS
from tests.model.configs import write_project
from tests.reporters import Told

MB = 10**6


class Usage(NamedTuple):
    """What the system tells of a disk."""

    free: int


SIZES = Sizes(downloads=100 * MB, wheels=200 * MB, layers=50 * MB)
"""At least 300 MB come to the store and 250 MB to the results."""


@pytest.fixture
def reporter() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: Path, reporter: Told) -> Store:
    return Store(tmp_path / "cache", reporter=reporter)


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    project = Project(write_project(tmp_path, {}, **{"3.12.10": {}}))
    return BuildRequest(
        config=project.load("3.12.10", {}).config,
        platform=PLATFORMS["linux-x64"],
        output=tmp_path / "out",
        catalogue=tmp_path / "catalogue.json",
        catalogue_root=tmp_path,
    )


def with_free(monkeypatch: pytest.MonkeyPatch, megabytes: int, *, shared: bool = False) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(megabytes * MB))
    monkeypatch.setattr(disk_space, "shares_blocks", lambda *_: shared)


def test_what_is_needed_and_free_is_told(
    monkeypatch: pytest.MonkeyPatch, request_: BuildRequest, store: Store, reporter: Told
) -> None:
    with_free(monkeypatch, 90_000)

    require_space(request_, store, SIZES, reporter)

    (message,) = reporter.messages
    assert message.startswith("to download: 100.0 MB, layers to make: about 500.0 MB, bundle: about 550.0 MB; free: 90")
    assert message.endswith(" 90.0 GB for the results, 90.0 GB for temporary files")
    assert reporter.warnings == []


def test_a_build_that_is_sure_not_to_fit_is_refused_with_both_sizes(
    monkeypatch: pytest.MonkeyPatch, request_: BuildRequest, store: Store, reporter: Told
) -> None:
    with_free(monkeypatch, 549)

    with pytest.raises(WorkError) as caught:
        require_space(request_, store, SIZES, reporter)

    assert "the store and the results: it needs at least 550.0 MB, and 549.0 MB are free" in caught.value.what
    assert "--output" in caught.value.remedy
    assert "bundle cache prune" in caught.value.remedy


def test_a_build_that_may_not_fit_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, request_: BuildRequest, store: Store, reporter: Told
) -> None:
    with_free(monkeypatch, 551)

    require_space(request_, store, SIZES, reporter)

    assert ["may become full" in one for one in reporter.warnings] == [True]


def test_a_bundle_of_clones_takes_no_space(
    monkeypatch: pytest.MonkeyPatch, request_: BuildRequest, store: Store, reporter: Told
) -> None:
    with_free(monkeypatch, 301, shared=True)

    require_space(request_, store, SIZES, reporter)


def test_only_files_that_the_store_lacks_are_downloaded(store: Store, tmp_path: Path) -> None:
    wheel = tmp_path / "one-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    there = store.files.add(wheel)
    files = [
        LockedFile(name=there.name, sha256=there.parent.name, size=5),
        LockedFile(name="two-1.0-py3-none-any.whl", sha256="0" * 64, size=7),
    ]

    assert lacking(files, store) == 7
