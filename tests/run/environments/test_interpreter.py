from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.model.platforms import PLATFORMS
from bundle.run.environments.interpreter import Interpreters
from tests.run.environments.apps import PYTHON


@pytest.fixture
def interpreters(tmp_path: Path) -> Interpreters:
    return Interpreters(data=tmp_path / "data", machine=PLATFORMS["linux-x64"], environ=dict(os.environ))


@pytest.mark.real
def test_a_version_or_a_path_names_a_python_of_the_machine(interpreters: Interpreters, tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    for version in (PYTHON, sys.executable, "./python"):
        found = interpreters.find(version, tmp_path)
        assert found.python == ".".join(map(str, sys.version_info[:3]))
        assert found.identity["python"] == found.python
        assert all(path.exists() for path in found.files)


def test_a_bundle_that_is_not_there_is_told(interpreters: Interpreters, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"3\.12\.10-atls is not installed here"):
        interpreters.find("bundle:3.12.10-atls", tmp_path)
    with pytest.raises(ConfigError):
        interpreters.find("bundle:./nothing", tmp_path)


@pytest.mark.real
def test_a_python_that_is_not_there_is_told_with_those_that_are(interpreters: Interpreters, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no Python 3\.39") as caught:
        interpreters.find("3.39", tmp_path)
    assert "nothing is downloaded" in caught.value.as_text()
