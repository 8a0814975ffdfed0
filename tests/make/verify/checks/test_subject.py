from __future__ import annotations

from pathlib import Path

from bundle.base.report import Reporter
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.subject import Subject
from bundle.model.manifest import Conflict, Manifest, PythonRecord, SkippedRecord
from bundle.model.platforms import PLATFORMS
from tests.base.nativemaker import elf


def test_a_subject_has_normalised_names_and_reads_every_file_once(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("made in /srv/builder")
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "chain").symlink_to("link")
    (tmp_path / "native").write_bytes(elf())
    (tmp_path / "broken").write_bytes(b"MZ")
    (tmp_path / "other").write_bytes(elf(machine="aarch64"))
    manifest = Manifest(
        version="3.12.10",
        platform="linux-x64",
        python=PythonRecord(actual="3.12.10"),
        skipped=(
            SkippedRecord(name="Nvidia_NCCL", reason="no GPU there."),
            SkippedRecord(name="triton", reason="no wheel"),
        ),
        overrides=("NumPy",),
        no_deps=("open.mm",),
        copied=("bin/tool",),
        conflicts=(Conflict(path="bin/f2py", kept="a", lost="b"),),
    )
    subject = Subject(
        contents=read_contents(tmp_path, python="3.12.10", platform=PLATFORMS["linux-x64"]),
        manifest=manifest,
        policy=Policy(forbidden=(Path("/srv/builder"), Path("/srv")), skip_origins={"nvidia-nccl": "config.json:12"}),
        jobs=1,
        reporter=Reporter(),
    )
    assert subject.skipped == {"nvidia-nccl": "no GPU there (config.json:12)", "triton": "no wheel"}
    assert subject.relaxed == {"numpy", "open-mm"}
    assert subject.copied == {"bin/tool"}
    assert subject.contested == {"bin/f2py"}
    assert subject.searched[1] == (Path("/srv"),)
    assert sorted(subject.scanned) == ["broken", "data", "native", "other"]
    assert subject.scanned is subject.scanned
    assert [offset for _, offset in subject.scanned["data"].hits] == [8]
    assert (list(subject.natives), list(subject.own_natives)) == (["native", "other"], ["native"])
    assert subject.natives is subject.natives
    assert subject.contents.links == {"chain": "data", "link": "data"}
