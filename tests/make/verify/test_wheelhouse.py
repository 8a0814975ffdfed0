from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from bundle.base.report import Reporter
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.verify import CHECKS, VerificationHost, verify_bundle
from bundle.model.manifest import LayerRecord, Manifest, PythonRecord, SetRecord
from bundle.model.platforms import Platform
from tests.artifacts.wheelmaker import make_wheel
from tests.base.nativemaker import elf, pe
from tests.make.audited import BUILDER, PYTHON, Made, good, rules
from tests.make.conftest import TinyBundle
from tests.make.listed import with_list
from tests.make.verify.carrying import carry


def verify(
    root: Path, python: str, platform: Platform, *, machine: Platform | None = None, sets: Iterable[str] = ()
) -> Report:
    """Verify a bundle that carries the wheels in `packages/`."""
    layers = tuple(
        LayerRecord(digest="", kind="wheel", name=wheel.name.partition("-")[0], version="1.0", size=0)
        for wheel in sorted((root / "packages").glob("*.whl"))
    )
    manifest = Manifest(
        version=python,
        platform=platform.key,
        python=PythonRecord(actual=python, source="host"),
        layout="wheelhouse",
        layers=layers,
        sets={name: SetRecord() for name in sets},
        # The list that `with_list` makes has one layer with all files.
    )
    manifest = with_list(root, manifest)
    host = VerificationHost(machine=machine, work=root.parent / "work", reporter=Reporter(), jobs=2)
    return verify_bundle(root, manifest, Policy(forbidden=(BUILDER,)), host)


def audited(made: Made, *wheels: Path) -> Report:
    carry(made.root, wheels)
    return verify(made.root, PYTHON, made.platform)


def found(report: Report, *severities: str) -> list[tuple[str, str]]:
    """Return rule and file of the findings, without those about a list that was made by hand."""
    return [one for one in rules(report, *severities) if one[0] != "list-differs"]


@pytest.mark.parametrize(("key", "tag"), [("linux-x64", "manylinux_2_28_x86_64"), ("windows-x64", "win_amd64")])
def test_carried_wheels_are_audited_as_installed_packages_are(tmp_path: Path, key: str, tag: str) -> None:
    made = good(tmp_path, key)
    machine = made.platform.machine
    windows = made.platform.is_windows
    module = pe(machine=machine, needed=["gone.dll"]) if windows else elf(machine=machine, needed=["libgone.so.1"])
    files: dict[str, bytes | str] = {
        f"tool/_fast{made.ending}": module,
        "tool/place.py": f"HERE = '{BUILDER}'\n",
    }
    report = audited(made, make_wheel(tmp_path, "tool", tag=f"cp312-cp312-{tag}", files=files))
    assert found(report) == [
        ("build-path", f"{made.site}/tool/place.py"),
        ("library-missing", f"{made.site}/tool/_fast{made.ending}"),
    ]
    assert "tool" not in report.licences
    assert ("licence-missing", f"{made.site}/tool-1.0.dist-info/METADATA") in found(report, "note")
    assert not (made.root / made.site / "tool").exists()
    assert report.unseen == {}


