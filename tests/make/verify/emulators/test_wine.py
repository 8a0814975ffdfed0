from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bundle.base.processes.run import check, run
from bundle.base.report import Reporter
from bundle.make.verify.emulators.protocol import EmulatorWorkspace, Missing
from bundle.make.verify.emulators.wine import Wine, WineRunner, find_wine
from tests.foreign.bundles import found
from tests.foreign.cache import cache_folder
from tests.make.verify.emulators.fakes import ONCE, TRACEBACK, again, ended, having

WINE = WineRunner(program="/usr/bin/wine", prefix=Path("/prefix"))


def test_wine_needs_its_server() -> None:
    assert isinstance(find_wine(having("wine")), Missing)
    found = find_wine(having("wine64", "wineserver"))
    assert found == Wine(program="/none/bin/wine64", server="/none/bin/wineserver")


def test_wine_sees_paths_on_drive_z() -> None:
    assert WINE.command(Path("/b/python.exe"), ["-V"]) == ["/usr/bin/wine", "/b/python.exe", "-V"]
    assert WINE.translate(Path("/tmp x/ä")) == "Z:\\tmp x\\ä"
    assert WINE.environment["WINEPREFIX"] == "/prefix"
    assert WINE.environment["WINEDLLOVERRIDES"].startswith("mscoree,mshtml,wbemprox")


LACKING = "wine: Call from 000000007B013D7E to unimplemented function ucrtbase.dll.crealf, aborting"

LOADED = """
0024:trace:loaddll:build_module Loaded L"Z:\\\\b\\\\python312.dll" at 0000000180000000: native
0024:trace:loaddll:build_module Loaded L"C:\\\\windows\\\\system32\\\\odbc32.dll" at 0000000260000000: builtin
0024:trace:loaddll:build_module Loaded L"C:\\\\windows\\\\system32\\\\ntdll.dll" at 0000000170000000: builtin
"""


def crashed(address: int) -> str:
    return f"wine: Unhandled page fault on read access to 0000000000000000 at address {address:016X} (thread 0024)\n"


DIAGNOSIS = '00f4:err:winediag:load_odbc failed to open library "libodbc.so.2": cannot open shared object file\n'


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        (LACKING, "crealf"),
        (LOADED + crashed(0x260001234), "inside Wine's own odbc32.dll"),
        (LOADED + DIAGNOSIS + crashed(0x180001234), 'Wine failed to open library "libodbc.so.2"'),
    ],
)
def test_what_wine_lacks_says_nothing_of_the_bundle(errors: str, words: str) -> None:
    assert words in str(WINE.inconclusive(ended(f"0024:fixme:x\n {errors}\n", 0), again(ended(errors))))


def test_a_wine_that_dies_or_takes_too_long_says_nothing_of_the_bundle() -> None:
    assert WINE.inconclusive(ended(code=-9), ONCE) == "Wine was ended by signal 9"
    assert "7 s" in str(WINE.inconclusive(ended(code=-15, timed_out=True), ONCE))


@pytest.mark.parametrize(
    ("errors", "apart"),
    [
        (TRACEBACK + "ImportError: DLL load failed while importing _x: Module not found.\n", None),
        (crashed(0x180001234), LOADED + crashed(0x180001234)),
        (crashed(0x170001234), LOADED + crashed(0x170001234)),
        (crashed(0), LOADED + crashed(0)),
        (crashed(0x180001234), DIAGNOSIS + LOADED + crashed(0x180001234)),
        (DIAGNOSIS + crashed(0x180001234), LOADED + crashed(0x180001234)),
        ("Fatal error in launcher: Unable to create process using 'x'\n", None),
        (f"{LACKING}\n", ""),
        (f"{LACKING}\n", LOADED + crashed(0x180001234)),
    ],
)
def test_what_the_bundle_does_wrong_is_its_own_under_wine(errors: str, apart: str | None) -> None:
    second = ONCE if apart is None else again(ended(apart))
    assert WINE.inconclusive(ended(errors, 5), second) is None


def test_a_file_that_is_no_windows_program_is_not_started() -> None:
    words = 'wine: failed to open "/b/python.exe": c0000135'
    assert WINE.unstarted(ended(f"{words}\n", 53)) == words


@pytest.mark.real
def test_a_server_leaves_nothing_in_the_temporary_folder(tmp_path: Path) -> None:
    installed = find_wine(shutil.which)
    wine = found(None if isinstance(installed, Missing) else installed, "Wine is not installed (wine, wine64)")
    work = cache_folder() / "wine"
    work.mkdir(parents=True, exist_ok=True)
    workspace = EmulatorWorkspace(bundle=tmp_path, scratch=tmp_path, work=work, reporter=Reporter())
    with wine.ready(workspace) as runner:
        own = runner.prefix.stat()
        folder = f"*wine-*/server-{own.st_dev:x}-{own.st_ino:x}"
        env = {"PATH": os.defpath, "HOME": str(tmp_path), **runner.environment}
        assert "hi" in check(run(runner.command(Path("cmd"), ["/c", "echo hi"]), env=env, timeout=60), "Wine").output
        assert len(list(Path("/tmp").glob(folder))) == 1
    assert list(Path("/tmp").glob(folder)) == []
