"""A folder that is vendored here for two machines, moved, and provisioned without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.vendored.lock import read_lock
from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.report import Reporter
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.verify import CHECKS, VerificationHost, verify_bundle
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import PLATFORMS, Floors
from tests.artifacts.vendored.carried import Packages
from tests.foreign.bundles import program
from tests.make.projects import host_python, required, this_machine
from tests.run.vendored.environments import command, says

pytestmark = pytest.mark.real

PYTHON = "3.12"
PLATFORM = "linux-aarch64"


def audit(wheels: Path, work: Path) -> Report:
    """Audit the wheels for the other machine, as if a bundle had them."""
    platform, exact = PLATFORMS[PLATFORM], f"{PYTHON}.0"
    lock = read_lock(wheels, PLATFORM)
    assert lock is not None
    root = work / "installed"
    for one in lock.select(platform, exact, Floors()):
        lay_out(wheels / one.filename, root, platform=platform, python=exact)
    assert list(root.rglob("*.so"))
    manifest = Manifest(version=exact, platform=PLATFORM, python=PythonRecord(actual=exact, source="host"))
    host = VerificationHost(machine=this_machine(), work=work, reporter=Reporter(), jobs=2)
    checks = [check for check in CHECKS if check.name in ("records", "binaries", "names")]
    return verify_bundle(root, manifest, Policy(acceptances=()), host, checks=checks)


def test_a_station_without_network_gets_what_was_vendored_elsewhere(tmp_path: Path) -> None:
    if this_machine().key != "linux-x64":
        pytest.skip("the namespace and the second platform are those of a Linux machine")
    cut = (program("bwrap", "bubblewrap"), "--dev-bind", "/", "/", "--unshare-net")
    host_python()
    here = Packages(tmp_path / "here" / "packages")
    folder = here.package("alpha", "jinja2>=3", "cffi", minimum="3.11")
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
    assert says(env, "import own, cffi") == ["42"]
    assert command(*words, folder=empty, before=cut).output.startswith("Nothing to do")

    checked = command("--json", "vendor", "--check", there.root / "alpha", folder=empty, before=cut)
    found = {(one["platform"], one["python"]): one for one in checked.json["packages"][0]["checked"]}
    assert found[PLATFORM, PYTHON]["complete"]
    report = audit(there.root / "alpha" / "wheels", tmp_path / "audit")
    assert report.findings == ()

    (wheel,) = (there.root / "alpha" / "wheels").glob("jinja2-*.whl")
    with wheel.open("ab") as file:
        file.write(b"\0")
    refused = command(*words[:2], "--into", tmp_path / "there" / "other", "--python", PYTHON, folder=empty, before=cut)
    assert refused.code == 4
    assert not (tmp_path / "there" / "other").exists()
    assert command("vendor", "--check", there.root / "alpha", folder=empty, before=cut).code == 4
