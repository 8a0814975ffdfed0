from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.make.verify.emulators.loader_errors import lacking, require_loader, too_old
from tests.make.verify.emulators.fakes import ARM, X64, sysroot


def test_the_newest_version_that_a_system_lacks_is_its_floor() -> None:
    text = "".join(
        f"python: libc: version `{symbol}' not found (required by x)\n"
        for symbol in ("GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.9", "GLIBCXX_3.4.30")
    )
    assert too_old(text) == ("GLIBC_2.34", "version `GLIBC_2.34' not found")
    assert too_old("all is well") is None


def test_a_library_is_lacking_only_if_every_system_has_it() -> None:
    text = "ImportError: {}: cannot open shared object file: No such file or directory\n"
    assert lacking(text.format("libm.so.6"), "/old") == "libm.so.6: cannot open shared object file: /old lacks it"
    assert lacking(text.format("libown.so.1"), "/old") is None


def test_a_system_has_a_program_loader(tmp_path: Path) -> None:
    root = sysroot(tmp_path / "root", "x86_64")
    assert require_loader(root, X64, "--root") == root
    with pytest.raises(ConfigError, match=r"--root .*ld-linux-aarch64\.so\.1"):
        require_loader(root, ARM, "--root")
