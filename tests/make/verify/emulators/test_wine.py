from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.protocol import Missing
from bundle.make.verify.emulators.wine import Wine, WineRunner, find_wine
from tests.make.verify.emulators.fakes import TRACEBACK, ended, having

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


def test_what_wine_lacks_says_nothing_of_the_bundle() -> None:
    words = "wine: Call from 000000007B013D7E to unimplemented function ucrtbase.dll.crealf, aborting"
    assert WINE.inconclusive(ended(f"0024:fixme:x\n {words}\n", 0)) == words


def test_a_wine_that_dies_or_takes_too_long_says_nothing_of_the_bundle() -> None:
    assert WINE.inconclusive(ended(code=-9)) == "Wine was ended by signal 9"
    assert "7 s" in str(WINE.inconclusive(ended(code=-15, timed_out=True)))


@pytest.mark.parametrize(
    "completed",
    [
        ended(TRACEBACK + "ImportError: DLL load failed while importing _x: Module not found.\n"),
        ended("wine: Unhandled page fault on read access to 0000000000000000 at address 1\n", 5),
        ended("Fatal error in launcher: Unable to create process using 'x'\n"),
    ],
)
def test_what_the_bundle_does_wrong_is_its_own_under_wine(completed: Completed) -> None:
    assert WINE.inconclusive(completed) is None


def test_a_file_that_is_no_windows_program_is_not_started() -> None:
    words = 'wine: failed to open "/b/python.exe": c0000135'
    assert WINE.unstarted(ended(f"{words}\n", 53)) == words
