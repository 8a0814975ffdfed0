from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag

from bundle.model.platforms import PLATFORMS, Floors
from bundle.model.wheeltags import agree, best_rank, fits, is_pure, oldest_glibc, same_system, tag_ranks, tags_of

PYTHON = "3.12.10"


@pytest.mark.parametrize(
    ("filename", "platform", "expected"),
    [
        ("demo-1.0-py3-none-any.whl", "windows-x64", True),
        ("demo-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "linux-x64", True),
        ("demo-1.0-cp312-cp312-manylinux_2_34_x86_64.whl", "linux-x64", False),
        ("demo-1.0-cp312-cp312-manylinux_2_17_aarch64.whl", "linux-x64", False),
        ("demo-1.0-cp38-abi3-manylinux1_x86_64.whl", "linux-x64", True),
        ("demo-1.0-cp313-cp313-win_amd64.whl", "windows-x64", False),
        ("demo-1.0-cp312-cp312-win32.whl", "windows-x64", False),
        ("demo-1.0-cp312-cp312-macosx_11_0_universal2.whl", "macosx-aarch64", True),
        ("demo-1.0-cp312-cp312-macosx_14_0_arm64.whl", "macosx-aarch64", False),
        ("demo-1.0-cp312-cp312-musllinux_1_2_x86_64.whl", "linux-x64", False),
        ("demo-1.0.tar.gz", "linux-x64", False),
        ("nonsense.whl", "linux-x64", False),
    ],
)
def test_a_wheel_fits_by_its_tags_and_the_floors(filename: str, platform: str, expected: bool) -> None:
    assert fits(tags_of(filename), PLATFORMS[platform], PYTHON, Floors()) is expected
    rank = best_rank(filename, tag_ranks(PLATFORMS[platform], PYTHON, Floors()))
    assert (rank is not None) is expected


@given(st.text(), st.sampled_from(sorted(PLATFORMS)))
def test_any_name_either_fits_or_not(name: str, platform: str) -> None:
    assert fits(tags_of(name), PLATFORMS[platform], PYTHON, Floors()) in {True, False}
    best_rank(name, tag_ranks(PLATFORMS[platform], PYTHON, Floors()))


@given(st.data())
def test_a_wheel_agrees_with_itself(data: st.DataObject) -> None:
    platform = data.draw(st.sampled_from(list(PLATFORMS.values())))
    tag = data.draw(st.sampled_from(platform.tags(PYTHON, Floors())))
    assert agree([tag], [tag])


@pytest.mark.parametrize(
    ("named", "stated", "expected"),
    [
        ("cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-linux_x86_64", True),
        ("py3-none-manylinux2014_x86_64", "cp39-cp39-linux_x86_64", True),
        ("py3-none-win_amd64", "py3-none-any", True),
        ("cp312-cp312-macosx_11_0_universal2", "cp312-cp312-macosx_10_9_x86_64", True),
        ("cp312-cp312-macosx_11_0_arm64", "cp312-cp312-macosx_11_0_x86_64", False),
        ("py3-none-any", "py3-none-win_amd64", False),
        ("cp312-cp312-linux_x86_64", "cp311-cp311-linux_x86_64", False),
        ("cp312-cp312-manylinux1_x86_64", "cp312-cp312-manylinux2014_aarch64", False),
    ],
)
def test_a_renamed_wheel_agrees_if_it_is_still_the_same_thing(named: str, stated: str, expected: bool) -> None:
    assert agree([Tag(*named.split("-"))], [Tag(*stated.split("-"))]) is expected


@pytest.mark.parametrize(
    ("tags", "keys"),
    [
        ("py3-none-any", set(PLATFORMS)),
        ("cp27-cp27m-manylinux1_x86_64", {"linux-x64"}),
        ("cp312-cp312-musllinux_1_2_aarch64", {"linux-aarch64"}),
        ("cp312-cp312-macosx_11_0_universal2", {"macosx-x64", "macosx-aarch64"}),
        ("cp312-cp312-macosx_10_9_intel", {"macosx-x64"}),
        ("cp312-cp312-win_amd64.win32", {"windows-x64"}),
        ("cp312-cp312-win_arm64.win32", set()),
    ],
)
def test_system_and_machine_are_told_whatever_the_age(tags: str, keys: set[str]) -> None:
    parsed = tags_of(f"demo-1.0-{tags}.whl")
    assert {key for key, platform in PLATFORMS.items() if same_system(parsed, platform)} == keys
    assert is_pure(parsed) == (keys == set(PLATFORMS))


@pytest.mark.parametrize(
    ("tags", "glibc"),
    [
        ("cp312-cp312-manylinux_2_28_x86_64.manylinux_2_9_x86_64", "2.9"),
        ("cp312-cp312-manylinux_2_39_x86_64", "2.39"),
        ("cp312-cp312-linux_x86_64", None),
    ],
)
def test_the_oldest_glibc_of_several_tags_counts(tags: str, glibc: str | None) -> None:
    assert oldest_glibc(tags_of(f"demo-1.0-{tags}.whl")) == glibc
