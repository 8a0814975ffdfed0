from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.make.verify.checks.findings import Report
from bundle.make.verify.trials import relocation
from tests.foreign.bundles import program
from tests.make.conftest import TinyBundle, accepted

pytestmark = pytest.mark.real

# Works from anywhere: a shell line that Python reads as a string.
HEADER = """#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python3" "$0" "$@"
' '''
"""


def errors(report: Report) -> dict[str, str]:
    return {finding.subject: finding.message for finding in report.of("error")}


def remember(bundle: TinyBundle) -> None:
    """Let sysconfig tell of the place where the interpreter was built."""
    stdlib = bundle.root / bundle.platform.stdlib(bundle.python)
    (data,) = stdlib.glob("_sysconfigdata_*.py")
    text = data.read_text()
    data.unlink()  # It is linked to the one that other tests use.
    data.write_text(f"{text}\nbuild_time_vars['LIBDIR'] = '/built/here/lib'\n")


@pytest.fixture(params=["shown", "copied"])
def copied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether bundles are copied to the other place, as on machines without bubblewrap, and not shown there."""
    if request.param == "shown":
        program("bwrap", "bubblewrap")
        monkeypatch.setattr(relocation, "copy_tree", None)
        return False
    monkeypatch.setattr(relocation, "mounted", lambda *_: None)
    return True


@pytest.mark.usefixtures("copied")
def test_a_sound_bundle_works_elsewhere(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    tiny_bundle.install(
        "good",
        "1.0",
        {
            "good/__init__.py": "",
            "good/_fast.so": compiled("_fast"),
            "../../../bin/good": HEADER + "import good, sys\nprint(sys.argv)\n",
            "../../../bin/unhappy": HEADER + "raise ValueError('I take no options')\n",
        },
    )
    before = sorted(path.relative_to(tiny_bundle.root) for path in tiny_bundle.root.rglob("*"))
    report = tiny_bundle.verify(tmp_path / "work", "relocation")
    assert errors(report) == {}
    assert sorted(path.relative_to(tiny_bundle.root) for path in tiny_bundle.root.rglob("*")) == before
    assert list((tmp_path / "work").iterdir()) == []


def test_what_works_in_one_place_only_is_named(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path, copied: bool
) -> None:
    remember(tiny_bundle)
    place = repr(str(tiny_bundle.site))
    rooted = f"import os\nif not __file__.startswith({place}):\n    raise ImportError('where am I?')\n"
    tiny_bundle.install(
        "rooted",
        "1.0",
        {
            "rooted/__init__.py": rooted,
            "rooted/_fast.so": compiled("_fast"),
            "../../../bin/absolute": "#!/no/such/place/python3\nprint('never')\n",
            "../../../bin/importing": HEADER + "import rooted\n",
            "../../../bin/known": HEADER + "import rooted\n",
            "../../../bin/nothing": "exec /no/such/program\n",
            "../../../bin/missing": "#!/bin/sh\nexec /no/such/program\n",
            "../../../bin/untidy": HEADER + "import sys\nopen(sys.prefix + '/lib/state', 'w').close()\n",
        },
    )
    entries = [
        accepted("script-fails", "bin/known", "where am I?"),
        accepted("script-fails", "bin/missing", "never said"),
        accepted("script-fails", "bin/untidy", "anything"),
    ]
    assert tiny_bundle.verify(tmp_path / "work", "imports").ok
    report = tiny_bundle.verify(tmp_path / "work", "relocation", entries=entries)
    found = errors(report)
    if copied and os.geteuid() == 0:
        # Nobody else could write there.
        assert "written while the bundle was used" in found.pop("lib/state")
    assert set(found) == {
        "sysconfig.get_config_var('LIBDIR')",
        "rooted: rooted",
        "rooted: rooted._fast",
        "rooted: bin/absolute",
        "rooted: bin/importing",
        "rooted: bin/missing",
    }
    assert ("tried-in-part", "rooted: bin/nothing") in {(note.rule, note.subject) for note in report.of("note")}
    assert "does not exist" in found["rooted: bin/absolute"]
    assert found["rooted: bin/importing"] == "stops with an import error."
    expected = 'names a program that does not exist (exit code 127). verify.accept expects "never said".'
    assert found["rooted: bin/missing"] == expected
    assert [finding.subject for finding in report.accepted] == ["rooted: bin/known"]
    assert [finding.subject for finding in report.of("warning")] == ["script-fails: bin/untidy"]


def test_what_is_no_program_and_what_was_not_asked_for_is_a_note(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    writes = "import os\nif os.listdir():\n    raise ImportError('not the first')\nos.mkdir('build')\n"
    needs = "raise ModuleNotFoundError(\"No module named '{0}'\", name='{0}')\n"
    tiny_bundle.install(
        "tools",
        "1.0",
        {
            "tools.py": "",
            "../../../bin/tool.cmd": "@echo off\n",
            "../../../bin/completer": "complete -C tool tool\n",
            "../../../bin/toold": HEADER + "raise ImportError('install tools[d]')\n",
            "../../../bin/pretty": HEADER + needs.format("rich_of_no_one"),
            "../../../bin/broken": HEADER + needs.format("tools._core"),
            "../../../bin/writer": HEADER + writes,
            "../../../bin/writer2": HEADER + writes,
            "tools-1.0.dist-info/entry_points.txt": "[console_scripts]\ntoold = tools:main [d]\ntool = tools:main\n",
        },
        "server; extra == 'd'",
    )
    report = tiny_bundle.verify(tmp_path / "work", "relocation")
    assert set(errors(report)) == {"tools: bin/broken"}
    notes = {note.subject: note.message for note in report.of("note")}
    assert notes["tools: bin/tool.cmd"] == notes["tools: bin/completer"]
    assert notes["tools: bin/completer"] == "not started: it is no program of this platform."
    assert notes["tools: bin/toold"].endswith("It belongs to the extra d, which was not asked for.")
    assert "It needs the module rich_of_no_one" in notes["tools: bin/pretty"]


def test_what_was_imported_elsewhere_is_imported_once(
    tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    code = f"import sys\nopen({str(seen)!r}, 'a').write(sys.prefix + '\\n')\n"
    natives = {f"good/_{number}.so": compiled(f"_{number}") for number in range(3)}
    tiny_bundle.install("good", "1.0", {"good/__init__.py": code, **natives})
    report = tiny_bundle.verify(tmp_path / "work", "relocation", "imports")
    assert errors(report) == {}
    (place,) = seen.read_text().splitlines()
    assert Path(place) != tiny_bundle.root
    assert report.checked["imports"] > 4
    seen.unlink()
    assert tiny_bundle.verify(tmp_path / "work", "imports").ok
    assert seen.read_text() == f"{tiny_bundle.root}\n"


def test_an_environment_without_the_wheel_of_pip_is_named(tiny_bundle: TinyBundle, tmp_path: Path) -> None:
    (wheel,) = (tiny_bundle.root / tiny_bundle.platform.stdlib(tiny_bundle.python)).glob("ensurepip/_bundled/pip-*.whl")
    wheel.unlink()
    report = tiny_bundle.verify(tmp_path / "work", "relocation")
    assert set(errors(report)) == {"a virtual environment's ensurepip"}
