from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, IntegrityError, MissingPackageError
from bundle.cli.app import Result
from bundle.model.platforms import PLATFORMS, platform_of
from tests.cli.results import result_of, text_of
from tests.make.lockable import Lockable
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real

VERSION = platform.python_version()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serving(Registry(tmp_path / "registry")) as running:
        running.wheel("top", "1.0", ["low", "cuda"])
        running.wheel("low", "1.0")
        yield running


@pytest.fixture
def place(tmp_path: Path, registry: Registry) -> Lockable:
    place = Lockable(tmp_path / "project", registry, version=VERSION)
    place.config("top", skip={"cuda": dict.fromkeys(PLATFORMS, "no GPU there")})
    return place


def call(place: Lockable, *arguments: str) -> Result:
    return result_of(place.root, *arguments, environ={"BUNDLE_CACHE_DIR": str(place.root / "cache")})


def state(place: Lockable, *arguments: str) -> tuple[int, str]:
    result = call(place, "lock", VERSION, "--check", *arguments)
    return result.exit_code, result.data["locks"][0]["state"]


def lock_path(place: Lockable) -> Path:
    machine = platform_of(platform.system(), platform.machine())
    assert machine is not None
    return place.project.lock_path(VERSION, machine.key)


def test_a_lock_is_written_told_and_left_alone_while_it_is_fresh(place: Lockable, registry: Registry) -> None:
    assert state(place) == (1, "missing")

    first = call(place, "lock", VERSION)
    assert first.data["locks"][0]["status"] == "written"
    assert text_of(first).splitlines()[0].startswith(f"{VERSION} for ")
    assert "2 wheels, 1 skipped" in text_of(first)
    assert "no GPU there" in text_of(first)
    assert state(place) == (0, "fresh")

    registry.requests.clear()
    assert call(place, "lock", VERSION).data["locks"][0]["status"] == "unchanged"
    assert not registry.requests


def test_a_changed_configuration_makes_a_lock_stale(place: Lockable) -> None:
    call(place, "lock", VERSION)
    place.config("low")

    assert state(place) == (1, "stale")
    with pytest.raises(ConfigError, match="stale"):
        call(place, "fetch", VERSION)


def test_a_lock_edited_by_hand_is_noticed_and_written_anew_on_request(place: Lockable) -> None:
    call(place, "lock", VERSION)
    path = lock_path(place)
    before = path.read_bytes()
    path.write_bytes(before.replace(b"1.0", b"1.1"))

    assert state(place) == (4, "edited")
    with pytest.raises(IntegrityError, match="edited by hand"):
        call(place, "fetch", VERSION)

    call(place, "lock", VERSION)
    assert path.read_bytes() == before


def test_upgrading_takes_a_package_a_version_or_nothing_behind_it(place: Lockable, registry: Registry) -> None:
    call(place, "lock", VERSION)
    registry.wheel("low", "2.0")
    registry.wheel("top", "2.0", ["low"])

    def versions(result: Result) -> dict[str, str]:
        return {one["name"]: one["version"] for one in result.data["locks"][0]["packages"]}

    assert versions(call(place, "lock", VERSION)) == {"low": "1.0", "top": "1.0"}
    assert versions(call(place, "lock", VERSION, "--upgrade", "Low")) == {"low": "2.0", "top": "1.0"}
    assert versions(call(place, "lock", "--upgrade", VERSION)) == {"low": "2.0", "top": "2.0"}


def test_a_package_that_no_lock_has_cannot_be_upgraded(place: Lockable) -> None:
    assert call(place, "lock", VERSION, "--upgrade", "tpo").exit_code == 0  # There is no lock yet that could have it.

    with pytest.raises(ConfigError, match=r'has such a package\. Did you mean "top"\?'):
        call(place, "lock", VERSION, "--upgrade", "tpo")


