"""A folder that is vendored here for two machines, moved, and provisioned without a network."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import ZipFile

import pytest

from bundle.base.files import sha256_of
from tests.artifacts.vendored.carried import Packages
from tests.foreign.bundles import program
from tests.make.projects import host_python, required, this_machine
from tests.run.vendored.environments import command, says

pytestmark = pytest.mark.real

PYTHON = "3.12"
PLATFORM = "linux-aarch64"


def without(wheel: Path, part: str) -> None:
    """Take all files whose path has a part out of a wheel, and out of its RECORD."""
    with ZipFile(wheel) as archive:
        files = [(info, archive.read(info)) for info in archive.infolist() if part not in info.filename]
        assert len(files) < len(archive.infolist())
    with ZipFile(wheel, "w") as archive:
        for info, content in files:
            if info.filename.endswith(".dist-info/RECORD"):
                content = b"".join(line for line in content.splitlines(keepends=True) if part.encode() not in line)
            archive.writestr(info, content)


def test_a_station_without_network_gets_what_was_vendored_elsewhere(tmp_path: Path) -> None:
    if this_machine().key != "linux-x64":
        pytest.skip("the namespace and the second platform are those of a Linux machine")
    cut = (program("bwrap", "bubblewrap"), "--dev-bind", "/", "/", "--unshare-net")
    host_python()
    here = Packages(tmp_path / "here" / "packages")
    folder = here.package("alpha", "jinja2>=3", "pillow", minimum="3.11")
    here.module("alpha", "own.py", "import jinja2\nprint(jinja2.Template('{{ 6 * 7 }}').render())\n")
    platforms = ("--platform", "linux-x64", "--platform", PLATFORM)
    done = command("vendor", folder, *platforms, "--python", PYTHON, folder=tmp_path)
    if done.code == 3:
        required(f"no registry answers: {done.errors}")
    assert done.code == 0, done.errors

    there = Packages(tmp_path / "there" / "moved packages")
    there.root.parent.mkdir()
    here.root.rename(there.root)
    env = tmp_path / "there" / "env"
    words = ("provision", there.root, "--into", env, "--python", PYTHON)
    empty = tmp_path / "home"
    empty.mkdir()
    done = command(*words, folder=empty, before=cut)
    assert done.code == 0, done.errors
    assert says(env, "import own, PIL.Image") == ["42"]
    assert command(*words, folder=empty, before=cut).output.startswith("Nothing to do")

    checked = command("--json", "vendor", "--audit", there.root / "alpha", folder=empty, before=cut)
    assert (checked.code, checked.errors) == (0, "")
    found = {(one["platform"], one["python"]): one for one in checked.json["packages"][0]["checked"]}
    for platform in ("linux-x64", PLATFORM):
        report = found[platform, PYTHON]["audit"]
        assert found[platform, PYTHON]["complete"]
        assert report["checked"]["binaries"] > 10
        assert {finding["rule"] for finding in report["findings"]} <= {"library-expected"}

    # The library that a module needs is no longer in its wheel, which the lock knows by its new hash.
    wheels = there.root / "alpha" / "wheels"
    (wheel,) = wheels.glob("pillow-*aarch64*.whl")
    before, size = sha256_of(wheel), wheel.stat().st_size
    without(wheel, "pillow.libs/libtiff")
    lock = wheels / f"pylock.{PLATFORM}.toml"
    text = (
        lock.read_text().replace(before, sha256_of(wheel)).replace(f"size = {size}", f"size = {wheel.stat().st_size}")
    )
    lock.write_text(text)
    assert command("vendor", "--check", there.root / "alpha", folder=empty, before=cut).code == 0
    lacking = command("vendor", "--audit", there.root / "alpha", folder=empty, before=cut)
    assert lacking.code == 5
    assert re.search(r"_imaging\S*: needs libtiff\S*, which is neither in the bundle nor", lacking.errors)
    wheel.unlink()
    lacking = command("vendor", "--audit", there.root / "alpha", folder=empty, before=cut)
    assert lacking.code == 1
    assert f"alpha lacks the wheel {wheel.name}" in lacking.errors

    (wheel,) = wheels.glob("jinja2-*.whl")
    with wheel.open("ab") as file:
        file.write(b"\0")
    refused = command(*words[:2], "--into", tmp_path / "there" / "other", "--python", PYTHON, folder=empty, before=cut)
    assert refused.code == 4
    assert not (tmp_path / "there" / "other").exists()
    assert command("vendor", "--check", there.root / "alpha", folder=empty, before=cut).code == 4
