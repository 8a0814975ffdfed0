from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.trials import importing
from bundle.make.verify.trials.importing import import_modules, import_targets
from bundle.make.verify.trials.imports import targets_of
from bundle.make.verify.trials.installed import Environment
from bundle.make.verify.trials.isolation import Isolation, Tried
from bundle.model.acceptance import Acceptance
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
    entry = by_name["mixed: mixed._raises"].entry
    assert entry == Acceptance(
        rule="import-fails", files="*/mixed/_raises.*", package="mixed", error="needs a display", reason=""
    )
    assert by_name["mixed: mixed._aborts"].entry is None
    assert [finding.entry for finding in report.accepted] == [None]
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


class Counted(Isolation):
    """A bundle that keeps how often its interpreter is started."""

    def run_python(self, arguments: Sequence[str | Path], *, timeout: float, stdin: bytes | None = None) -> Tried:
        with (self.scratch / "starts").open("a") as file:
            file.write("x")
        return super().run_python(arguments, timeout=timeout, stdin=stdin)


def test_the_modules_of_a_package_take_few_starts_where_processes_cannot_fork(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_forks", lambda _: False)
    parts = [f"_{number}" for number in range(9)]
    natives = {part: compiled(part) for part in parts}
    crash = "import os\nos.kill(os.getpid(), 11)\n"
    for name, code in (("good", ""), ("bad", crash)):
        files = {f"{name}/{part}.so": content for part, content in natives.items()}
        tiny_bundle.install(name, "1.0", {f"{name}/__init__.py": code, **files})
    contents = read_contents(tiny_bundle.root, python=tiny_bundle.python, platform=tiny_bundle.platform)
    environment = Environment(contents=contents)
    targets = [target for target in targets_of(environment) if target.package in ("good", "bad")]
    place = Counted(**vars(isolation(tiny_bundle, tmp_path / "scratch")))
    failures = import_targets(place, environment, targets, jobs=1)
    assert set(failures) == {"bad", *(f"bad.{part}" for part in parts)}
    assert len({failure.message for failure in failures.values()}) == 1
    # As their users do; good and bad afresh; bad's modules once more.
    assert len((tmp_path / "scratch" / "starts").read_text()) <= 6
    # A later check knows what failed here, but not elsewhere.
    before = (tmp_path / "scratch" / "starts").read_text()
    assert import_targets(place, environment, [one for one in targets if one.package == "bad"], jobs=1) == failures
    assert (tmp_path / "scratch" / "starts").read_text() == before
    assert not {root for root, _ in place.failed} - {tiny_bundle.root}


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


# A module of C whose function that makes it imports another module first.
FIRST = 'if (!PyImport_ImportModule("{}")) return NULL;'


def problems(report: Report) -> dict[tuple[str, str], str]:
    return {(one.severity, one.subject): one.message for one in report.findings if one.severity != "note"}


@pytest.fixture(params=[True, False], ids=["forking", "without forks"])
def forks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import as where processes can fork, and as where they cannot."""
    monkeypatch.setattr(importing, "_forks", lambda _: request.param)


@pytest.mark.usefixtures("forks")
def test_what_loads_in_the_order_of_its_users_passes(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    first = FIRST.format("ring.partner")
    tiny_bundle.install(
        "ring",
        "1.0",
        {
            "ring/__init__.py": "",
            "ring/partner.py": "from ring import _inner\n_inner.__name__\n",
            "ring/_inner.so": compiled("_inner", first),
        },
    )
    tiny_bundle.install(
        "started",
        "1.0",
        {
            "started/__init__.py": "",
            "started/state.py": "READY = False\n",
            "started/main.py": "import started.state\nstarted.state.READY = True\n",
            "started/_part.so": compiled(
                "_part",
                'if (PyRun_SimpleString("import started.state as s; assert s.READY"))'
                '{ PyErr_SetString(PyExc_ImportError, "not ready"); return NULL; }',
            ),
            "started-1.0.dist-info/entry_points.txt": "[console_scripts]\nstarted = started.main:run\n",
        },
    )
    tiny_bundle.install(
        "paths",
        "1.0",
        {
            "paths/__init__.py": "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\n"
            "from importlib import import_module\n_native = import_module('paths_native')\n"
            "del sys.modules['paths_native']\ndel sys.path[0]\n",
            "paths/paths_native.so": compiled("paths_native", FIRST.format("shared_name")),
            "paths/shared_name.py": "",
            "paths/_vendored/__init__.py": "",
            "paths/_vendored/inner/pack/__init__.py": "",
            "paths/_vendored/inner/pack/deep.so": compiled("deep", FIRST.format("pack")),
        },
    )
    report = tiny_bundle.verify(tmp_path / "work", "imports")
    assert problems(report) == {}


@pytest.mark.usefixtures("forks")
def test_what_is_truly_broken_is_found_in_each_order(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "libraries"
    folder.mkdir()
    (folder / "lib.c").write_text("int gone(void) { return 1; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", folder / "lib.c", "-o", folder / "libgone.so"], check=True)
    missing = compiled("_library", "extern int gone(void); gone();", options=[f"-L{folder}", "-lgone"])
    other = bytearray(compiled("_machine"))
    other[18:20] = (183).to_bytes(2, "little")  # e_machine: aarch64
    tiny_bundle.install(
        "broken",
        "1.0",
        {
            # It goes on without its parts, as many packages do.
            "broken/__init__.py": "for name in ('_library', '_machine', '_symbol', '_raises', '_sibling'):\n"
            "    try:\n        __import__('broken.' + name)\n    except ImportError:\n        pass\n",
            "broken/_library.so": missing,
            "broken/_machine.so": bytes(other),
            "broken/_symbol.so": compiled("_symbol", "extern int nowhere(void); nowhere();"),
            "broken/_raises.so": compiled("_raises", 'PyErr_SetString(PyExc_ImportError, "no"); return NULL;'),
            "broken/_sibling.so": compiled("_sibling", FIRST.format("broken._absent")),
            "broken/_crashes.so": compiled("_crashes", "abort();"),
            "broken/_fine.so": compiled("_fine"),
            "broken-1.0.dist-info/entry_points.txt": "[console_scripts]\nbroken = broken.__main__:run\n",
        },
    )
    report = tiny_bundle.verify(tmp_path / "work", "imports")
    assert {one.subject: one.severity for one in report.findings} == {
        f"broken: broken.{name}": "error"
        for name in ("_library", "_machine", "_symbol", "_raises", "_sibling", "_crashes")
    }


def test_a_library_that_a_package_opens_by_hand_is_missed(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    opens = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libcore.so'))\n"
    tiny_bundle.install("boost", "1.0", {"boost/__init__.py": opens, "boost/lib/readme.so": b""})
    tiny_bundle.install("magic", "1.0", {"magic.py": "from ctypes import CDLL\nCDLL('libnowhere.so.1')\n"})
    report = tiny_bundle.verify(tmp_path / "work", "imports")
    found = {one.subject: one for one in report.of("error")}
    assert set(found) == {"boost: boost", "magic: magic"}
    assert found["boost: boost"].file.endswith("/boost/__init__.py")
    entry = found["boost: boost"].entry
    assert entry is not None
    assert entry.fits([found["boost: boost"].file])


def test_what_is_missing_by_choice_is_no_error(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    tiny_bundle.install(
        "chosen",
        "1.0",
        {
            "chosen/__init__.py": "",
            "chosen/_extra.so": compiled("_extra", FIRST.format("objgraph")),
            "chosen/_own.so": compiled("_own", FIRST.format("_chosen_core")),
            "chosen/tests/__init__.py": "",
            "chosen/tests/_probe.so": compiled("_probe", 'PyErr_SetString(PyExc_ImportError, "no"); return NULL;'),
            "chosen/_tk.so": compiled("_tk", FIRST.format("_tkinter")),
            "needy/__init__.py": "import lxml_of_no_one\n",
            "exits/__init__.py": "import sys\nsys.exit('not here')\n",
            "loud/__init__.py": "print('x' * 100000)\n",
        },
    )
    tiny_bundle.install("unmet", "1.0", {"unmet/_a.so": compiled("_a", FIRST.format("objgraph"))}, "needed")
    report = tiny_bundle.verify(tmp_path / "work", "imports")
    assert {one.subject: one.severity for one in report.findings} == {
        "chosen: chosen._extra": "note",
        "chosen: chosen._own": "error",
        "chosen: chosen._tk": "note",
        "chosen: chosen.tests._probe": "warning",
        "chosen: needy": "warning",
        "chosen: exits": "warning",
        "unmet: unmet._a": "error",
    }
    messages = {one.subject: one.message for one in report.findings}
    assert messages["chosen: chosen._extra"].endswith(
        "It needs the module objgraph, which is not in the bundle, and which chosen does not require."
    )
    assert messages["chosen: exits"].startswith("ends the interpreter at import: sys.exit('not here').")
