from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.portable.debian_packages import licence_of, owners


@pytest.mark.parametrize(
    ("library", "licence"),
    [
        ("libz.so.1", "Zlib"),
        ("libssl.so.1.1", "Apache-2.0"),
        ("libssl-3-x64.dll", "NOASSERTION"),
        ("libssl-1.1.dll", "Apache-2.0"),
        ("libtcl9.0.dylib", "NOASSERTION"),
        ("tcl86t.dll", "TCL"),
        ("vcruntime140_1.dll", "LicenseRef-Microsoft-Visual-C-Runtime"),
        ("libgdbm_compat.so.4", "GPL-3.0-or-later"),
        ("libunknown.so.5", "NOASSERTION"),
    ],
)
def test_the_licence_of_a_library_follows_from_its_name_without_versions(library: str, licence: str) -> None:
    assert licence_of(library) == licence


def test_no_file_has_an_owner_on_a_system_without_dpkg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert owners([Path("/usr/lib/libz.so.1")]) == {}