def test_several_platforms_are_locked_and_what_fails_is_told(place: Lockable, registry: Registry) -> None:
    registry.wheel("only", "1.0", tag=f"cp{VERSION.replace('.', '')[:3]}-none-win_amd64")
    place.config("only")

    result = call(place, "lock", VERSION, "--platform", "windows-x64", "--platform", "linux-aarch64")

    assert [one["platform"] for one in result.data["locks"]] == ["windows-x64"]
    assert [(one["platform"], one["error"]) for one in result.data["failed"]] == [
        ("linux-aarch64", MissingPackageError.__name__)
    ]
    assert result.exit_code == 1


def test_fetching_fills_the_wheelhouse(place: Lockable) -> None:
    call(place, "lock", VERSION)

    result = call(place, "fetch", VERSION)

    files = {file["name"] for file in result.data["fetched"][0]["files"]}
    assert {path.name for path in place.project.wheelhouse.iterdir()} == files
    assert "2 files" in text_of(result)


def test_only_packages_from_source_have_a_wheel_to_build(place: Lockable) -> None:
    call(place, "lock", VERSION)

    with pytest.raises(ConfigError, match="takes low from a wheel"):
        call(place, "wheel", VERSION, "low")
    with pytest.raises(ConfigError, match=r'has no package lowe\. Did you mean "low"\?'):
        call(place, "wheel", VERSION, "lowe")


def test_an_unknown_version_is_answered_with_the_nearest(place: Lockable) -> None:
    with pytest.raises(ConfigError) as caught:
        call(place, "lock", f"{VERSION}1")

    assert VERSION in caught.value.remedy


def test_a_lock_without_platform_is_all_platforms_with_a_table_of_them(place: Lockable) -> None:
    result = call(place, "lock", VERSION)

    assert [one["platform"] for one in result.data["locks"]] == list(PLATFORMS)
    assert {path.name for path in place.project.folder(VERSION).glob("*.toml")} == {
        f"pylock.{key}.toml" for key in PLATFORMS
    }
    (table,) = result.data["coverage"]
    assert {one["name"]: {cell["decision"] for cell in one["platforms"].values()} for one in table["packages"]} == {
        "cuda": {"skipped"},
        "low": {"wheel"},
        "top": {"wheel"},
    }
    lines = text_of(result).splitlines()
    assert any(line.split() == ["package", *PLATFORMS] for line in lines)
    assert any(line.split() == ["low", "1.0", *["wheel"] * len(PLATFORMS)] for line in lines)
    assert any(line.split() == ["cuda", *["skipped", "[1]"] * len(PLATFORMS)] for line in lines)
    assert "  [1] no GPU there" in lines


def test_a_lock_tells_what_it_changes_and_the_table_on_request(place: Lockable, registry: Registry) -> None:
    call(place, "lock", VERSION)
    registry.wheel("low", "2.0")
    registry.wheel("extra", "1.0")
    place.config("top", "extra", skip={"cuda": dict.fromkeys(PLATFORMS, "no GPU there")})
    stale = text_of(call(place, "lock", "--check")).splitlines()
    assert stale[0] == f"0 of {len(PLATFORMS)} locks are fresh."
    assert stale[-1] == f"To do: bundle lock {VERSION}"

    result = call(place, "lock", "--all", "--upgrade", "low")

    text = text_of(result)
    assert text.splitlines()[-2:] == [
        "  + extra 1.0 (required by the configuration)",
        "    low 1.0 -> 2.0 (required by top)",
    ]
    assert result.data["locks"][0]["changes"][1] == {
        "name": "low",
        "before": "1.0",
        "now": "2.0",
        "why": "required by top",
    }
    assert result.data["locks"][0]["bytes"] > 0
    assert "[1] no GPU there" in text_of(call(place, "lock", VERSION, "--table"))
    assert text_of(call(place, "lock", "--check")) == f"{len(PLATFORMS)} of {len(PLATFORMS)} locks are fresh.\n"


