from __future__ import annotations

from importlib import resources

import pytest

from bundle.model.windows_libraries import WINDOWS_EXPECTED, is_windows_library, windows_since


@pytest.mark.parametrize(
    "name",
    [
        *("authz", "webservices", "aclui", "query", "fltlib", "win32u", "mmdevapi", "msftedit", "quartz", "wsdapi"),
        *("taskschd", "sxs", "winsta", "uiribbon", "hlink", "kernel32", "bcryptprimitives", "d3d12", "icu", "ucrtbase"),
    ],
)
def test_what_stands_in_system32_is_known(name: str) -> None:
    assert is_windows_library(f"{name}.dll")


@pytest.mark.parametrize(
    "name", ["nowhere.dll", "kernel32", "libcrypto-3.dll", "msvcp140.dll", "mfc140u.dll", "zlib.dll"]
)
def test_other_names_are_not(name: str) -> None:
    assert not is_windows_library(name)


def test_drivers_of_printers_stand_there_under_their_own_suffix() -> None:
    assert is_windows_library("winspool.drv")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("api-ms-win-crt-heap-l1-1-0.dll", True),
        ("api-ms-win-core-synch-l1-2-0.dll", True),
        ("api-ms-win-core-synch-l1-2-9.dll", True),  # the revision does not count
        ("api-ms-win-core-synch-l1-9-0.dll", False),
        ("api-ms-win-core-synch-l7-1-0.dll", False),
        ("api-ms-win-core-bogus-l9-9-9.dll", False),
        ("api-ms-win-core-heap.dll", False),
        ("ext-ms-win-ntuser-window-l1-1-0.dll", True),
    ],
)
def test_an_api_set_is_known_by_its_name_and_version(name: str, known: bool) -> None:
    assert is_windows_library(name) == known


@pytest.mark.parametrize(
    "name",
    [
        *("vcruntime140.dll", "vcruntime140_1.dll", "vcruntime140_threads.dll", "msvcp140.dll", "msvcp140_1.dll"),
        *("msvcp140_codecvt_ids.dll", "concrt140.dll", "vcomp140.dll", "vcamp140.dll", "vccorlib140.dll"),
        *("mfc140.dll", "mfc140u.dll", "mfcm140u.dll", "mfc140deu.dll"),
    ],
)
def test_the_redistributable_is_known(name: str) -> None:
    assert WINDOWS_EXPECTED.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["vcruntime140d.dll", "msvcp140d.dll", "mfc140ud.dll", "msvcr100.dll", "python312.dll"]
)
def test_its_debug_form_and_older_ones_are_not_on_most_machines(name: str) -> None:
    assert not WINDOWS_EXPECTED.fullmatch(name)


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("python312.dll", "8.1"),
        ("python313.dll", "10"),
        ("python313t.dll", "10"),
        ("python314.dll", "10"),
        ("python3.dll", ""),
        ("icu.dll", "10.0.18362"),
        ("api-ms-win-core-ioring-l1-1-0.dll", "10.0.22000"),
        ("kernel32.dll", ""),
    ],
)
def test_a_library_tells_the_windows_that_it_came_with(name: str, since: str) -> None:
    assert windows_since(name) == since


@pytest.mark.parametrize("name", ["windows_system.txt", "windows_api_sets.txt"])
def test_the_tables_are_sorted_lower_case_and_without_repetition(name: str) -> None:
    text = resources.files("bundle.model").joinpath(name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == sorted(set(lines))
    assert text == text.replace(" \n", "\n")
    assert all(line == line.lower().strip() and line for line in lines)
