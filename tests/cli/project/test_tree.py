from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from tests.cli.project.locked import VERSION, locked_project
from tests.cli.results import result_of, text_of


def test_a_tree_shows_who_requires_whom_with_sizes_and_what_is_left_out(tmp_path: Path) -> None:
    result = result_of(locked_project(tmp_path), "tree", VERSION, "--platform", "linux-x64")

    assert text_of(result).splitlines() == [
        f"{VERSION} for linux-x64: 4 packages, 4.0 kB to download",
        "├── app 1.0  1.0 kB",
        "│   └── lib 1.0  1.0 kB",
        "│       └── core 1.0  1.0 kB",
        "└── tool 1.0  1.0 kB",
        "    ├── gpu 2.0  skipped: too large",
        "    └── lib 1.0  1.0 kB (*)",
    ]
    (tree,) = result.data["trees"]
    assert tree["roots"] == ["app", "tool"]
    assert {"name": "lib", "requires": ["core"], "requiredBy": ["app", "tool"]}.items() <= tree["packages"][3].items()


def test_a_version_without_a_lock_says_how_to_get_one(tmp_path: Path) -> None:
    root = locked_project(tmp_path)
    (root / "versions" / VERSION / "pylock.linux-x64.toml").unlink()

    with pytest.raises(ConfigError, match="linux-x64") as caught:
        result_of(root, "tree", VERSION, "--platform", "linux-x64")
    assert "bundle lock" in str(caught.value.remedy)
