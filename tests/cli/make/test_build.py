from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from tests.cli.results import result_of
from tests.model.configs import write_project


def test_an_output_folder_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    root = write_project(tmp_path, {}, **{"3.12.10-x": {}})
    (root / "file").touch()
    words = ("build", "3.12.10-x", "--platform", "linux-x64", "--output", str(root / "file" / "below"))
    with pytest.raises(ConfigError, match=r"file/below cannot be made\."):
        result_of(root, *words, environ={"BUNDLE_CACHE_DIR": str(root / "cache")})
