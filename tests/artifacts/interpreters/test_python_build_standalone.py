import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.choice import choose
from bundle.artifacts.interpreters.python_build_standalone import PbsTable, PythonBuildStandalone, Release
from bundle.artifacts.interpreters.source import Offer, Refusal, Request
from bundle.base.errors import IntegrityError, NetworkError
from bundle.base.processes.run import run
from bundle.model.config.config import Interpreter, Substitute
from bundle.model.platforms import PLATFORMS
from tests.artifacts.interpreters.conftest import MakeTools, Portable, request_for
from tests.artifacts.interpreters.releases import (
    CONTENT,
    Answer,
    Listing,
    lie,
    release_of,
    reset,
    serving,
    stall,
    truncate,
    unavailable,
)
from tests.artifacts.trees import hashes
from tests.reporters import Told

LINUX = PLATFORMS["linux-x64"]


def _source(*releases: Release) -> PythonBuildStandalone:
    return PythonBuildStandalone(Listing(releases or (release_of(),)))


def _request(mirror: str | None, *, substitute: Substitute = "never", python: str = "3.12.10") -> Request:
    request = request_for(python, platform=LINUX, config=Interpreter(mirror=mirror, substitute=substitute))
    return replace(request, environ={})


def _file_name(release: Release) -> str:
    return release.url.rpartition("/")[2].replace("%2B", "+")


@pytest.mark.parametrize("key", PLATFORMS)
def test_the_table_knows_every_platform_by_hash_and_prefers_the_small_flavour(key: str) -> None:
    request = request_for("3.12.10", platform=PLATFORMS[key])
    first, *others = PythonBuildStandalone().offers(request)
    assert isinstance(first, Offer)
    assert first.python == "3.12.10"
    assert "install_only_stripped" in first.location
    assert PLATFORMS[key].triple in first.location
    assert len(first.key["sha256"]) == 64
    versions = [int(offer.python.split(".")[2]) for offer in others if isinstance(offer, Offer)]
    assert versions == sorted(versions, reverse=True)
    assert 10 not in versions


def test_an_unknown_release_is_refused_and_the_newest_is_named() -> None:
    first, *others = PythonBuildStandalone().offers(request_for("3.12.99", platform=LINUX))
    assert isinstance(first, Refusal)
    assert "newest 3.12" in first.reason
    assert others
    (only,) = PythonBuildStandalone().offers(request_for("3.99.0", platform=LINUX))
    assert isinstance(only, Refusal)


def test_the_table_does_not_listen_to_a_variable_of_another_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBS_INSTALLER_BASE_URL", "https://elsewhere.example")
    assert all("elsewhere" not in release.url for release in PbsTable().releases("3.12", LINUX))


def test_the_mirror_shapes_the_address_and_not_the_key_and_its_password_is_not_shown() -> None:
    plain, mirrored, named = (
        _source().offers(request)[0]
        for request in (
            _request(None),
            _request("https://joe:secret@mirror.example/python/"),
            replace(_request("https://other.example"), environ={"BUNDLE_PYTHON_MIRROR": "/srv/mirror"}),
        )
    )
    assert isinstance(plain, Offer)
    assert isinstance(mirrored, Offer)
    assert isinstance(named, Offer)
    assert plain.key == mirrored.key == named.key
    assert mirrored.detail.startswith("https://mirror.example/python/20250529/cpython-3.12.10")
    assert "secret" not in repr(mirrored)
    assert named.detail.startswith("file:///srv/mirror/20250529/")


@pytest.mark.real
@pytest.mark.parametrize("folder", ["20250529", "."])
def test_a_folder_is_a_mirror_in_the_release_layout_or_flat(tmp_path: Path, make_tools: MakeTools, folder: str) -> None:
    (tmp_path / "mirror" / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "mirror" / folder / _file_name(release_of())).write_bytes(CONTENT)
    tools = make_tools()
    choice = choose(_request((tmp_path / "mirror").as_uri()), [_source()], tools)
    cached = tools.files.get(choice.offer.key["sha256"])
    assert cached is not None
    assert cached.read_bytes() == CONTENT


