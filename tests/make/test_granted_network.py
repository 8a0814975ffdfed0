"""A source build that downloads from a host of the world: only where the configuration says why, never offline."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from bundle.artifacts.registries.default_index import default_index
from bundle.base.folders import remove_tree
from tests.make.projects import (
    VERSION,
    SmallProject,
    World,
    output_of,
    publish_source,
    required,
    small_world,
    this_machine,
)

pytestmark = pytest.mark.real

REASON = "It downloads a page."


@pytest.fixture(scope="module")
def page() -> str:
    """The address of a page that this machine can load, without credentials."""
    parts = urlsplit(default_index(os.environ))
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], path=f"{parts.path.rstrip('/')}/pip/"))
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=60).close()
    except OSError as error:
        required(f"the default index cannot be reached without a proxy or credentials: {error}")
    return address


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, page: str) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        loading = f"import urllib.request; page = urllib.request.urlopen({page!r}, timeout=60).read()"
        writing = 'write_wheel(folder, {"fetching.py": f"SEEN = {b\'pip\' in page}"}, name="fetching")'
        publish_source(world.registry, "fetching", f"{loading}; return {writing}")
        yield world


def project_of(world: World, folder: Path, *, granted: bool) -> SmallProject:
    packages: dict[str, Any] = {"dependencies": ["fetching"], "resolution": {"allowSourceList": ["fetching"]}}
    if granted:
        packages["buildWheel"] = {"fetching": {this_machine().key: {"network": REASON}}}
    return world.project(folder, packages=packages, platforms=[this_machine().key], build={"isolation": "strict"})


def refused(project: SmallProject, *options: str) -> str:
    done = project.run("build", VERSION, "--no-verify", *options)
    assert done.code == 1, done.output + done.errors
    assert "Traceback (most recent call last)" not in done.errors.partition("error: ")[0]
    assert not project.tree.exists()
    return done.errors


def test_a_build_loads_a_page_where_the_configuration_says_why(world: World, tmp_path: Path) -> None:
    said = refused(project_of(world, tmp_path / "closed", granted=False))
    assert "building fetching 1.0 from source failed" in said
    assert "packages.buildWheel.fetching.<platform>.network" in said
    project = project_of(world, tmp_path / "project", granted=True)
    project.build("--no-verify")
    python = project.tree / project.machine.executable("3.12")
    assert output_of([python, "-c", "import fetching; print(fetching.SEEN)"]) == "True\n"
    (record,) = json.loads((project.tree / "bundle.json").read_text())["packages"]
    assert record["network"] == REASON
    # What was built is in the store, so that no further build is needed without a network.
    assert project.run("build", VERSION, "--no-verify", "--offline", "--output", tmp_path / "again").code == 0


def test_a_build_loads_no_page_offline(world: World, tmp_path: Path) -> None:
    project = project_of(world, tmp_path / "project", granted=True)
    assert project.run("lock", VERSION).code == 0
    assert project.run("fetch", VERSION).code == 0
    for built in project.cache.glob("built/*"):
        if built.is_dir():
            remove_tree(built)
    said = refused(project, "--offline", "--locked")
    assert "--offline" in said
