from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.make.listed import seal


@pytest.fixture(autouse=True)
def no_emulators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def bundle(folder: Path, platform: str) -> Path:
    """Make a bundle that holds nothing."""
    folder.mkdir(parents=True)
    manifest: dict[str, Any] = {"version": "3.12.10", "platform": platform, "python": {"actual": "3.12.10"}}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return seal(folder)


@pytest.mark.parametrize("platform", ["windows-x64", "macosx-aarch64"])
def test_without_an_emulator_nothing_is_proven_and_it_is_said_plainly(run: Run, tmp_path: Path, platform: str) -> None:
    folder = bundle(tmp_path / "bundle", platform)
    code, output, _ = run("--json", "verify", str(folder), "--run")
    (found,) = json.loads(output)["bundles"]
    assert (code, found["ok"], found["answer"]) == (0, True, "inconclusive")
    assert {name for name, answer in found["answers"].items() if answer == "inconclusive"} == {
        "requirements",
        "imports",
        "relocation",
    }
    assert found["runner"] == ""
    code, output, _ = run("verify", str(folder), "--run")
    assert code == 0
    assert "inconclusive, which proves nothing: requirements, relocation, imports" in " ".join(output.split())


def test_a_root_that_is_none_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for platform in ("windows-x64", "linux-x64", "linux-aarch64"):
        code, _, errors = run("verify", str(bundle(tmp_path / platform, platform)), "--root", "empty")
        assert code == 2
        assert "--root" in errors
