from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.errors import IntegrityError, WorkError
from bundle.base.processes.run import check, run
from tests.artifacts.wheel.layouts import (
    ENTRY_POINTS,
    LINUX,
    SITE,
    WINDOWS,
    assert_record_is_true,
    content,
    lay,
    refused,
)
from tests.artifacts.wheelmaker import make_wheel
from tests.examples import examples


def test_the_same_wheel_gives_the_same_bytes_under_any_umask(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo.py": "x"}, dist_info={"entry_points.txt": ENTRY_POINTS})
    trees = []
    for platform in (LINUX, WINDOWS):
        for number, umask in enumerate((0o022, 0o077)):
            before = os.umask(umask)
            try:
                tree = tmp_path / f"{platform.key}{number}"
                lay(wheel, tree, platform=platform)
            finally:
                os.umask(before)
            trees.append(content(tree))
    assert trees[0] == trees[1]
    assert trees[2] == trees[3]


def test_a_direct_url_is_written_without_credentials(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    url = "https://user:secret@index.example:8443/demo.whl?token=secret#sha256=0"
    lay(wheel, tmp_path / "tree", direct_url={"url": url, "archive_info": {"hash": "sha256=00"}})
    folder = tmp_path / "tree" / SITE / "demo-1.0.dist-info"
    assert json.loads((folder / "direct_url.json").read_text()) == {
        "archive_info": {"hash": "sha256=00"},
        "url": "https://index.example:8443/demo.whl",
    }
    lay(wheel, tmp_path / "ssh", direct_url={"url": "ssh://git@host.example/demo", "vcs_info": {"vcs": "git"}})
    assert "ssh://git@host.example/demo" in (tmp_path / "ssh" / SITE / "demo-1.0.dist-info/direct_url.json").read_text()


def test_an_address_on_this_machine_is_not_written(tmp_path: Path) -> None:
    lay(make_wheel(tmp_path), tmp_path / "tree", direct_url={"url": tmp_path.as_uri(), "dir_info": {}})
    assert not (tmp_path / "tree" / SITE / "demo-1.0.dist-info" / "direct_url.json").exists()


def test_a_wheel_for_another_platform_or_python_is_refused(tmp_path: Path) -> None:
    for tag in ("cp312-cp312-win_amd64", "cp311-cp311-manylinux_2_17_x86_64", "py2-none-any"):
        error = refused(make_wheel(tmp_path, tag=tag), tmp_path / "tree")
        assert isinstance(error, WorkError)
        (tmp_path / "tree").rmdir()


@pytest.fixture(name="scratch", scope="module")
def one_folder_for_all_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@given(data=st.data())
@examples(150)
def test_a_damaged_wheel_ends_in_an_integrity_error_or_in_the_same_tree(scratch: Path, data: st.DataObject) -> None:
    wheel = make_wheel(
        scratch,
        files={"demo.py": "x", "{data}/scripts/run": "#!python\n"},
        dist_info={"entry_points.txt": ENTRY_POINTS},
        compression=data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])),
    )
    whole, damaged = scratch / "whole", scratch / "damaged"
    for tree in (whole, damaged):
        run_away(tree)
    lay(wheel, whole)
    raw = bytearray(wheel.read_bytes())
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    wheel.write_bytes(raw)
    try:
        lay(wheel, damaged)
    except IntegrityError:
        return
    modes_may_change = [{path: data for path, (data, _) in content(tree).items()} for tree in (whole, damaged)]
    assert modes_may_change[0] == modes_may_change[1]


def run_away(tree: Path) -> None:
    for path in sorted(tree.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if tree.exists():
        tree.rmdir()


@pytest.mark.real
def test_the_pip_that_comes_with_python_runs_where_it_was_laid(tmp_path: Path) -> None:
    import ensurepip

    bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    python = ".".join(map(str, sys.version_info[:3]))
    tree = tmp_path / "a b \xfc"
    tree.mkdir()
    laid = lay_out(bundled, tree, platform=LINUX, python=python)
    site_packages = LINUX.site_packages(python)
    assert_record_is_true(tree, site_packages, f"pip-{laid.version}.dist-info")
    interpreter = tree / LINUX.executable(python)
    interpreter.write_text(
        f"""#!/bin/sh
exec "{sys.executable}" -I -c 'import sys
sys.path.insert(0, sys.argv[1])
del sys.argv[:sys.argv.index("-s") + 1]
exec(compile(open(sys.argv[0]).read(), sys.argv[0], "exec"))' "{tree}/{site_packages}" "$@"
"""
    )
    interpreter.chmod(0o755)
    shown = check(run([tree / "bin" / "pip", "--version"]), "pip").output
    assert shown.startswith(f"pip {laid.version} from {tree}/{site_packages}")
