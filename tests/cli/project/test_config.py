import json
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from tests.cli.results import result_of, text_of


def test_config_shows_what_the_two_files_come_to_without_credentials(root: Path) -> None:
    result = result_of(root, "config", "3.12.10-x")
    assert result.data["config"]["packages"]["skip"] == {"torch": {"macosx-x64": "no wheel"}}
    assert result.data["config"]["packages"]["platformSpecific"] == {"linux-x64": {"dependencies": ["uvloop"]}}
    assert json.loads(text_of(result)) == result.data["config"]
    assert "secret" not in text_of(result) + json.dumps(result.data)
    assert "git.example/x" in text_of(result)


def test_config_explains_which_file_and_line_gave_each_value(root: Path) -> None:
    result = result_of(root, "config", "3.12.10-x", "--explain")
    assert result.data["origins"]["packages.skip.torch.macosx-x64"] == {"file": "shared-config.json", "line": 5}
    lines = text_of(result).splitlines()
    assert 'packages.skip.torch.macosx-x64 = "no wheel"  (shared-config.json:5)' in lines
    assert 'packages.dependencies[0] = "numpy==2.2.6"  (versions/3.12.10-x/config.json:9)' in lines
    assert "secret" not in text_of(result)
    assert len(lines) == len(result.data["origins"])


def test_config_of_a_platform_has_what_is_specific_to_it_folded_in(root: Path) -> None:
    packages = result_of(root, "config", "3.12.10-x", "--platform", "linux-x64").data["config"]["packages"]
    assert packages["dependencies"][0::2] == ["numpy==2.2.6", "uvloop"]
    assert "platformSpecific" not in packages
    result = result_of(root, "config", "3.12.10-x", "--platform", "windows-x64", "--explain")
    assert "uvloop" not in text_of(result)
    assert "torch" not in text_of(result)
    other = result_of(root, "config", "3.12.10-x", "--platform", "macosx-x64").data["config"]["packages"]
    assert other["skip"] == {"torch": {"macosx-x64": "no wheel"}}


def test_config_of_a_version_that_is_not_there_names_the_nearest(root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        result_of(root, "config", "3.12.10-y")
    assert "3.12.10-x" in caught.value.remedy
