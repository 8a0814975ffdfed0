from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.context import Context
from bundle.artifacts.store.store import Store
from bundle.base.errors import WorkError
from bundle.base.report import Reporter
from bundle.make.sources import host as module
from bundle.make.sources.host import BuildHost
from bundle.model.config.config import BuildOptions, BuildWheel, Config, IsolationMode, PlatformPackages
from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS, Platform

LINUX, WINDOWS = PLATFORMS["linux-x64"], PLATFORMS["windows-x64"]


def host_of(
    folder: Path,
    *,
    machine: Platform | None = LINUX,
    platform: Platform = LINUX,
    isolation: IsolationMode = "auto",
    offline: bool = False,
    **more: Any,
) -> BuildHost:
    rule = BuildWheel(reason="it needs help", build_requires=("cython",), config_settings={"jobs": "2"})
    packages = {platform.key: PlatformPackages(build_wheel={"demo": rule}, network={"loader": "downloads a library"})}
    context = Context(
        project=Project(folder),
        store=Store(folder / "cache", reporter=Reporter()),
        reporter=Reporter(),
        machine=machine,
        environ={"PATH": "/nowhere"},
        offline=offline,
    )
    build = BuildOptions(isolation=isolation)
    config = Config(version="3.12.10", python="3.12.10", folder=folder, packages=packages, build=build)
    return BuildHost(context=context, config=config, platform=platform, logs=folder / "logs", **more)


def test_an_unknown_machine_builds_no_source(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="this machine is none of the known platforms") as caught:
        _ = host_of(tmp_path, machine=None).machine
    assert "bundle platforms" in (caught.value.remedy or "")


def test_a_rule_of_the_configuration_shapes_the_build_of_its_package_alone(tmp_path: Path) -> None:
    spec = host_of(tmp_path).spec("demo", "1.0")

    assert (spec.build_requires, spec.config_settings) == (("cython",), {"jobs": "2"})
    assert host_of(tmp_path).spec("other", "1.0").build_requires == ()


def test_the_network_is_for_the_package_that_has_a_reason_and_never_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BuildHost, "python", tmp_path / "python")
    monkeypatch.setattr(BuildHost, "work", tmp_path)
    for offline, expected in ((False, [True, False]), (True, [False, False])):
        host = host_of(tmp_path, offline=offline)
        specs = [host.spec(name, "1.0") for name in ("Loader", "demo")]
        assert [spec.network for spec in specs] == ["downloads a library", ""]
        tools = [host.tools(spec.name, log="x", network=bool(spec.network)) for spec in specs]
        assert [one.network for one in tools] == expected


def test_a_machine_without_isolation_builds_nothing_where_it_is_demanded(tmp_path: Path) -> None:
    assert host_of(tmp_path).isolation.name == "none"
    with pytest.raises(WorkError, match="bwrap is not on PATH"):
        _ = host_of(tmp_path, isolation="strict").isolation


@pytest.mark.parametrize(
    ("platform", "named"), [(LINUX, ("/my/python", "host")), (WINDOWS, ("host",))], ids=["own", "foreign"]
)
def test_a_path_on_the_command_line_is_about_the_bundles_interpreter_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Platform, named: tuple[str, ...]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(module, "prepare_interpreter", lambda *arguments: asked.append(arguments))

    _ = host_of(tmp_path, platform=platform, interpreters=("/my/python", "host")).interpreter

    ((_, _, machine, override),) = asked
    assert (machine, override) == (LINUX, named)


def test_the_bundles_interpreter_builds_only_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, own = object(), object()
    monkeypatch.setattr(module, "prepare_interpreter", lambda *_: own)

    assert host_of(tmp_path, bundled=bundled).interpreter is bundled
    assert host_of(tmp_path, platform=WINDOWS, bundled=bundled).interpreter is own
