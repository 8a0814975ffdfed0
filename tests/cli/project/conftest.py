"""A project whose configuration has something of everything."""

from pathlib import Path

import pytest

from tests.model.configs import write_project

SHARED = {"packages": {"skip": {"torch": {"macosx-x64": "no wheel", "windows-x64": "too large"}}}}
OWN = {
    "registries": {"additional": ["https://me:secret@index.example/simple"]},
    "packages": {
        "dependencies": ["numpy==2.2.6", "x @ git+https://me:secret@git.example/x"],
        "skip": {"torch": {"windows-x64": None}},
        "platformSpecific": {"linux-x64": {"dependencies": ["uvloop"]}},
    },
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path, SHARED, **{"3.12.10-x": OWN})
