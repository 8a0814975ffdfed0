"""A mirror of release files, filled from a loopback server in the release layout by a table of our own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.choice import choose
from bundle.artifacts.interpreters.mirror import SUMS, Kept, fill, needs
from bundle.artifacts.interpreters.python_build_standalone import PythonBuildStandalone, Release
from bundle.artifacts.interpreters.source import Request
from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.http.client import Downloader
from bundle.base.processes.run import run
from bundle.base.report import Reporter
from bundle.model.config.config import Interpreter
from bundle.model.platforms import PLATFORMS, Platform
from tests.artifacts.interpreters.conftest import MakeTools, request_for
from tests.artifacts.interpreters.releases import MirrorHandler, MirrorServer, reset, serving

HOST = "https://releases.example/download"
TAG = "20250529"


class Table:
    """Knows one release for each platform that was published."""

    def __init__(self, contents: Mapping[str, bytes], python: str = "3.12.10") -> None:
        self.entries = {
            key: Release(
                python=python,
                url=f"{HOST}/{TAG}/cpython-{python}%2B{TAG}-{PLATFORMS[key].triple}-install_only_stripped.tar.gz",
                sha256=hashlib.sha256(content).hexdigest(),
            )
            for key, content in contents.items()
        }

    def releases(self, python: str, platform: Platform) -> list[Release]:
        """Return the releases of X.Y."""
        release = self.entries.get(platform.key)
        return [release] if release and release.python.startswith(f"{python}.") else []

    def path(self, key: str) -> str:
        """Return where a platform's file lies in a mirror."""
        return "/".join(self.entries[key].url.replace("%2B", "+").split("/")[-2:])


CONTENTS = {key: f"the Python for {key}".encode() * 3000 for key in PLATFORMS}


def _requests(mirror: str | None, *keys: str, python: str = "3.12.10") -> list[tuple[str, Request]]:
    config = Interpreter(mirror=mirror)
    return [
        ("one", replace(request_for(python, platform=PLATFORMS[key], config=config), environ={}))
        for key in keys or PLATFORMS
    ]


def _serve(server: MirrorServer, table: Table, contents: Mapping[str, bytes]) -> None:
    server.files = {f"/python/{table.path(key).replace('+', '%2B')}": content for key, content in contents.items()}


def _fill(
    folder: Path, requests: list[tuple[str, Request]], make_tools: MakeTools, table: Table, name: str = "tools"
) -> list[Kept]:
    source = PythonBuildStandalone(table)
    needed, left = needs(requests, source)
    assert not left
    return fill(folder, needed, source, make_tools(name))


def test_two_versions_with_the_same_python_need_one_file_and_what_nobody_released_is_said() -> None:
    table = Table({"linux-x64": b"1", "windows-x64": b"2"})
    requests = _requests(None)
    requests += [("two", request) for _, request in requests]
    needed, left = needs(requests, PythonBuildStandalone(table))
    assert [(need.request.platform.key, need.versions) for need in needed] == [
        ("linux-x64", ("one", "two")),
        ("windows-x64", ("one", "two")),
    ]
    assert needed[0].path == f"{TAG}/cpython-3.12.10+{TAG}-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
    assert {(one.version, one.platform) for one in left} == {
        (version, key) for version in ("one", "two") for key in ("linux-aarch64", "macosx-x64", "macosx-aarch64")
    }
    assert all(one.lacking for one in left)


def test_another_patch_release_is_mirrored_only_where_a_build_would_take_it() -> None:
    source = PythonBuildStandalone(Table({"linux-x64": b"1"}, python="3.12.9"))
    ((version, request),) = _requests(None, "linux-x64")
    needed, left = needs([(version, request)], source)
    assert not needed
    assert "3.12.9" in left[0].reason
    permitted = replace(request, config=Interpreter(substitute="patch"))
    needed, left = needs([(version, permitted)], source)
    assert [need.offer.python for need in needed] == ["3.12.9"]
    assert not left


def test_a_version_that_takes_its_interpreter_elsewhere_needs_nothing_and_lacks_nothing() -> None:
    ((version, request),) = _requests(None, "linux-x64")
    elsewhere = replace(request, config=Interpreter(sources=("host",)))
    needed, (left,) = needs([(version, elsewhere)], PythonBuildStandalone(Table({"linux-x64": b"1"})))
    assert not needed
    assert not left.lacking
    assert "host" in left.reason


@pytest.mark.real
def test_a_filled_mirror_serves_every_platform_and_its_sums_can_be_checked(
    tmp_path: Path, make_tools: MakeTools
) -> None:
    table = Table(CONTENTS)
    folder = tmp_path / "a mirror ü"
    with serving() as server:
        _serve(server, table, CONTENTS)
        kept = _fill(folder, _requests(server.url), make_tools, table)
    assert [one.status for one in kept] == ["fetched"] * 5
    assert {one.need.path for one in kept} == {path.relative_to(folder).as_posix() for path in folder.rglob("*.tar.gz")}
    completed = run(["sha256sum", "--check", "--strict", SUMS], cwd=folder)
    assert completed.code == 0, completed.errors
    assert completed.output.count(": OK") == 5
    for index, (_, request) in enumerate(_requests(None)):
        named = replace(request, environ={"BUNDLE_PYTHON_MIRROR": str(folder) if index % 2 else folder.as_uri()})
        tools = make_tools(f"build {request.platform.key}")
        choice = choose(named, [PythonBuildStandalone(table)], tools)
        cached = tools.files.get(choice.offer.key["sha256"])
        assert cached is not None
        assert cached.read_bytes() == CONTENTS[request.platform.key]


