from pathlib import Path

import pytest

from bundle.artifacts.interpreters.portable.content_rules import DROP, DROP_FROM_HOST
from bundle.artifacts.interpreters.portable.trimming import drop, matcher

STDLIB = "lib/python3.12"


@pytest.mark.parametrize(
    "path",
    [
        "lib/python3.12/test",
        "lib/python3.12/unittest/test",
        "lib/python3.12/distutils/tests",
        "lib/python3.12/site-packages",
        "lib/python3.12/EXTERNALLY-MANAGED",
        "lib/python3.12/config-3.12-x86_64-linux-gnu",
        "lib/python3.12/json/__pycache__",
        "__pycache__",
        "lib/libpython3.12.a",
        "lib/python3.12/lib-dynload/_testcapi.cpython-312-x86_64-linux-gnu.so",
        "lib/python3.12/lib-dynload/_tkinter.cpython-312-x86_64-linux-gnu.so",
    ],
)
def test_what_nobody_needs_at_run_time_is_left_out(path: str) -> None:
    assert matcher((*DROP, *DROP_FROM_HOST), STDLIB)(path)


@pytest.mark.parametrize(
    "path",
    [
        "lib/python3.12/unittest/mock.py",
        "lib/python3.12/doctest.py",
        "lib/python3.12/ensurepip/_bundled/pip-23.2.1-py3-none-any.whl",
        "lib/python3.12/venv/scripts/common/activate",
        "lib/python3.12/lib-dynload/_ctypes.cpython-312-x86_64-linux-gnu.so",
        "lib/libpython3.12.so.1.0",
        "include/python3.12/Python.h",
        "lib/pkgconfig/python-3.12.pc",
    ],
)
def test_what_programs_and_builds_need_stays(path: str) -> None:
    assert matcher((*DROP, *DROP_FROM_HOST), STDLIB)(path) is None


def test_the_rules_of_the_windows_layout_apply_to_its_names() -> None:
    match = matcher(DROP, "Lib")
    assert match("Lib/test")
    assert match("Lib/site-packages")
    assert match("Scripts")
    assert match("DLLs/_testcapi.pyd")
    assert match("DLLs/_ctypes.pyd") is None


def test_dropping_says_which_rules_applied_and_leaves_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / STDLIB / "only" / "tests").mkdir(parents=True)
    (tmp_path / STDLIB / "only" / "tests" / "a.py").touch()
    (tmp_path / STDLIB / "os.py").touch()
    assert drop(tmp_path, matcher(DROP, STDLIB)) == {"lib/python3.12/*/tests"}
    assert [path.name for path in (tmp_path / STDLIB).iterdir()] == ["os.py"]
