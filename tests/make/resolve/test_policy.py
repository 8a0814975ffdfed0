from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.make.resolve.policy import Decision, Policy, Release, Target, releases_of, wheel_platforms
from bundle.model.config.config import BuildWheel, PlatformPackages, Resolution
from bundle.model.platforms import PLATFORMS, Floors

PYTHON = "3.12.10"
LINUX = Target(platform=PLATFORMS["linux-x64"], python=PYTHON, floors=Floors())
NATIVE = "demo-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"
FOREIGN = "demo-1.0-cp312-cp312-win_amd64.whl"
SDIST = "demo-1.0.tar.gz"


def release(*names: str, **more: Any) -> Release:
    files = tuple(RemoteFile(name, f"https://files.example/{name}", **more) for name in names)
    return Release(name="demo", version=Version("1.0"), files=files)


def decide(*names: str, target: Target = LINUX, **rules: Any) -> Decision:
    return Policy(PlatformPackages(**rules), target).decide(release(*names))


def test_a_compatible_wheel_is_taken_even_where_sources_are_allowed() -> None:
    decision = decide(NATIVE, FOREIGN, SDIST, resolution=Resolution(allow_source_all=True))

    assert (decision.kind, decision.file and decision.file.filename) == ("wheel", NATIVE)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"force_source": {"demo": "slow"}}, "forceSource: slow"),
        ({"build_wheel": {"demo": BuildWheel(reason="odd")}}, "buildWheel: odd"),
        ({"resolution": Resolution(force_source=frozenset({"demo"}))}, "resolution.forceNoBinaryList"),
    ],
)
def test_what_must_be_built_is_built_though_there_is_a_wheel(rules: dict[str, Any], reason: str) -> None:
    decision = decide(NATIVE, SDIST, **rules)

    assert (decision.kind, decision.reason) == ("source", reason)
    assert decide(NATIVE, **rules).kind == "missing"


@pytest.mark.parametrize(
    ("resolution", "kind"),
    [
        (Resolution(), "missing"),
        (Resolution(allow_source_all=True), "source"),
        (Resolution(allow_source=frozenset({"demo"})), "source"),
        (Resolution(allow_source=frozenset({"other"})), "missing"),
        (Resolution(allow_source_all=True, only_binary=frozenset({"demo"})), "missing"),
        (Resolution(allow_source=frozenset({"demo"}), only_binary=frozenset({"demo"})), "missing"),
    ],
)
def test_without_a_wheel_the_source_needs_permission(resolution: Resolution, kind: str) -> None:
    assert decide(FOREIGN, SDIST, resolution=resolution).kind == kind


def test_a_reason_says_what_stands_in_the_way() -> None:
    assert decide(FOREIGN).reason == "no wheel fits linux-x64, and there is no sdist"
    assert "resolution.allowSourceList" in decide(FOREIGN, SDIST).reason
    forbidden = Resolution(only_binary=frozenset({"demo"}))
    assert "resolution.onlyBinaryList" in decide(FOREIGN, SDIST, resolution=forbidden).reason
    assert "has no sdist" in decide(NATIVE, force_source={"demo": "slow"}).reason


def test_a_file_for_another_python_does_not_count() -> None:
    policy = Policy(PlatformPackages(resolution=Resolution(allow_source_all=True)), LINUX)

    decision = policy.decide(release(NATIVE, SDIST, requires_python=">=3.13"))

    assert decision.kind == "missing"
    assert decision.reason == "it needs Python >=3.13, and this is 3.12.10"
    assert policy.decide(release(NATIVE, requires_python="nonsense")).kind == "wheel"
    assert policy.decide(release(NATIVE, requires_python=">=3.12.4,<4")).kind == "wheel"


def test_withdrawn_files_do_not_count_unless_asked_for() -> None:
    policy = Policy(PlatformPackages(), LINUX)

    assert policy.decide(release(NATIVE, yanked="broken")).kind == "missing"
    assert policy.decide(release(NATIVE, yanked="broken"), yanked=True).kind == "wheel"


