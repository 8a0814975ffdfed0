from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from bundle.artifacts.archives.zip_archive import write_zip
from bundle.artifacts.store.layers import path_order
from bundle.artifacts.store.store import Store
from bundle.base.errors import IntegrityError
from tests.artifacts.conftest import AddLayer
from tests.artifacts.trees import SMALL, File

SECOND = {"lib/python3.12/os.py": File(b"name = 'other'\n"), "bin/f2py": File(b"#!/bin/sh\n", executable=True)}


def test_a_zip_has_modes_links_fixed_times_and_each_path_once(store: Store, add: AddLayer, tmp_path: Path) -> None:
    write_zip(store, [add("cpython", SMALL), add("numpy", SECOND)], tmp_path / "out.zip", level=6)

    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        assert names == sorted(names, key=lambda name: path_order(name.rstrip("/")))
        assert archive.read("python/lib/python3.12/os.py") == b"name = 'other'\n"
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert modes["python/bin/f2py"] == stat.S_IFREG | 0o755
        assert stat.S_ISLNK(modes["python/bin/python3"])
        assert archive.read("python/bin/python3") == b"python3.12"
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_changed_file_never_gets_into_a_zip(store: Store, add: AddLayer, tmp_path: Path) -> None:
    layer = add()
    (store.tree(layer) / "lib/python3.12/os.py").write_bytes(b"name = 'virus'\n")

    with pytest.raises(IntegrityError, match=r"os\.py has other bytes"):
        write_zip(store, [layer], tmp_path / "out.zip", level=6)
