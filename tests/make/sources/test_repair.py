from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

from bundle.base.errors import WorkError
from bundle.base.report import Reporter
from bundle.make.sources.canonical_wheel import rewrite_wheel
from bundle.make.sources.environment import SourceBuildTools
from bundle.make.sources.repair import make_portable, repairer_identity
from tests.artifacts.wheelmaker import make_wheel
from tests.base.nativemaker import pe
from tests.make.projects import required, this_machine

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF files are made portable on Linux"),
]

EPOCH = 315532800


def tools_in(work: Path) -> SourceBuildTools:
    work.mkdir(parents=True, exist_ok=True)
    return SourceBuildTools(
        python=Path(sys.executable),
        machine=this_machine(),
        timeout=120,
        log=work / "build.log",
        reporter=Reporter(),
        work=work / "scratch",
        epoch=EPOCH,
    )


def compiled(folder: Path, name: str, source: str, *more: str | Path) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.c").write_text(source)
    target = folder / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", folder / f"{name}.c", "-o", target, *more], check=True)
    return target.read_bytes()


def linked_wheel(folder: Path, *, found: bool) -> Path:
    """Make a wheel whose module needs a library of a folder that no other machine has."""
    library = folder / "own" / "libfar.so.1"
    compiled(folder / "own", "far", "int far_away(void) { return 42; }", "-Wl,-soname,libfar.so.1")
    (folder / "own" / "far.so").rename(library)
    run_path = [f"-Wl,-rpath,{library.parent}"] if found else []
    source = "extern int far_away(void); int near(void) { return far_away(); }"
    module = compiled(folder, "near", source, library, *run_path)
    tag = f"cp312-cp312-linux_{this_machine().machine}"
    return make_wheel(folder / "wheel", "demo", tag=tag, files={"demo/near.so": module})


def repaired(wheel: Path, place: Path) -> Path:
    """Rewrite a wheel as a build from source does."""
    tools = tools_in(place)
    return rewrite_wheel(
        wheel,
        place / "finished",
        tools,
        private=[wheel.parent.parent],
        scratch=place / "unpacked",
        repair=lambda native: make_portable(native, place / "portable", tools),
    )


def test_libraries_that_systems_need_not_have_are_taken_into_the_wheel(tmp_path: Path) -> None:
    wheel = repaired(linked_wheel(tmp_path, found=True), tmp_path / "place")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (library,) = (name for name in names if name.startswith("demo.libs/libfar"))
        archive.extractall(tmp_path / "unpacked")
    assert wheel.name.startswith("demo-1.0-cp312-cp312-manylinux")
    subprocess.run(["rm", "-r", tmp_path / "own"], check=True)
    program = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).near())"
    module = tmp_path / "unpacked" / "demo" / "near.so"
    answer = subprocess.run([sys.executable, "-c", program, module], capture_output=True, text=True, check=True)
    assert answer.stdout == "42\n"
    assert str(tmp_path).encode() not in module.read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "unpacked" / library).read_bytes()


def test_the_same_wheel_becomes_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    wheel = linked_wheel(tmp_path, found=True)
    one = repaired(wheel, tmp_path / "one")
    two = repaired(wheel, tmp_path / "another place with ü")
    assert (one.name, one.read_bytes()) == (two.name, two.read_bytes())


def test_a_library_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="could not be made portable") as caught:
        repaired(linked_wheel(tmp_path, found=False), tmp_path / "place")
    assert "libfar.so.1" in (caught.value.cause or "")
    assert "libfar.so.1" in (tmp_path / "place" / "build.log").read_text()


def test_the_tag_names_the_oldest_system_that_has_what_the_wheel_uses(tmp_path: Path) -> None:
    library = Version((os.confstr("CS_GNU_LIBC_VERSION") or "glibc 0").split()[-1])
    if library < Version("2.36"):
        required(f"glibc 2.36 has a function that older ones lack, and this machine has {library}")
    machine = this_machine().machine
    tag = f"py3-none-linux_{machine}"
    plain = compiled(tmp_path, "plain", "int plain(void) { return 1; }", "-nostdlib")
    newer = compiled(tmp_path, "newer", "#include <stdlib.h>\nint newer(void) { return (int)arc4random(); }")
    old = repaired(make_wheel(tmp_path / "a", "plain", tag=tag, files={"plain.so": plain}), tmp_path / "old")
    new = repaired(make_wheel(tmp_path / "b", "newer", tag=tag, files={"newer.so": newer}), tmp_path / "new")
    assert "manylinux" in old.name
    assert new.name == f"newer-1.0-py3-none-manylinux_2_36_{machine}.whl"


def test_a_wheel_that_calls_itself_pure_and_is_not_gets_a_true_tag(tmp_path: Path) -> None:
    plain = compiled(tmp_path, "plain", "int plain(void) { return 1; }", "-nostdlib")
    wheel = make_wheel(tmp_path / "a", "demo", files={"demo/plain.so": plain})
    assert "manylinux" in repaired(wheel, tmp_path / "place").name


def test_pure_wheels_and_those_for_several_platforms_stay_as_they_are(tmp_path: Path) -> None:
    plain = compiled(tmp_path, "plain", "int plain(void) { return 1; }", "-nostdlib")
    pure = make_wheel(tmp_path / "a", "pure", files={"pure.py": ""})
    several = make_wheel(tmp_path / "b", "several", files={"x/plain.so": plain, "x/plain.dll": pe()})
    tools = tools_in(tmp_path / "place")
    assert make_portable(pure, tmp_path / "one", tools) == pure
    assert make_portable(several, tmp_path / "two", tools) == several


def test_what_makes_wheels_portable_is_told_with_its_version() -> None:
    assert repairer_identity("linux").startswith("auditwheel ")