def test_a_wheel_that_cannot_be_installed_is_an_error_and_every_row_says_so(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    bad = make_wheel(tmp_path, "bad", files={"../../outside.py": ""})
    report = audited(made, bad, make_wheel(tmp_path, "tool", files={"tool.py": ""}))
    assert found(report, "error") == [("wheel-refused", "packages/bad-1.0-py3-none-any.whl")]
    rows = {check.name for check in CHECKS if check.audit} - {"files"}
    assert report.unseen == dict.fromkeys(rows, ("packages/bad-1.0-py3-none-any.whl: refused",))
    assert not (tmp_path / "outside.py").exists()


def test_each_set_is_looked_at_alone_and_named(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    shared = make_wheel(tmp_path, "shared", files={"shared.py": f"'{BUILDER}'"})
    again = tmp_path / "again" / shared.name
    again.parent.mkdir()
    again.write_bytes(shared.read_bytes())
    bad = make_wheel(tmp_path, "bad", files={"../../outside.py": ""})
    carry(made.root, [shared, make_wheel(tmp_path, "tool", "1.0", files={"tool.py": ""})])
    carry(made.root, [again, make_wheel(tmp_path, "tool", "2.0", files={"tool.py": f"'{BUILDER}'"}), bad], "new")
    report = verify(made.root, PYTHON, made.platform, sets=["new"])
    told = [(one.rule, one.file, one.set_name) for one in report.of("error") if one.rule != "list-differs"]
    assert told == [
        ("wheel-refused", "packages/bad-1.0-py3-none-any.whl", "new"),
        ("build-path", f"{made.site}/shared.py", ""),
        ("build-path", f"{made.site}/tool.py", "new"),
    ]
    assert report.unseen["records"] == ("packages/bad-1.0-py3-none-any.whl: refused (set new)",)


def test_a_wheel_that_is_not_the_one_of_the_lock_is_not_looked_into(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    wheel = make_wheel(tmp_path, "tool", files={"tool.py": f"'{BUILDER}'"})
    carry(made.root, [wheel])
    make_wheel(made.root / "packages", "tool", files={"tool.py": f"'{BUILDER}, too'"})
    report = verify(made.root, PYTHON, made.platform)
    assert found(report, "error") == [("wheel-differs", f"packages/{wheel.name}")]
    assert report.unseen["records"] == (f"packages/{wheel.name}: not the wheel of the lock",)


def test_wheels_without_a_lock_are_not_looked_into_and_the_rows_say_so(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    carry(made.root, [make_wheel(tmp_path, "tool", files={"tool.py": ""})])
    (made.root / "packages" / "pylock.toml").write_text("[" * 100_000)
    report = verify(made.root, PYTHON, made.platform)
    assert report.unseen["binaries"] == ("the carried wheels: their lock cannot be read",)


def test_two_wheels_with_one_file_are_told(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    wheels = [make_wheel(tmp_path, name, files={"both/shared.py": name}) for name in ("one", "two")]
    assert found(audited(made, *wheels), "error") == [("package-conflict", f"{made.site}/both/shared.py")]


def test_a_wheel_never_writes_through_a_link_of_the_bundle(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    outside = tmp_path / "outside"
    outside.mkdir()
    (made.root / made.site / "tool").symlink_to(outside)
    report = audited(made, make_wheel(tmp_path, "tool", files={"tool/__init__.py": ""}))
    assert ("wheel-refused", "packages/tool-1.0-py3-none-any.whl") in found(report, "error")
    assert list(outside.iterdir()) == []


@pytest.mark.real
class TestRunning:
    def run(self, bundle: TinyBundle, *wheels: Path) -> Report:
        carry(bundle.root, wheels)
        return verify(bundle.root, bundle.python, bundle.platform, machine=bundle.platform)

    def test_sound_wheels_pass_every_check(
        self, tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
    ) -> None:
        tag = f"cp{''.join(tiny_bundle.python.split('.')[:2])}-abi3-manylinux_2_17_{tiny_bundle.platform.machine}"
        module: dict[str, bytes | str] = {"low/__init__.py": "", "low/_low.abi3.so": compiled("_low")}
        scripts = {"entry_points.txt": "[console_scripts]\nhigh = high:main\n"}
        report = self.run(
            tiny_bundle,
            make_wheel(tmp_path, "low", tag=tag, files=module),
            make_wheel(
                tmp_path,
                "high",
                files={"high.py": "import low._low\ndef main(): print('high')\n"},
                dist_info=scripts,
                metadata="Requires-Dist: low\n",
            ),
        )
        assert found(report, "error") == []
        assert set(report.unseen) == {"relocation"}
        assert {path.name for path in (tmp_path / "work").iterdir()} == set()

    def test_what_a_wheel_lacks_or_breaks_is_told(
        self, tiny_bundle: TinyBundle, compiled: Callable[..., bytes], tmp_path: Path
    ) -> None:
        tag = f"cp{''.join(tiny_bundle.python.split('.')[:2])}-abi3-manylinux_2_17_{tiny_bundle.platform.machine}"
        broken = compiled("_low", 'PyErr_SetString(PyExc_ImportError, "not today"); return NULL;')
        low: dict[str, bytes | str] = {"low/__init__.py": "", "low/_low.abi3.so": broken}
        report = self.run(
            tiny_bundle,
            make_wheel(tmp_path, "low", tag=tag, files=low),
            make_wheel(
                tmp_path,
                "high",
                files={"high.py": "import high_parts\n"},
                dist_info={"entry_points.txt": "[console_scripts]\nhigh = high:main\n"},
                metadata="Requires-Dist: high-parts\n",
            ),
        )
        told = {(finding.rule, finding.subject) for finding in report.of("error") if finding.rule != "list-differs"}
        assert told == {
            ("requirement-missing", "high"),
            ("import-fails", "low: low._low"),
            ("script-fails", "high: bin/high"),
        }

    def test_wheels_that_pip_does_not_install_are_told_and_the_rows_say_so(
        self, tiny_bundle: TinyBundle, tmp_path: Path
    ) -> None:
        tag = f"py3-none-manylinux_2_99_{tiny_bundle.platform.machine}"
        report = self.run(tiny_bundle, make_wheel(tmp_path, "future", tag=tag, files={"future_tool.py": ""}))
        (finding,) = [one for one in report.of("error") if one.rule != "list-differs"]
        assert (finding.check, finding.rule) == ("requirements", "install-fails")
        assert "future==1.0" in "".join(finding.details)
        for check in ("requirements", "imports", "relocation"):
            assert "the packages: they could not be installed" in report.unseen[check]