@pytest.mark.real
def test_what_is_there_and_right_is_left_alone_and_what_is_damaged_is_fetched_again(
    tmp_path: Path, make_tools: MakeTools
) -> None:
    table = Table(CONTENTS)
    with serving() as server:
        _serve(server, table, CONTENTS)
        _fill(tmp_path, _requests(server.url, "linux-x64", "macosx-x64"), make_tools, table)
        (tmp_path / table.path("macosx-x64")).write_bytes(b"damaged")
        before = (tmp_path / table.path("linux-x64")).stat().st_mtime_ns
        server.requests.clear()
        kept = _fill(tmp_path, _requests(server.url), make_tools, table, "again")
        assert len(server.requests) == 4
    assert [one.status for one in kept] == ["fetched" if key != "linux-x64" else "present" for key in PLATFORMS]
    assert (tmp_path / table.path("linux-x64")).stat().st_mtime_ns == before
    assert (tmp_path / table.path("macosx-x64")).read_bytes() == CONTENTS["macosx-x64"]


@pytest.mark.real
def test_a_network_that_ends_midway_keeps_what_was_got_and_the_next_run_goes_on_from_there(
    tmp_path: Path, make_tools: MakeTools
) -> None:
    table = Table(CONTENTS)

    def half(handler: MirrorHandler, content: bytes) -> None:
        handler.good(content[: len(content) // 2], claim=len(content))
        handler.close_connection = True
        server.troubles = [reset] * 99

    with serving() as server:
        _serve(server, table, CONTENTS)
        requests = _requests(server.url, "linux-x64", "linux-aarch64", "windows-x64")
        _fill(tmp_path, requests[:1], make_tools, table)
        server.troubles = [half]
        kept = _fill(tmp_path, requests, make_tools, table, "second")
        assert [one.status for one in kept] == ["present", "failed", "failed"]
        assert all(isinstance(one.error, NetworkError) and one.error.exit_code == 3 for one in kept[1:])
        assert (tmp_path / SUMS).read_text().count("\n") == 1
        server.troubles = []
        parts = [path.stat().st_size for path in (tmp_path / TAG).glob("*.part")]
        assert max(parts) == len(CONTENTS["linux-aarch64"]) // 2
        kept = _fill(tmp_path, requests, make_tools, table, "third")
    assert [one.status for one in kept] == ["present", "fetched", "fetched"]
    assert not list((tmp_path / TAG).glob("*.part"))
    assert (tmp_path / SUMS).read_text().count("\n") == 3


@pytest.mark.real
def test_wrong_bytes_never_get_a_place_in_the_mirror(tmp_path: Path, make_tools: MakeTools) -> None:
    table = Table(CONTENTS)
    with serving() as server:
        _serve(server, table, {**CONTENTS, "linux-x64": b"something else"})
        first, second = _fill(tmp_path, _requests(server.url, "linux-x64", "windows-x64"), make_tools, table)
    assert (first.status, second.status) == ("failed", "fetched")
    assert isinstance(first.error, IntegrityError)
    assert not (tmp_path / table.path("linux-x64")).exists()


@pytest.mark.real
def test_the_mirror_that_is_filled_is_not_asked_for_what_it_lacks(tmp_path: Path, make_tools: MakeTools) -> None:
    table = Table(CONTENTS)
    with serving() as server:
        _serve(server, table, CONTENTS)
        table.entries = {
            key: replace(release, url=release.url.replace(HOST, server.url)) for key, release in table.entries.items()
        }
        ((version, request),) = _requests(None, "linux-x64")
        named = replace(request, environ={"BUNDLE_PYTHON_MIRROR": str(tmp_path)})
        (kept,) = _fill(tmp_path, [(version, named)], make_tools, table)
    assert kept.status == "fetched"


@pytest.mark.real
def test_what_the_cache_holds_already_needs_no_network(tmp_path: Path, make_tools: MakeTools) -> None:
    table = Table(CONTENTS)
    tools = make_tools()
    release = table.entries["linux-x64"]
    cached = tools.files.path_for(release.sha256, "cpython.tar.gz")
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENTS["linux-x64"])
    source = PythonBuildStandalone(table)
    needed, _ = needs(_requests(None, "linux-x64"), source)
    offline = replace(tools, downloader=Downloader(reporter=Reporter(), offline=True, environ={}))
    (kept,) = fill(tmp_path / "mirror", needed, source, offline)
    assert kept.status == "fetched"
    assert (tmp_path / "mirror" / kept.need.path).read_bytes() == CONTENTS["linux-x64"]
