from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.artifacts.registries.default_index import default_index
from bundle.base.errors import ConfigError

URL = "https://index.example/simple"


def test_variables_win_over_files_and_uv_over_pip(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('[[index]]\nurl = "https://uv.example/simple"\ndefault = true\n')
    in_file = {"UV_CONFIG_FILE": str(tmp_path / "uv.toml")}

    assert default_index(in_file) == "https://uv.example/simple"
    assert default_index({**in_file, "PIP_INDEX_URL": URL}) == URL
    assert default_index({"PIP_INDEX_URL": "https://pip.example", "UV_DEFAULT_INDEX": f"named={URL}"}) == URL


@pytest.mark.parametrize("key", ["index-url", "INDEX_URL", "--index-url"])
def test_a_configuration_file_of_pip_is_read_as_pip_reads_it(tmp_path: Path, key: str) -> None:
    (tmp_path / "uv.toml").write_text("")
    (tmp_path / "pip.conf").write_text(f"[global]\n{key} = {URL}\n[install]\nno-index = yes\n")
    files = {"UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}

    assert default_index(files) == URL


@pytest.mark.skipif(os.name == "nt", reason="folders are POSIX")
def test_the_file_of_the_user_is_read_unless_another_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".pip").mkdir(parents=True)
    (home / ".pip" / "pip.conf").write_text("[global]\nindex-url = https://user.example/simple\n")
    (tmp_path / "named").write_text(f"[global]\nindex-url = {URL}\n")
    environ = {"HOME": str(home), "UV_CONFIG_FILE": str(tmp_path / "uv.toml")}

    assert default_index(environ) == "https://user.example/simple"
    assert default_index({**environ, "PIP_CONFIG_FILE": str(tmp_path / "named")}) == URL


def test_a_configuration_file_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("[[")

    with pytest.raises(ConfigError, match=r"uv's configuration .*broken"):
        default_index({"UV_CONFIG_FILE": str(tmp_path / "broken")})
    (tmp_path / "uv.toml").write_text("")
    with pytest.raises(ConfigError, match=r"pip's configuration .*broken"):
        default_index({"UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "PIP_CONFIG_FILE": str(tmp_path / "broken")})


@pytest.mark.real
def test_without_any_configuration_it_is_the_one_of_uv(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text("")
    environ = {"UV_CONFIG_FILE": str(tmp_path / "uv.toml"), "PIP_CONFIG_FILE": os.devnull}

    assert default_index(environ).startswith("https://")
