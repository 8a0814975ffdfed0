"""File names of wheels that are too long, or stand for too many tags."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import InvalidWheelFilename
from packaging.version import Version

from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.errors import IntegrityError
from bundle.base.filenames import file_obstacle
from bundle.make.resolve.policy import releases_of
from bundle.model.platforms import PLATFORMS, Floors
from bundle.model.wheeltags import MOST_TAGS, best_rank, parse_wheel_name, product_size, tag_ranks, tags_of
from tests.artifacts.wheel.layouts import lay, refused
from tests.artifacts.wheelmaker import make_wheel

RANKS = tag_ranks(PLATFORMS["linux-x64"], "3.12.10", Floors())

EXPLODING = {
    "three long sets": "demo-1.0-" + "-".join([".".join(["a"] * 40)] * 3) + ".whl",
    "millions of tags": "demo-1.0-" + "-".join([".".join(["py3"] * 1000)] * 3) + ".whl",
    "with a build number": "demo-1.0-1-" + "-".join([".".join(["py3", "b"] * 15)] * 3) + ".whl",
    "name of 10,000 characters": "a" * 10_000 + "-1.0-py3-none-any.whl",
    "version of 10,000 digits": "demo-" + "1" * 10_000 + "-py3-none-any.whl",
    "build number of 5,000 digits": "demo-1.0-" + "1" * 5000 + "-py3-none-any.whl",
    "one tag of 10,000 characters": "demo-1.0-py3-none-" + "a" * 10_000 + ".whl",
}


@pytest.mark.parametrize("name", EXPLODING.values(), ids=EXPLODING)
def test_a_name_that_explodes_is_no_wheels_name(name: str) -> None:
    with pytest.raises(InvalidWheelFilename) as caught:
        parse_wheel_name(name)
    assert len(str(caught.value)) < 300
    assert tags_of(name) == frozenset()


@pytest.mark.parametrize("name", EXPLODING.values(), ids=EXPLODING)
def test_a_registry_that_lists_it_gains_nothing(name: str) -> None:
    files = [RemoteFile(name, "x"), RemoteFile("demo-2.0-py3-none-any.whl", "x")]
    releases = releases_of("demo", files)
    assert [version for version in releases if version != Version("1.0")] == [Version("2.0")]
    for release in releases.values():
        for file in release.wheels:
            assert (best_rank(file.filename, RANKS) is None) == (file.filename == name)


@pytest.mark.parametrize(
    "name", ["a/../../demo-1.0-py3-none-any.whl", "demo-1.0-py3-none-any./../../x.whl", "", "..", "."]
)
def test_a_name_with_a_path_is_no_files_name(name: str) -> None:
    assert file_obstacle(name) is not None


def test_tags_in_the_wheel_file_are_bounded(tmp_path: Path) -> None:
    one = "Tag: " + "-".join([".".join(["py3"] * 500)] * 3) + "\n"
    many = "".join(f"Tag: py3-none-any{number}\n" for number in range(MOST_TAGS + 1))
    for number, tags in enumerate((one, many)):
        text = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n{tags}"
        wheel = make_wheel(tmp_path / str(number), dist_info={"WHEEL": text})
        assert isinstance(refused(wheel, tmp_path / str(number) / "tree"), IntegrityError)


@pytest.mark.parametrize(
    "name",
    [
        "numpy-2.2.6-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "torch-2.0.0+cu118-cp312-cp312-linux_x86_64.whl",
        "six-1.16.0-1-py2.py3-none-any.whl",
        "old-1.0-cp27.cp34.cp35.cp36-none-macosx_10_6_intel.macosx_10_9_intel.macosx_10_9_x86_64.whl",
        "demo-1.0-" + "py3." * 9 + "py2-none-" + "any." * 9 + "any.whl",
    ],
)
def test_names_of_the_field_are_parsed(name: str) -> None:
    assert tags_of(name)
    assert product_size(name) <= MOST_TAGS


def test_a_wheel_with_many_honest_tags_is_laid_out(tmp_path: Path) -> None:
    tag = "py2.py3-none-manylinux1_x86_64.manylinux2010_x86_64.manylinux_2_17_x86_64"
    lay(make_wheel(tmp_path, tag=tag), tmp_path / "tree")