@pytest.mark.real
def test_what_a_mirror_lacks_is_not_a_mirror_that_does_not_answer(tmp_path: Path, make_tools: MakeTools) -> None:
    older = release_of("3.12.7", b"older")
    (tmp_path / "20250529").mkdir()
    (tmp_path / "20250529" / _file_name(older)).write_bytes(b"older")
    source = _source(release_of("3.12.11"), release_of(), older)
    choice = choose(_request(tmp_path.as_uri(), substitute="patch"), [source], make_tools())
    assert choice.offer.python == "3.12.7"
    assert [attempt.outcome for attempt in choice.tried] == ["missing", "missing", "chosen"]


@pytest.mark.real
@pytest.mark.parametrize(
    "troubles",
    [(), (stall,), (reset,), (unavailable, unavailable), (truncate,)],
    ids=["well", "stalls", "resets", "answers 503 twice", "truncates"],
)
def test_a_mirror_with_a_bad_moment_gives_the_file_in_the_end(
    make_tools: MakeTools, troubles: tuple[Answer, ...]
) -> None:
    tools = make_tools()
    with serving(*troubles) as server:
        choice = choose(_request(server.url), [_source()], tools)
        assert not server.troubles
    cached = tools.files.get(choice.offer.key["sha256"])
    assert cached is not None
    assert cached.read_bytes() == CONTENT


@pytest.mark.real
def test_a_mirror_that_lies_is_never_papered_over_by_another_source(make_tools: MakeTools) -> None:
    other = PythonBuildStandalone(Listing((release_of(),)))
    tools = make_tools()
    with serving(*[lie] * 9) as server, pytest.raises(IntegrityError) as caught:
        choose(_request(server.url, substitute="patch"), [_source(), other], tools)
    assert caught.value.exit_code == 4
    target = tools.files.path_for(release_of().sha256, _file_name(release_of()))
    assert not list(target.parent.glob("[!.]*"))


@pytest.mark.real
def test_a_dead_mirror_is_told_from_one_that_lacks_the_file_and_is_not_asked_for_every_release(
    make_tools: MakeTools,
) -> None:
    with serving() as server:
        dead = server.url
    told = Told()
    tools = make_tools(reporter=told)
    with pytest.raises(NetworkError) as caught:
        choose(_request(dead, substitute="patch"), [_source(release_of("3.12.11"), release_of())], tools)
    assert any("did not answer" in line for line in caught.value.details)
    assert not any("Trying again" in message for message in told.messages)


@pytest.mark.real
def test_offline_a_cached_archive_needs_no_mirror(make_tools: MakeTools, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="No interpreter source"):
        choose(_request("http://127.0.0.1:9/python"), [_source()], make_tools("empty", offline=True))
    tools = make_tools("full", offline=True)
    target = tools.files.path_for(release_of().sha256, _file_name(release_of()))
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT)
    assert choose(_request("http://127.0.0.1:9/python"), [_source()], tools).offer.python == "3.12.10"


@pytest.mark.real
def test_an_interpreter_from_a_mirror_is_unpacked_normalised_and_runs(
    portable: Portable, tmp_path: Path, make_tools: MakeTools
) -> None:
    packed = tmp_path / "packed.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
        archive.add(portable.tree, arcname="python")
    content = packed.read_bytes()
    release = replace(release_of(content=content), python=portable.offer.python)
    with serving(content=content) as server:
        request = request_for(portable.offer.python, config=Interpreter(mirror=server.url))
        tools = make_tools()
        choice = choose(request, [_source(release)], tools)
        tree = tmp_path / "a b ü"
        tree.mkdir()
        about = choice.source.make(choice.offer, request, tree, tools)
    assert hashes(tree) == hashes(portable.tree)
    assert about.python == portable.offer.python
    completed = run([tree / "bin" / "python", "-c", "import sys; print(sys.prefix)"], env={})
    assert completed.output == f"{tree}\n"
