"""Bundles of other platforms, and on other systems, really run; see `tests/foreign` for where they come from."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from bundle.artifacts.wheel.scripts import entry_script, windows_launcher
from bundle.base.errors import NetworkError
from bundle.base.report import Reporter
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.emulators.find import find_runner
from bundle.make.verify.emulators.protocol import Emulator, Missing
from bundle.make.verify.emulators.root_folder import RootFolder
from bundle.make.verify.verify import CHECKS, Check, VerificationHost, verify_bundle
from bundle.model.manifest import read_manifest
from bundle.model.platforms import PLATFORMS
from tests.artifacts.wheelmaker import make_wheel
from tests.foreign import debian
from tests.foreign.bundles import NUMPY, foreign_bundle, foreign_tree, foreign_wheel, found, program
from tests.foreign.cache import cache_folder
from tests.foreign.systems import system
from tests.make.conftest import TinyBundle

pytestmark = pytest.mark.real

MACHINE = PLATFORMS["linux-x64"]

RUNNING = tuple(check for check in CHECKS if check.runs)

SCRIPTS = """
def good(): print("here I am")
def bad(): import demo.part_of_that_name
def silent(): raise SystemExit(1)
def trap():
    import ctypes, mmap
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes(4))
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
def raised():
    import os, signal
    os.kill(os.getpid(), signal.SIGILL)
def liar():
    import os, signal, sys
    sys.stderr.write("ERROR:x.c:1:f: assertion failed\\nqemu: unhandled CPU exception 0x5\\n")
    sys.stderr.write("wine: Unimplemented function x.dll.y\\n")
    sys.stderr.flush()
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGSEGV)
    import demo.part_of_that_name
def lacking():
    import ctypes
    ctypes.CDLL("ucrtbase").crealf(1)
