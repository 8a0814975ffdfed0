from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.make.verify.emulators.find import find_runner
from bundle.make.verify.emulators.protocol import Missing
from bundle.model.platforms import Platform
from tests.make.verify.emulators.fakes import ARM, MAC, WINDOWS, X64


def test_the_machine_itself_needs_no_emulator() -> None:
    assert find_runner(X64, machine=X64, environ={"PATH": ""}) is None


@pytest.mark.parametrize(
    ("platform", "named"),
    [(ARM, "qemu-aarch64-static"), (WINDOWS, "wine")],
    ids=lambda value: getattr(value, "key", value),
)
def test_an_emulator_that_is_not_there_is_named_with_what_installs_it(platform: Platform, named: str) -> None:
    missing = find_runner(platform, machine=X64, environ={"PATH": ""})
    assert isinstance(missing, Missing)
    assert named in missing.what
    assert "apt-get install" in missing.remedy


def test_nothing_runs_macos() -> None:
    missing = find_runner(MAC, machine=X64, environ={"PATH": ""})
    assert isinstance(missing, Missing)
    assert "macosx-aarch64" in missing.remedy


def test_a_root_is_for_linux_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--root is for Linux"):
        find_runner(WINDOWS, machine=X64, environ={}, root=tmp_path)


def test_a_folder_without_a_program_loader_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ld-linux-x86-64\.so\.2"):
        find_runner(X64, machine=X64, environ={}, root=tmp_path)
