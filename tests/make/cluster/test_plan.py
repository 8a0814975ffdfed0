from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bundle.artifacts.context import Context
from bundle.artifacts.store.store import Store
from bundle.base.errors import ConfigError
from bundle.base.report import Reporter
from bundle.make.build_request import BuildRequest
from bundle.make.cluster import inputs
from bundle.make.cluster.plan import Choices, plan_build
from bundle.make.cluster.remote_build import RemoteBuild
from bundle.model.config.project import Project
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage, input_checksum
from bundle.model.locks.pylock import write_lock
from bundle.model.platforms import PLATFORMS

VERSION = "3.12.10"
NATIVE = ("cp312 cp312 win_amd64",)


class Place:
    """A project with one locked version."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def request(
        self, platform: str = "linux-x64", *, available: Collection[str] | None = None, **values: Any
    ) -> BuildRequest:
        """Write configuration and lock, and return the request for a build.

        Args:
            available: tags of the wheels that the source package has; None: there is no source package.
        """
        folder = self.root / "versions" / VERSION
        folder.mkdir(parents=True, exist_ok=True)
        (self.root / "shared-config.json").write_text("{}")
        interpreter = {"sources": ["python-build-standalone"]}
        given = {"platforms": [platform], "packages": {"dependencies": ["one"]}, "interpreter": interpreter, **values}
        (folder / "config.json").write_text(json.dumps(given))
        config = self.context.project.load(VERSION, {}).config
        package = LockedPackage(
            name="one",
            version="1.0",
            kind="wheel" if available is None else "source",
            file=LockedFile(
                name="one-1.0-py3-none-any.whl" if available is None else "one-1.0.tar.gz", sha256="0" * 64, size=1
            ),
            reason="it is asked for",
            required_by=("",),
            available=tuple(available or ()),
        )
        lock = Lock(
            version=VERSION,
            platform=platform,
            python=VERSION,
            inputs=input_checksum(config, platform, ["one"]),
            packages=(package,),
        )
        write_lock(lock, self.context.project.lock_path(VERSION, platform))
        return BuildRequest(
            config=config,
            platform=PLATFORMS[platform],
            output=self.root / "pydist",
            catalogue=self.root / "catalogue" / "catalogue.json",
            catalogue_root=self.root,
        )

    @property
    def context(self) -> Context:
        return Context(
            project=Project(self.root),
            store=Store(self.root / "cache", reporter=Reporter(), epoch=0),
            reporter=Reporter(),
            machine=PLATFORMS["linux-x64"],
            environ={},
        )

    def needs(self, request: BuildRequest, *served: str) -> dict[str, float]:
        return dict(plan_build(request, self.context, served, Choices()).needs)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def names_in(packed: bytes) -> list[str]:
    content = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


class TestTheWorkerOfABuild:
    def test_is_any_without_sources(self, place: Place) -> None:
        assert place.needs(place.request("windows-x64"), "linux-x64") == {"build": 1}

    def test_is_of_the_platform_for_sources(self, place: Place) -> None:
        request = place.request("windows-x64", available=())
        assert place.needs(request, "linux-x64", "windows-x64") == {"build": 1, "platform:windows-x64": 1}

    def test_is_any_for_sources_that_may_be_pure_where_none_is_of_the_platform(self, place: Place) -> None:
        request = place.request("windows-x64", available=("py3 none any",))
        assert place.needs(request, "linux-x64") == {"build": 1}

    def test_has_to_be_of_the_platform_for_native_sources(self, place: Place) -> None:
        request = place.request("windows-x64", available=NATIVE)
        assert place.needs(request, "linux-x64") == {"build": 1, "platform:windows-x64": 1}

    def test_is_of_the_platform_if_the_interpreter_may_be_that_of_the_machine(self, place: Place) -> None:
        request = place.request("windows-x64", interpreter={"sources": ["python-build-standalone", "host"]})
        assert place.needs(request, "windows-x64") == {"build": 1, "platform:windows-x64": 1}
        assert place.needs(request, "linux-x64") == {"build": 1}


class TestTheInputs:
    def test_are_configuration_locks_and_own_files(self, place: Place) -> None:
        place.request()
        own = place.root / "versions" / VERSION / "own" / "deep"
        own.mkdir(parents=True)
        (own / "file").write_text("x")
        (own.parent / "link").symlink_to("deep/file")
        (place.root / "secret").write_text("x")
        request = place.request(packages={"dependencies": ["one"], "copyFiles": [{"from": "own", "to": "share"}]})
        work = plan_build(request, place.context, [], Choices()).work
        assert isinstance(work, RemoteBuild)
        assert [name for name in names_in(work.inputs) if name != "secret"] == names_in(work.inputs)
        assert {
            "shared-config.json",
            f"versions/{VERSION}/config.json",
            f"versions/{VERSION}/pylock.linux-x64.toml",
        } < set(names_in(work.inputs))
        assert {f"versions/{VERSION}/own/deep/file", f"versions/{VERSION}/own/link"} < set(names_in(work.inputs))

    def test_are_the_same_bytes_each_time(self, place: Place) -> None:
        request = place.request()
        first, second = (plan_build(request, place.context, [], Choices()).work for _ in range(2))
        assert first == second

    def test_outside_of_the_project_are_refused(self, place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
        outside = tmp_path_factory.mktemp("outside") / "file"
        outside.write_text("x")
        request = place.request(packages={"dependencies": ["one"], "copyFiles": [{"from": str(outside), "to": "x"}]})
        with pytest.raises(ConfigError, match="outside of the project"):
            plan_build(request, place.context, [], Choices())

    def test_that_are_too_large_are_refused(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inputs, "MOST", 100)
        with pytest.raises(ConfigError, match="larger than 100 bytes"):
            plan_build(place.request(), place.context, [], Choices())


def test_a_build_without_archives_has_nothing_to_give_back(place: Place) -> None:
    request = replace(place.request(), archive=False)
    with pytest.raises(ConfigError, match="makes no archive"):
        plan_build(request, place.context, [], Choices())