"""

TOLERANT = "missing = False\ntry:\n    import drawing\nexcept ImportError:\n    missing = True\n"


@pytest.fixture(autouse=True)
def here(machine: object) -> None:
    if machine != MACHINE:
        pytest.skip("these emulators are for linux-x64")


@pytest.fixture(scope="session")
def work() -> Path:
    """A folder that keeps what one test has prepared for the next."""
    return cache_folder() / "work"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Emulator]:
    """Finds the emulator of a platform; where it is missing the test is skipped, and fails where CI is set."""

    def find(key: str) -> Emulator:
        if key == "linux-aarch64":
            # numpy wants zlib, which no package of Debian has for cross sysroots.
            monkeypatch.setenv("BUNDLE_SYSROOT_LINUX_AARCH64", str(sysroot()))
        runner = find_runner(PLATFORMS[key], machine=MACHINE, environ=os.environ)
        assert runner is not None
        return found(None if isinstance(runner, Missing) else runner, str(runner))

    return find


def sysroot() -> Path:
    try:
        return debian.sysroot("arm64")
    except (NetworkError, LookupError) as error:
        return found(None, f"no sysroot for linux-aarch64: {error}")


def run(root: Path, emulator: Emulator | Missing | None, work: Path, *, checks: Sequence[Check] = RUNNING) -> Report:
    host = VerificationHost(machine=MACHINE, work=work, reporter=Reporter(), emulator=emulator, jobs=2)
    return verify_bundle(root, read_manifest(root), Policy(), host, checks=checks)


def scripts(folder: Path, *names: str) -> Path:
    """Make a wheel with some of the scripts above."""
    entries = "".join(f"{name} = demo:{name}\n" for name in names)
    return make_wheel(
        folder, files={"demo.py": SCRIPTS}, dist_info={"entry_points.txt": f"[console_scripts]\n{entries}"}
    )


def told(report: Report) -> Mapping[str, str]:
    """What counts, by its subject."""
    return {finding.subject: finding.severity for finding in report.findings if finding.severity != "note"}


@pytest.mark.parametrize("key", ["linux-aarch64", "windows-x64"])
def test_a_bundle_for_another_platform_imports_starts_its_scripts_and_moves(
    key: str, emulator: Callable[[str], Emulator], work: Path, tmp_path: Path
) -> None:
    runner = emulator(key)
    _, python = foreign_tree(key)
    projects = {"numpy": NUMPY, "charset-normalizer": "3.4.0", "rpds-py": "0.22.3"}
    if key == "linux-aarch64":
        projects |= {"pandas": "2.2.3", "python-dateutil": "2.9.0.post0", "pytz": "2024.2", "tzdata": "2024.2"}
        projects |= {"six": "1.17.0"}
    wheels = [foreign_wheel(name, version, key, python) for name, version in projects.items()]
    report = run(foreign_bundle(key, tmp_path / "bundle", wheels), runner, work)
    assert report.answers["requirements"] == "pass"
    if key == "linux-aarch64":
        assert told(report) == {}
        assert report.answer == "pass"
    # Wine 8 lacks a library of Windows that all Rust extensions need.
    assert all(one.startswith("rpds-py: ") for one in told(report))
    assert all("lacks bcryptprimitives.dll" in finding.message for finding in report.of("inconclusive"))
    assert not report.of("error")
    assert report.checked["imports"] > 30
    assert report.runner == runner.name


def test_under_qemu_what_the_bundle_does_wrong_and_what_qemu_cannot_do_are_told_apart(
    emulator: Callable[[str], Emulator], work: Path, tmp_path: Path
) -> None:
    runner = emulator("linux-aarch64")
    wheel = scripts(tmp_path, "good", "bad", "trap", "raised", "liar")
    root = foreign_bundle("linux-aarch64", tmp_path / "bundle", [wheel])
    library = root / "lib/python3.11/lib-dynload/_json.cpython-311-aarch64-linux-gnu.so"
    shutil.copyfile(next(Path("/lib/x86_64-linux-gnu").glob("libz.so.1")), library)
    report = run(root, runner, work)
    assert told(report) == {
        "python: _json": "error",
        "demo: bin/bad": "error",
        "demo: bin/liar": "error",
        "demo: bin/raised": "error",
        "demo: bin/trap": "inconclusive",
    }
    (unclear,) = report.of("inconclusive")
    assert "qemu-aarch64-static (cortex-a72) does not know an instruction of the program" in unclear.message
    assert report.answer == "fail"


def test_under_wine_what_the_bundle_does_wrong_and_what_wine_lacks_are_told_apart(
    emulator: Callable[[str], Emulator], work: Path, tmp_path: Path
) -> None:
    runner = emulator("windows-x64")
    root = foreign_bundle(
        "windows-x64", tmp_path / "bundle", [scripts(tmp_path, "good", "bad", "silent", "lacking", "liar")]
    )
    launcher = windows_launcher(b"import demo; demo.good()", PLATFORMS["windows-x64"], gui=False)
    wrong = launcher.replace(rb"<launcher_dir>\..\python.exe", rb"C:\somebodys\own\python.exe")
    assert wrong != launcher
    (root / "Scripts" / "absolute.exe").write_bytes(wrong)
    report = run(root, runner, work)
    errors = {subject for subject, severity in told(report).items() if severity == "error"}
    assert errors == {"demo: Scripts/bad.exe", "demo: Scripts/liar.exe", "unowned: Scripts/absolute.exe"}
    (unclear,) = report.of("inconclusive")
    assert unclear.subject == "demo: Scripts/lacking.exe"
    assert "ucrtbase.dll.crealf" in unclear.message
    assert no_server_of(work)


def no_server_of(work: Path) -> bool:
    """Whether no Wine server runs for a prefix that this test made."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ, name = (process / "environ").read_bytes(), (process / "comm").read_text()
        except OSError:
            continue
        if name.startswith("wineserver") and f"WINEPREFIX={work}".encode() in environ:
            return False
    return True


