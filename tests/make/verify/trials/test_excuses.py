"""What a missing module means depends on who brings it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.make.verify.checks.contents import Contents, read_contents
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.trials.excuses import excuse_script
from bundle.make.verify.trials.installed import Environment
from bundle.model.platforms import PLATFORMS
from tests.make.verify.emulators.fakes import TRACEBACK

FAILED = RULES["script-fails"].about("unowned: bin/fold", "stops with an import error.", file="bin/fold")


def environment(folder: Path, *paths: str) -> Environment:
    """Return a bundle of some files that no package recorded."""
    status = folder.stat()
    files = {f"lib/python3.12/site-packages/{path}": status for path in paths}
    platform = PLATFORMS["linux-x64"]
    return Environment(
        contents=Contents(root=folder, python="3.12.10", platform=platform, files=files, distributions=())
    )


def test_a_module_that_no_package_brings_is_to_be_added(tmp_path: Path) -> None:
    output = f"{TRACEBACK}ModuleNotFoundError: No module named 'anarci'\n"
    finding = excuse_script(FAILED, output, "fold", "unowned", environment(tmp_path), {})
    assert finding.severity == "error"
    assert finding.remedy == (
        "No package of the bundle has the module anarci; add one that has it to packages.dependencies."
    )


def test_a_module_that_a_required_package_no_longer_brings_is_a_warning_with_the_version(tmp_path: Path) -> None:
    output = f"{TRACEBACK}ModuleNotFoundError: No module named 'pkg_resources'\n"
    info = tmp_path / "lib/python3.12/site-packages/setuptools-84.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: setuptools\nVersion: 84.0\n")
    (info / "RECORD").touch()
    with_setuptools = Environment(contents=read_contents(tmp_path, python="3.12.10", platform=PLATFORMS["linux-x64"]))

    finding = excuse_script(FAILED, output, "fold", "unowned", with_setuptools, {})

    assert finding.severity == "warning"
    assert finding.message.endswith(" setuptools has no pkg_resources from version 82 on.")
    assert '"setuptools<82"' in finding.remedy


@pytest.mark.parametrize(
    ("module", "files", "left_out"),
    [("anarci.hmm", ("anarci/__init__.py",), {}), ("anarci", (), {"anarci": "No wheel."}), ("sqlite3", (), {})],
)
def test_other_missing_modules_keep_the_remedy_of_the_rule(
    tmp_path: Path, module: str, files: tuple[str, ...], left_out: dict[str, str]
) -> None:
    output = f"{TRACEBACK}ModuleNotFoundError: No module named '{module}'\n"
    finding = excuse_script(FAILED, output, "fold", "unowned", environment(tmp_path, *files), left_out)
    assert finding.remedy == FAILED.remedy
