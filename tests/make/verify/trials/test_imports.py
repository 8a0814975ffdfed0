from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.make.verify.checks.findings import Report
from bundle.make.verify.trials.imports import import_modules
from bundle.make.verify.trials.isolation import Isolation
from tests.make.conftest import TinyBundle, accepted

pytestmark = pytest.mark.real


def told(report: Report) -> dict[tuple[str, str], str]:
    return {(finding.severity, finding.subject): finding.message for finding in report.findings}


def isolation(bundle: TinyBundle, scratch: Path) -> Isolation:
    scratch.mkdir()
    return Isolation(root=bundle.root, python=bundle.python, platform=bundle.platform, scratch=scratch)


def test_a_sound_bundle_has_no_findings(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    tiny_bundle.install("good", "1.0", {"good/__init__.py": "", "good/_fast.so": compiled("_fast")})
    report = tiny_bundle.verify(tmp_path / "work", "imports", "records", "requirements")
    assert report.findings == ()
    assert report.checked["imports"] > 1
    assert list((tmp_path / "work").iterdir()) == []


def test_each_broken_module_is_named_with_its_reason(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    raises = 'PyErr_SetString(PyExc_ImportError, "needs a display"); return NULL;'
    tiny_bundle.install(
        "mixed",
        "1.0",
        {
            "mixed/__init__.py": "",
            "mixed/_fine.so": compiled("_fine"),
            "mixed/_cut.abi3.so": compiled("_cut")[:60],
            "mixed/_aborts.so": compiled("_aborts", "abort();"),
            "mixed/_exits.so": compiled("_exits", "exit(3);"),
            "mixed/_raises.so": compiled("_raises", raises),
            "mixed/_known.so": compiled("_known", raises),
            "mixed/_old.cpython-27-x86_64-linux-gnu.so": b"",
        },
    )
    entries = [
        accepted("import-fails", "*/mixed/_known.*", "needs a display"),
        accepted("import-fails", "*/mixed/_raises.*", "another text"),
        accepted("import-fails", "*/mixed/_aborts.*", "Aborted"),
        accepted("import-fails", "*/mixed/_fine.*", "anything"),
        accepted("import-fails", "*/elsewhere/_x.*", "anything"),
    ]
    report = tiny_bundle.verify(tmp_path / "work", "imports", entries=entries)
    unused = "this entry of verify.accept accepts nothing:"
    assert told(report) == {
        ("error", "mixed: mixed._aborts"): "crashes at import: killed by SIGABRT.",
        ("error", "mixed: mixed._cut"): "cannot be imported.",
        ("error", "mixed: mixed._exits"): "cannot be imported.",
        ("error", "mixed: mixed._old"): "is built for another interpreter (cpython-27-x86_64-linux-gnu).",
        ("error", "mixed: mixed._raises"): 'cannot be imported. verify.accept expects "another text".',
        ("error", "mixed: mixed._known"): "cannot be imported.",
        ("warning", "import-fails: */mixed/_aborts.*"): f"{unused} nothing is wrong with its files.",
        ("warning", "import-fails: */mixed/_fine.*"): f"{unused} nothing is wrong with its files.",
        ("note", "import-fails: */elsewhere/_x.*"): f"{unused} no file of this bundle fits.",
    }
    assert [(finding.subject, finding.accepted) for finding in report.accepted] == [
        ("mixed: mixed._known", "It is known.")
    ]
    rules = {finding.subject: finding.rule for finding in report.of("error")}
    assert rules["mixed: mixed._aborts"] == "import-crashes"
    assert rules["mixed: mixed._cut"] == "import-fails"
    by_name = {finding.subject: finding for finding in report.of("error")}
    assert by_name["mixed: mixed._raises"].details == ("ImportError: needs a display",)
    assert '{"rule": "import-fails", "files": "*/mixed/_cut.*", "error": ' in by_name["mixed: mixed._cut"].remedy
    assert str(tiny_bundle.root) not in str([finding.as_json() for finding in report.findings])
    assert not report.ok


def test_a_package_whose_parent_crashes_fails_each_of_its_modules(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    crash = "import os\nos.kill(os.getpid(), 11)\n"
    tiny_bundle.install(
        "bad",
        "1.0",
        {"bad/__init__.py": crash, "bad/_a.so": compiled("_a"), "bad/_b.so": compiled("_b"), "_free.so": b""},
    )
    failures = import_modules(isolation(tiny_bundle, tmp_path / "scratch"), ["bad._a", "bad._b", "math"], jobs=2)
    assert {name: failure.message for name, failure in failures.items()} == {
        "bad._a": "crashes at import: killed by SIGSEGV.",
        "bad._b": "crashes at import: killed by SIGSEGV.",
    }


def test_a_module_that_hangs_is_given_up_and_the_others_are_imported(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    tiny_bundle.install("slow", "1.0", {"slow.py": "import time\ntime.sleep(600)\n", "quick.py": ""})
    failures = import_modules(isolation(tiny_bundle, tmp_path / "scratch"), ["slow", "quick"], jobs=1, timeout=1.0)
    assert {name: failure.message for name, failure in failures.items()} == {"slow": "was not imported within 1 s."}


def test_what_a_module_prints_or_closes_does_not_disturb_the_answers(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    loud = "import os, sys\nprint('bad')\nsys.stderr.write('x' * 100000)\nos.close(1)\nraise SystemExit(0)\n"
    tiny_bundle.install("loud", "1.0", {"loud.py": loud, "bad.py": "1/0\n"})
    failures = import_modules(isolation(tiny_bundle, tmp_path / "scratch"), ["loud", "bad"], jobs=2)
    assert set(failures) == {"bad", "loud"}


def test_modules_see_an_interpreter_that_has_imported_nothing_for_them(
    tiny_bundle: TinyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    code = (
        "import sys, os\n"
        "assert not {'json', 'signal', 'enum'} & set(sys.modules), sys.modules\n"
        "assert len({'first', 'second'} & set(sys.modules)) == 1\n"
        "assert 'LD_LIBRARY_PATH' not in os.environ and '/nowhere' not in sys.path\n"
    )
    tiny_bundle.install("alone", "1.0", {"first.py": code, "second.py": code})
    assert import_modules(isolation(tiny_bundle, tmp_path / "scratch"), ["first", "second"], jobs=1) == {}


def test_nothing_is_written_into_the_bundle(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    import_modules(isolation(tiny_bundle, tmp_path / "scratch"), ["ssl", "json"], jobs=1)
    assert list(tiny_bundle.root.rglob("__pycache__")) == []