def test_an_interpreter_of_another_architecture_does_not_start(
    emulator: Callable[[str], Emulator], work: Path, tmp_path: Path
) -> None:
    runner = emulator("linux-aarch64")
    root = foreign_bundle("linux-aarch64", tmp_path / "bundle", [])
    shutil.copyfile("/bin/true", root / "bin/python3.11")
    report = run(root, runner, work)
    assert set(report.answers.values()) == {"fail"}
    assert {finding.subject for finding in report.of("error")} == {"the interpreter"}
    assert "Invalid ELF image for this architecture" in report.of("error")[0].message


def test_an_emulator_that_breaks_at_once_says_nothing_of_the_bundle(work: Path, tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "qemu-aarch64-static"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nkill -SEGV $$\n")
    broken.chmod(0o755)
    environ = {"PATH": str(broken.parent), "BUNDLE_SYSROOT": str(loader_only(tmp_path / "root"))}
    runner = find_runner(PLATFORMS["linux-aarch64"], machine=MACHINE, environ=environ)
    bundle = TinyBundle(tmp_path / "bundle", "3.11.2", PLATFORMS["linux-aarch64"])
    bundle.install("empty", "1.0", {"empty.py": ""})
    manifest = '{"version": "1", "platform": "linux-aarch64", "python": {"actual": "3.11.2"}}'
    (bundle.root / "bundle.json").write_text(manifest)
    report = run(bundle.root, runner, work)
    assert report.ok
    assert report.answer == "inconclusive"
    assert set(report.answers) == {check.name for check in RUNNING}
    assert "was ended by signal 11" in report.findings[0].message


def loader_only(folder: Path) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/ld-linux-aarch64.so.1").touch()
    return folder


class TestRoots:
    @pytest.fixture
    def bundle(self, tiny_bundle: TinyBundle, compiled: Callable[..., bytes]) -> Path:
        script = entry_script("good", "good", "main", platform=MACHINE, python=tiny_bundle.python)
        package = "import good._a\ndef main(): print('here I am')\n"
        tiny_bundle.install(
            "good",
            "1.0",
            {"good/__init__.py": package, "good/_a.so": compiled("_a"), "../../../bin/good": script.content},
        )
        manifest = f'{{"version": "1", "platform": "linux-x64", "python": {{"actual": "{tiny_bundle.python}"}}}}'
        (tiny_bundle.root / "bundle.json").write_text(manifest)
        return tiny_bundle.root

    @pytest.fixture
    def bare(self, tmp_path: Path) -> Path:
        """A root with nothing but this machine's C library."""
        root = tmp_path / "bare"
        for folder in ("lib64", "lib/x86_64-linux-gnu"):
            (root / folder).mkdir(parents=True)
        here = Path("/lib/x86_64-linux-gnu")
        for name in ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"):
            shutil.copyfile(
                found(here / name if (here / name).is_file() else None, f"no {name}"),
                root / "lib/x86_64-linux-gnu" / name,
            )
        shutil.copy("/lib64/ld-linux-x86-64.so.2", root / "lib64")
        return root

    def test_a_bundle_runs_where_there_is_nothing_but_the_c_library(self, bundle: Path, bare: Path, work: Path) -> None:
        before = sorted(bare.rglob("*"))
        report = run(bundle, RootFolder(root=bare, bwrap=program("bwrap", "bubblewrap")), work)
        assert told(report) == {}
        assert report.answers == {"requirements": "pass", "imports": "pass", "relocation": "pass"}
        assert any("has no shell" in finding.message for finding in report.of("note"))
        assert sorted(bare.rglob("*")) == before

    def test_what_a_root_lacks_is_told_first_and_what_fails_for_it_is_inconclusive(
        self,
        bundle: Path,
        bare: Path,
        work: Path,
        tiny_bundle: TinyBundle,
        compiled: Callable[..., bytes],
        tmp_path: Path,
    ) -> None:
        program("bwrap", "bubblewrap")
        plain = compiled("_plain")
        library = tmp_path / "libGL.so.1"
        subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-Wl,-soname,libGL.so.1", "-o", library], check=True)
        drawn = ("-Wl,--no-as-needed", str(library))
        native = {"drawing/_draw.so": compiled("_draw", options=drawn), "drawing/_plain.so": plain}
        raising = 'PyErr_SetString(PyExc_ImportError, "needs a display"); return NULL;'
        part = {"part/_draw.so": compiled("_draw", options=drawn), "part/_bad.so": compiled("_bad", raising)}
        sources = {
            "drawing": "from drawing import _draw\n",
            "chained": f"{TOLERANT}if missing: raise ImportError('Unable to import required dependencies')\n",
            "further": "import chained\n",
            "unlike": f"{TOLERANT}if missing: raise RuntimeError('no drawing, no fun')\n",
            "tolerant": f"{TOLERANT}raise ImportError('needs a display')\n",
            "absent": f"{TOLERANT}import nothing_of_that_name\n",
            "crashing": f"{TOLERANT}import os; os.kill(os.getpid(), 11)\n",
            "by_hand": "import ctypes\nctypes.CDLL('libGL.so.1').glBegin(1)\n",
            "part": "",
        }
        for name, text in sources.items():
            files = {"drawing": native, "part": part}.get(name, {f"{name}/_plain.so": plain})
            script = entry_script(name, name, "len", platform=MACHINE, python=tiny_bundle.python)
            starts = {f"../../../bin/{name}": script.content} if name in ("chained", "tolerant") else {}
            tiny_bundle.install(name, "1.0", {f"{name}/__init__.py": text, **files, **starts})
        runner = find_runner(MACHINE, machine=MACHINE, environ=os.environ, root=bare)
        report = run(
            bundle, runner, work, checks=[check for check in CHECKS if check.name in ("imports", "relocation")]
        )
        answers = {
            finding.subject: finding.severity
            for finding in report.findings
            if finding.check == "imports" and "._" in finding.subject
        }
        assert answers == {
            "drawing: drawing._draw": "inconclusive",
            "drawing: drawing._plain": "inconclusive",
            "chained: chained._plain": "inconclusive",
            "further: further._plain": "inconclusive",
            "unlike: unlike._plain": "inconclusive",
            "by-hand: by_hand._plain": "inconclusive",
            "part: part._draw": "inconclusive",
            "part: part._bad": "error",
            "tolerant: tolerant._plain": "error",
            "absent: absent._plain": "note",
            "crashing: crashing._plain": "error",
        }
        assert all("libGL.so.1" in finding.message for finding in report.of("inconclusive"))
        scripts = {"chained: bin/chained": "inconclusive", "tolerant: bin/tolerant": "error"}
        assert scripts.items() <= told(report).items()
        (note,) = (finding for finding in report.findings if finding.rule == "system-lacks")
        assert "lacks libGL.so.1" in note.message

    def test_a_bundle_runs_on_a_newer_system_with_a_shell(self, bundle: Path, work: Path) -> None:
        program("bwrap", "bubblewrap")
        root = system("trixie", "libc6", "dash", "coreutils", "libacl1", "libattr1", "libselinux1", "libpcre2-8-0")
        if not os.path.lexists(root / "bin/sh"):
            (root / "bin/sh").symlink_to("dash")
        report = run(bundle, find_runner(MACHINE, machine=MACHINE, environ=os.environ, root=root), work)
        assert told(report) == {}
        assert not any("has no shell" in finding.message for finding in report.of("note"))

    def test_a_bundle_says_on_which_older_system_it_does_not_start(self, bundle: Path, work: Path) -> None:
        program("bwrap", "bubblewrap")
        root = system("bullseye", "libc6", "libcrypt1")
        report = run(bundle, find_runner(MACHINE, machine=MACHINE, environ=os.environ, root=root), work)
        assert set(report.answers.values()) == {"fail"}
        message = report.of("error")[0].message
        assert "needs a system with GLIBC_2.3" in message
        assert any("not found" in line for line in report.of("error")[0].details)
