from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.context import Context
from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter
from bundle.make.build_request import BuildRequest
from bundle.make.portable_inputs import lock_digest, portable_inputs
from bundle.model.config.project import Project
from bundle.model.platforms import PLATFORMS

VERSION = "3.12.10-demo"

CONFIG: dict[str, Any] = {
    "registries": {"default": "https://user:${TOKEN}@index.example/simple"},
    "packages": {
        "dependencies": ["numpy==2.2.6"],
        "copyFiles": [{"from": "own", "to": "bin"}],
        "platformSpecific": {"windows-x64": {"dependencies": ["pywin32"]}},
    },
    "build": {"timeout": 60, "bytecode": False},
}


def make(root: Path, config: dict[str, Any]) -> Path:
    folder = root / "versions" / VERSION
    (folder / "own" / "deep").mkdir(parents=True)
    (folder / "own" / "deep" / "tool").write_text("tool")
    (folder / "own" / "link").symlink_to("deep/tool")
    (root / "shared-config.json").write_text("{}")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def digests(root: Path, *, epoch: int = 0, platform: str = "linux-x64", token: str = "t0k3n-secret") -> dict[str, str]:
    project = Project(root)
    store = Store(root / "cache", reporter=Reporter(), epoch=epoch)
    environ = {"TOKEN": token}
    context = Context(project=project, store=store, reporter=Reporter(), machine=None, environ=environ)
    request = BuildRequest(
        config=project.load(VERSION, environ).config,
        platform=PLATFORMS[platform],
        output=project.output,
        catalogue=project.catalogue,
        catalogue_root=root,
    )
    return portable_inputs(request, context)


def test_another_folder_another_machine_and_another_token_change_nothing(tmp_path: Path) -> None:
    make(tmp_path / "one", CONFIG)
    make(tmp_path / "two", CONFIG)
    assert digests(tmp_path / "one") == digests(tmp_path / "two", token="another-one")
    assert digests(tmp_path / "one").keys() == {"configuration", "revisions"}


def around(change: Callable[[dict[str, Any]], None], root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the digests before and after a change of the configuration."""
    folder = make(root, CONFIG)
    before = digests(root)
    config = json.loads(json.dumps(CONFIG))
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    return before, digests(root)


def set_(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        set_("packages", "dependencies", to=["numpy"]),
        set_("packages", "copyFiles", to=[]),
        set_("build", "bytecode", to=True),
        set_("build", "compression", to="small"),
        set_("runtime", to={"environment": {"linux-x64": {"A": "1"}}}),
    ],
)
def test_what_shapes_a_bundle_changes_its_configuration(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    before, after = around(change, tmp_path)
    assert after["configuration"] != before["configuration"]
    assert after["revisions"] == before["revisions"]


@pytest.mark.parametrize(
    "change",
    [
        set_("build", "timeout", to=61),
        set_("build", "parallelDownloads", to=2),
        set_("build", "enableLogging", to=True),
        set_("registries", "default", to="https://mirror.example/simple"),
        set_("interpreter", to={"mirror": "https://mirror.example"}),
        set_("platforms", to=["linux-x64"]),
        set_("packages", "platformSpecific", to={"windows-x64": {"dependencies": ["pywin32", "wmi"]}}),
    ],
)
def test_what_shapes_none_of_its_bytes_changes_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    before, after = around(change, tmp_path)
    assert after == before


@pytest.mark.parametrize("change", ["content", "mode", "link", "added", "removed"])
def test_every_change_of_a_copied_file_shows(tmp_path: Path, change: str) -> None:
    own = make(tmp_path, CONFIG) / "own"
    before = digests(tmp_path)
    tool = own / "deep" / "tool"
    if change == "content":
        tool.write_text("loot")
    elif change == "mode":
        tool.chmod(0o755)
    elif change == "link":
        (own / "link").unlink()
        (own / "link").symlink_to("deep")
    elif change == "added":
        (own / "more").touch()
    else:
        tool.unlink()
    assert digests(tmp_path)["configuration"] != before["configuration"]


def test_times_and_compiled_modules_do_not_count(tmp_path: Path) -> None:
    own = make(tmp_path, CONFIG) / "own"
    before = digests(tmp_path)
    os.utime(own / "deep" / "tool", (1, 1))
    (own / "__pycache__").mkdir()
    (own / "__pycache__" / "x.pyc").touch()
    assert digests(tmp_path) == before


def test_the_time_that_stands_in_results_counts(tmp_path: Path) -> None:
    make(tmp_path, CONFIG)
    assert digests(tmp_path, epoch=1) != digests(tmp_path)


def test_each_platform_has_its_own(tmp_path: Path) -> None:
    make(tmp_path, CONFIG)
    assert digests(tmp_path, platform="windows-x64") != digests(tmp_path)


def test_a_lock_that_is_not_fresh_is_no_other() -> None:
    locks: list[tuple[str | None, ...]] = [(), (None,), ("a",), ("a", "b"), ("b", "a"), ("a", None)]
    assert len(set(map(lock_digest, locks))) == 6
