from __future__ import annotations

from pathlib import Path

from bundle.model.acceptance import Acceptance
from bundle.model.manifest import LayerRecord
from tests.base.nativemaker import elf
from tests.make.audited import good, rules


def test_a_recorded_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("whole", {"whole.py": "", "whole/data": "abc", "../../../bin/whole": ""})
    (made.root / made.site / "whole.py").unlink()
    assert rules(made.verify()) == [("record-missing", f"{made.site}/whole.py")]


def test_other_bytes_than_recorded_are_found_whatever_their_size(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("whole", {"whole/longer": "abc", "whole/other": "abc"})
    made.write(f"{made.site}/whole/longer", "abcd")
    made.write(f"{made.site}/whole/other", "abd")
    report = made.verify()
    assert rules(report, "error") == [
        ("record-differs", f"{made.site}/whole/longer"),
        ("record-differs", f"{made.site}/whole/other"),
    ]


def test_a_file_that_two_layers_hold_is_a_note(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("whole", {"whole/both": "abc"})
    made.write(f"{made.site}/whole/both", "abd")
    report = made.verify(contested=[f"{made.site}/whole/both"])
    assert report.ok
    assert ("record-differs", f"{made.site}/whole/both") in rules(report, "note")


def test_other_hashes_than_sha256_are_compared_as_well(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("whole", {"whole.py": ""})
    record = f"{made.site}/whole-1.0.dist-info/RECORD"
    wrong = "sha512=" + "A" * 86
    made.write(record, f"whole.py,{wrong},0\nwhole-1.0.dist-info/METADATA,unknown=abc,\nwhole-1.0.dist-info/RECORD,,\n")
    assert rules(made.verify()) == [("record-differs", f"{made.site}/whole.py")]


def test_a_record_that_names_what_lies_outside_is_an_error(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("whole", {"whole.py": ""})
    record = made.root / made.site / "whole-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "../../../../outside,,\n")
    assert rules(made.verify()) == [("record-outside", "../outside")]


def test_a_file_of_a_package_that_no_record_names_is_found(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    path = made.write(f"{made.site}/sums/left_over.py")
    made.write(f"{made.site}/sums/__pycache__/left_over.cpython-312.pyc")
    report = made.verify()
    assert rules(report, "error") == [("record-unlisted", path)]
    assert len(report.findings) == 1


def test_a_file_that_the_version_itself_put_among_those_of_a_package_is_a_note(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    path = made.write(f"{made.site}/sums/own.py")
    report = made.verify(copied=[path])
    assert report.ok
    assert rules(report, "note") == [("record-unlisted", path)]


def test_files_of_no_package_are_told_once_by_their_folder(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.write(f"{made.site}/own/one.py")
    made.write(f"{made.site}/own/two.py")
    made.write(f"{made.site}/alone.pth")
    report = made.verify()
    assert rules(report) == []
    assert [(one.file, one.message) for one in report.of("note")] == [
        (f"{made.site}/alone.pth", "belongs to no package."),
        (f"{made.site}/own", "holds 2 files that belong to no package."),
    ]


def test_what_two_packages_bring_is_an_error_where_it_is_code(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    made.install("one", {"shared/__init__.py": "1", "shared/data.txt": "1", "shared/tool": elf()})
    contested = [f"{made.site}/shared/{name}" for name in ("__init__.py", "data.txt", "tool")]

    def conflicts(*kinds: str, accept: str = "") -> list[tuple[str, str]]:
        layers = [
            LayerRecord(digest="", kind=kind, name=name, version="1", size=1)
            for name, kind in zip(("one", "other"), kinds, strict=True)
        ]
        entries = [Acceptance(rule="package-conflict", files=accept, reason="Both are the same.")] if accept else []
        report = made.verify(contested=contested, layers=layers, acceptances=entries)
        return [
            (one.file.rpartition("/")[2], one.severity)
            for one in (*report.of("error"), *report.of("warning"))
            if one.rule == "package-conflict"
        ]

    assert conflicts("wheel", "wheel") == [("__init__.py", "error"), ("tool", "error"), ("data.txt", "warning")]
    assert conflicts("wheel", "wheel", accept="*/shared/[_t]*") == [("data.txt", "warning")]
    assert conflicts("copyFiles", "wheel") == conflicts("wheel", "interpreter") == []
