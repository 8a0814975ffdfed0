from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from tests.base.nativemaker import pe
from tests.cli.conftest import Run
from tests.make.listed import seal


def foreign(folder: Path, text: str = "") -> Path:
    """Make a bundle that nothing here can run."""
    folder.mkdir(parents=True)
    manifest: dict[str, Any] = {"version": "3.12.10", "platform": "windows-x64", "python": {"actual": "3.12.10"}}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    (folder / "data").write_text(text)
    return seal(folder)


def test_a_bundle_for_another_platform_is_checked_as_far_as_possible(run: Run, tmp_path: Path) -> None:
    folder = foreign(tmp_path / "bundle")
    code, output, _ = run("--json", "verify", str(folder))
    (found,) = json.loads(output)["bundles"]
    assert code == 0
    assert (found["version"], found["platform"], found["ok"]) == ("3.12.10", "windows-x64", True)
    assert "imports" not in found["checked"]
    code, output, _ = run("verify", str(folder))
    assert "not run: foreign platform" in output


def test_a_bundle_that_names_the_cache_is_refused(run: Run, tmp_path: Path) -> None:
    folder = foreign(tmp_path / "bundle", f"made in {tmp_path / 'cache'}")
    code, output, _ = run("verify", str(folder))
    assert code == 5
    assert f"error: paths: data: names a folder of the build machine, {tmp_path / 'cache'}" in output
    assert "1 errors" not in output


def test_an_archive_is_called_by_its_own_name(run: Run, tmp_path: Path) -> None:
    foreign(tmp_path / "python")
    with tarfile.open(tmp_path / "bundle.tar.gz", "w:gz") as file:
        file.add(tmp_path / "python", "python")
    assert run("verify", "bundle.tar.gz")[1].startswith("3.12.10 for windows-x64 (Python 3.12.10): bundle.tar.gz\n")


def test_what_is_no_bundle_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, errors = run("verify", "empty")
    assert code == 2
    assert "empty is not a bundle: it has no bundle.json." in errors
    assert run("verify", "nothing-of-that-name")[0] == 2


def test_an_import_allow_list_is_refused_with_the_entries_to_write_instead(run: Run, tmp_path: Path) -> None:
    version = tmp_path / "versions" / "3.12.10"
    version.mkdir(parents=True)
    for path in (tmp_path / "shared-config.json", version / "config.json"):
        path.write_text("{}")
    entry = {"error": "no display", "reason": "A viewer."}
    (tmp_path / "import-allowlist.json").write_text(json.dumps({"sci*": {"scipy.view._gl": entry}}))
    for command in (("verify", str(foreign(tmp_path / "bundle"))), ("config", "3.12.10")):
        code, _, errors = run(*command)
        assert code == 2
        assert '{"rule": "import-fails", "files": "*/scipy/view/_gl.*", "error": "no display"' in errors


def test_a_malformed_manifest_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    folder = foreign(tmp_path / "bundle")
    (folder / "bundle.json").write_text('{"version": "1", "platform": "linux-x64", "python": {"actual": "../../etc"}}')
    code, _, errors = run("verify", str(folder))
    assert code == 2
    assert "python.actual is '../../etc', not a version of Python" in errors


def test_known_findings_are_counted_and_listed_on_demand(run: Run, tmp_path: Path) -> None:
    folder = foreign(tmp_path / "bundle")
    site = folder / "Lib" / "site-packages"
    info = site / "numba-0.60.0.dist-info"
    info.mkdir(parents=True)
    (site / "numba" / "np" / "ufunc").mkdir(parents=True)
    module = site / "numba" / "np" / "ufunc" / "tbbpool.cp312-win_amd64.pyd"
    module.write_bytes(pe(machine="amd64", needed=["tbb12.dll"]))
    (info / "RECORD").write_text("numba/np/ufunc/tbbpool.cp312-win_amd64.pyd,,\nnumba-0.60.0.dist-info/RECORD,,\n")
    seal(folder)
    code, output, _ = run("verify", str(folder))
    assert code == 0
    assert "1 known finding is harmless; --explain lists them" in output
    assert "tbb12.dll" not in output
    code, output, _ = run("verify", "--explain", str(folder))
    assert code == 0
    assert "known: binaries: Lib/site-packages/numba/np/ufunc/tbbpool" in output
    assert "because: It is one of numba's three threading layers;" in output
    assert "because: the check did not run" in output
    (found,) = json.loads(run("--json", "verify", str(folder))[1])["bundles"]
    assert [one["rule"] for one in found["findings"] if one["known"]] == ["library-missing"]


def test_entries_are_written_for_errors_and_their_reasons_asked_for(run: Run, tmp_path: Path) -> None:
    version = tmp_path / "versions" / "3.12.10"
    version.mkdir(parents=True)
    (tmp_path / "shared-config.json").write_text("{}")
    config = version / "config.json"
    config.write_text('{\n    "platforms": ["windows-x64"]\n}\n')
    foreign(tmp_path / "pydist" / "3.12.10" / "windows-x64", f"made in {tmp_path / 'cache'}")
    entry = '{"rule": "build-path", "files": "data", "package": "python", "reason": ""}'
    code, output, _ = run("verify", "3.12.10")
    assert code == 5
    assert entry in output.splitlines()
    assert "verify" not in config.read_text()
    code, output, _ = run("--json", "verify", "3.12.10", "--write-acceptances")
    assert code == 5
    assert json.loads(output)["written"] == str(config)
    assert json.loads(config.read_text())["verify"]["accept"] == [json.loads(entry)]
    assert config.read_text().startswith('{\n    "platforms": ["windows-x64"],\n    "verify": {\n        "accept": [\n')
    code, output, _ = run("check")
    assert code == 2
    assert 'verify.accept[0].reason: "" is not a reason; say why the finding does no harm.' in output
    config.write_text(config.read_text().replace('"reason": ""', '"reason": "It is a test."'))
    assert run("verify", "3.12.10")[0] == 0


def test_entries_are_written_for_a_version_only(run: Run, tmp_path: Path) -> None:
    folder = foreign(tmp_path / "bundle", f"made in {tmp_path / 'cache'}")
    code, _, errors = run("verify", str(folder), "--write-acceptances")
    assert code == 2
    assert "is no version of this project" in errors