def test_a_change_of_some_platforms_names_them(place: Lockable) -> None:
    call(place, "lock", VERSION)
    place.config("top", skip={"cuda": dict.fromkeys(PLATFORMS, "no GPU there"), "low": {"windows-x64": "too large"}})

    lines = text_of(call(place, "lock", VERSION)).splitlines()

    assert "    low 1.0 -> skipped (too large) on windows-x64" in lines


def test_all_gaps_of_all_platforms_are_told_in_one_run_and_good_platforms_are_locked(
    place: Lockable, registry: Registry
) -> None:
    python = f"cp{VERSION.replace('.', '')[:3]}"
    registry.wheel("first", "1.0", tag=f"{python}-none-win_amd64")
    registry.wheel("second", "1.0", tag=f"{python}-none-win_amd64.macosx_11_0_arm64")
    place.config("first", "second", "low")

    result = call(place, "lock", VERSION)

    assert result.exit_code == 1
    assert [one["platform"] for one in result.data["locks"]] == ["windows-x64"]
    assert place.project.lock_path(VERSION, "windows-x64").is_file()
    assert not place.project.lock_path(VERSION, "linux-x64").exists()
    table = {one["name"]: one["platforms"] for one in result.data["coverage"][0]["packages"]}
    assert {key for key, cell in table["first"].items() if cell["decision"] == "missing"} == {*PLATFORMS} - {
        "windows-x64"
    }
    assert {key for key, cell in table["second"].items() if cell["decision"] == "wheel"} == {
        "windows-x64",
        "macosx-aarch64",
    }
    assert {cell["decision"] for cell in table["low"].values()} == {"wheel"}
    assert f"wheels exist for: {python} win_amd64" in text_of(result)


def test_what_a_new_lock_would_lose_is_told_by_check_and_warned_of_when_it_is_written(place: Lockable) -> None:
    call(place, "lock", VERSION)
    before = {path: path.read_bytes() for path in place.project.folder(VERSION).glob("*.toml")}
    place.config("top", skip={"cuda": dict.fromkeys(PLATFORMS, "no GPU there"), "low": {"windows-x64": "too large"}})

    checked = call(place, "lock", VERSION, "--check")

    lost = "lost: low on windows-x64 (was wheel 1.0, now skipped: too large)"
    assert checked.exit_code == 1
    assert [one["what"] for one in checked.data["lost"]] == [lost]
    assert lost in text_of(checked).splitlines()
    assert {path: path.read_bytes() for path in before} == before

    written = call(place, "lock", VERSION)
    assert [one["what"] for one in written.data["lost"]] == [lost]
    assert call(place, "lock", VERSION, "--check").exit_code == 0


def test_a_package_whose_files_are_gone_is_lost_even_if_no_lock_can_be_written(
    place: Lockable, registry: Registry
) -> None:
    call(place, "lock", VERSION)
    (registry.root / "low" / "low-1.0-py3-none-any.whl").unlink()
    registry.wheel("low", "1.0", tag="cp27-none-win32")
    place.config("low==1.0")

    checked = call(place, "lock", VERSION, "--check", "--platform", "linux-x64")

    assert checked.exit_code == 1
    assert [(one["name"], one["now"]["decision"]) for one in checked.data["lost"]] == [("low", "missing")]


def test_a_lock_for_a_platform_that_is_gone_from_the_configuration_is_left_over(place: Lockable) -> None:
    call(place, "lock", VERSION)
    path = place.project.folder(VERSION) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "platforms": ["linux-x64"]}))

    checked = call(place, "lock", VERSION, "--check")

    assert checked.exit_code == 1
    assert {one["platform"] for one in checked.data["locks"] if one["state"] == "left over"} == {*PLATFORMS} - {
        "linux-x64"
    }
    assert "To do: delete" in text_of(checked)
    with pytest.raises(ConfigError, match="is not built for windows-x64"):
        call(place, "lock", VERSION, "--platform", "windows-x64")
