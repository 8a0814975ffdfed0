from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.native.native import Native
from bundle.base.native.read import read_native
from tests.base.nativemaker import elf


def native(folder: Path, content: bytes) -> Native | None:
    path = folder / "file"
    path.write_bytes(content)
    return read_native(path)


def read(folder: Path, content: bytes) -> Native:
    found = native(folder, content)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (elf(), False),
        (elf(stack="RWX"), True),
        (elf(stack=""), True),
        (elf(machine="aarch64", stack=""), False),
        (elf(machine="aarch64", stack="RWX"), True),
    ],
)
def test_an_executable_stack_is_seen_and_follows_from_the_machine_if_nothing_is_said(
    tmp_path: Path, content: bytes, expected: bool
) -> None:
    assert read(tmp_path, content).executable_stack is expected


def test_relocations_in_code_are_seen(tmp_path: Path) -> None:
    assert read(tmp_path, elf(text_relocations=True)).text_relocations
    assert not read(tmp_path, elf()).text_relocations


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_the_level_of_the_processor_is_read(tmp_path: Path, level: int) -> None:
    assert read(tmp_path, elf(level=level)).level == level


@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_file_without_all_its_segments_is_damaged(tmp_path: Path, part: float) -> None:
    content = elf(needed=["libc.so.6"], name="libx.so")
    assert native(tmp_path, content[: int(len(content) * part)]) is None


def test_a_table_of_sections_beyond_the_end_means_that_the_file_was_cut_off(tmp_path: Path) -> None:
    content = bytearray(elf())
    content[40:48] = len(content).to_bytes(8, "little")
    content[58:62] = (64).to_bytes(2, "little") + (3).to_bytes(2, "little")
    assert read(tmp_path, bytes(content)).cut_off
    assert not read(tmp_path, elf()).cut_off