def test_only_files_with_a_known_hash_count_where_hashes_are_given() -> None:
    good, bad = "a" * 64, "b" * 64
    policy = Policy(PlatformPackages(hashes={"demo": frozenset({good})}), LINUX)
    assert policy.decide(release(NATIVE, sha256=good)).kind == "wheel"
    for other in (bad, None):
        decision = policy.decide(release(NATIVE, sha256=other))
        assert (decision.kind, decision.reason) == ("missing", "none of its files has a hash of packages.hashes")
    forbidden = Policy(PlatformPackages(hashes={"demo": frozenset()}), LINUX).decide(release(NATIVE, sha256=good))
    assert forbidden.reason == "it has no hash in packages.hashes"
    assert Policy(PlatformPackages(hashes={"else": frozenset()}), LINUX).decide(release(NATIVE)).kind == "wheel"


def test_a_wheel_above_the_floor_is_not_available() -> None:
    newer = "demo-1.0-cp312-cp312-manylinux_2_34_x86_64.whl"
    later = Target(platform=LINUX.platform, python=PYTHON, floors=Floors(glibc="2.34"))

    assert decide(newer).kind == "missing"
    assert decide(newer).reason == (
        'no wheel fits linux-x64 at build.glibc 2.28 (one would with "2.34"), and there is no sdist'
    )
    assert decide(newer, target=later).kind == "wheel"


def test_a_gzipped_tar_comes_before_a_zip_and_other_archives_do_not_count() -> None:
    decision = decide("demo-1.0.zip", SDIST, "demo-1.0.tar.bz2", resolution=Resolution(allow_source_all=True))

    assert decision.file is not None
    assert decision.file.filename == SDIST
    assert decide("demo-1.0.tar.bz2", resolution=Resolution(allow_source_all=True)).kind == "missing"


def test_the_higher_build_number_wins_among_equal_tags() -> None:
    decision = decide(NATIVE, "demo-1.0-2-cp312-cp312-manylinux_2_17_x86_64.whl", "demo-1.0-10-py3-none-any.whl")

    assert decision.file is not None
    assert decision.file.filename.startswith("demo-1.0-2-")


def test_files_are_grouped_by_version_however_they_spell_it() -> None:
    names = ["demo-1.0.tar.gz", "Demo-1-py3-none-any.whl", "demo-1.0.0.post1.tar.gz", "demo-1.0_1-py3-none-any.whl"]
    others = ["demo-1.0.exe", "other-1.0.tar.gz", "demo-nonsense.tar.gz", "demo-extra-1.0.tar.gz", "demo-1.0.egg"]

    found = releases_of("demo", [RemoteFile(name, "") for name in [*names, *others]])

    assert {str(version): len(one.files) for version, one in found.items()} == {"1.0.0.post1": 2, "1.0": 2}


def test_wheels_that_do_exist_are_told_by_python_and_platform() -> None:
    assert wheel_platforms(release(NATIVE, FOREIGN, SDIST).wheels) == (
        "cp312 manylinux_2_17_x86_64",
        "cp312 win_amd64",
    )


TAGS = st.builds(
    "{}-{}-{}".format,
    st.sampled_from(["cp312", "cp311", "cp313", "py3", "py2.py3", "cp39", "pp310"]),
    st.sampled_from(["cp312", "abi3", "none", "cp313t", "cp311"]),
    st.lists(
        st.sampled_from(
            [
                *("any", "win_amd64", "win32", "linux_x86_64", "manylinux1_x86_64", "manylinux2014_x86_64"),
                *("manylinux_2_28_x86_64", "manylinux_2_34_x86_64", "manylinux_2_17_aarch64", "musllinux_1_2_x86_64"),
                *("macosx_11_0_arm64", "macosx_10_9_x86_64", "macosx_12_0_universal2", "macosx_14_0_arm64"),
            ]
        ),
        min_size=1,
        max_size=2,
        unique=True,
    ).map(".".join),
)


@given(tags=st.lists(TAGS, unique=True, max_size=8), key=st.sampled_from(list(PLATFORMS)))
def test_the_best_wheel_fits_and_none_fits_better(tags: list[str], key: str) -> None:
    target = Target(platform=PLATFORMS[key], python=PYTHON, floors=Floors())
    supported = list(target.platform.tags(PYTHON, Floors()))
    names = [f"demo-1.0-{tag}.whl" for tag in tags]

    best = target.best_wheel(release(*names).files)

    def place(name: str) -> int | None:
        return min((supported.index(tag) for tag in parse_wheel_filename(name)[3] if tag in supported), default=None)

    places = [found for name in names if (found := place(name)) is not None]
    assert (best is None) == (not places)
    if best is not None:
        assert place(best.filename) == min(places)
