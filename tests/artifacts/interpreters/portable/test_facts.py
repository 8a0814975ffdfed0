from __future__ import annotations

from pathlib import Path

from bundle.artifacts.interpreters.portable.facts import Glibc, measure_glibc
from bundle.model.platforms import PLATFORMS
from tests.base.nativemaker import elf, pe

LINUX = PLATFORMS["linux-x64"]


def interpreter(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_what_starts_and_what_needs_more_are_told_apart(tmp_path: Path) -> None:
    tree = interpreter(
        tmp_path,
        {
            "bin/python3.12": elf(needed=["libpython3.12.so"], versions={"libc.so.6": ["GLIBC_2.9"]}),
            "lib/libpython3.12.so": elf(name="libpython3.12.so", versions={"libc.so.6": ["GLIBC_2.17"]}),
            "lib/python3.12/lib-dynload/_new.so": elf(versions={"libc.so.6": ["GLIBC_2.34"]}),
            "lib/python3.12/lib-dynload/_stranger.so": elf(machine="aarch64", versions={"libc.so.6": ["GLIBC_2.39"]}),
            "lib/python3.12/launcher.exe": pe(program=True),
        },
    )
    expected = Glibc(start="2.17", whole="2.34", above={"lib/python3.12/lib-dynload/_new.so": "2.34"})
    assert measure_glibc(tree, LINUX, "3.12.10") == expected


def test_a_feature_of_the_dynamic_linker_counts(tmp_path: Path) -> None:
    python = elf(interpreter=LINUX.loaders[0], versions={"libc.so.6": ["GLIBC_2.17", "GLIBC_ABI_DT_RELR"]})
    tree = interpreter(tmp_path, {"bin/python3.12": python})
    assert measure_glibc(tree, LINUX, "3.12.10") == Glibc(start="2.36", whole="2.36")


def test_other_systems_have_no_glibc(tmp_path: Path) -> None:
    tree = interpreter(tmp_path, {"python.exe": pe(program=True)})
    assert measure_glibc(tree, PLATFORMS["windows-x64"], "3.12.10") == Glibc()
