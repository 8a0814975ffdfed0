from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import tomli_w

from bundle.base.errors import ConfigError
from bundle.make.inputs.inputs import Inputs, read_inputs
from bundle.make.inputs.pyproject import Parts
from bundle.model.config.json_source import plain

DEFAULT = "https://default.example/simple"
WHEEL = {"name": "demo-1.0-py3-none-any.whl", "url": "https://files.example/demo-1.0-py3-none-any.whl"}
HASHES = {"hashes": {"sha256": "a" * 64}}


def read(folder: Path, *packages: dict[str, Any], **parts: tuple[str, ...]) -> Inputs:
    document = {"lock-version": "1.0", "created-by": "other", "packages": list(packages)}
    (folder / "pylock.toml").write_text(tomli_w.dumps(document))
    with patch("bundle.make.inputs.taken_lock.built_in_index", return_value=DEFAULT):
        return read_inputs([folder / "pylock.toml"], [], Parts(**parts))


def demo(name: str = "demo", **more: Any) -> dict[str, Any]:
    wheel = {key: text.replace("demo", name) for key, text in WHEEL.items()}
    return {"name": name, "version": "1.0", "wheels": [{**wheel, **HASHES}], **more}


def test_a_lock_is_kept_as_it_is(tmp_path: Path) -> None:
    inputs = read(tmp_path, demo(), extras=("gui",))
    assert inputs.taken is not None
    assert (inputs.taken.shown, inputs.taken.extras) == ("pylock.toml", ("gui",))
    assert [package.name for package in inputs.taken.lock.packages] == ["demo"]
    assert plain(inputs.table)["packages"]["dependencies"] == []


def test_indexes_become_registries_of_their_packages(tmp_path: Path) -> None:
    other = "https://other.example/simple"
    inputs = read(tmp_path, demo(index=f"{DEFAULT}/"), demo("two", index=other))
    assert plain(inputs.table)["registries"] == {"additional": [{"url": other, "packages": ["two"]}]}


def test_addresses_become_requirements(tmp_path: Path) -> None:
    commit = "0" * 40
    inputs = read(
        tmp_path,
        {"name": "a", "vcs": {"type": "git", "url": "https://git.example/a", "commit-id": commit}},
        {"name": "b", "directory": {"path": "sub dir/b"}},
        {"name": "c", "archive": {"url": "https://files.example/c-1.0.zip", **HASHES}},
    )
    assert plain(inputs.table)["packages"]["dependencies"] == [
        f"a @ git+https://git.example/a@{commit}",
        "b @ ./sub%20dir/b",
        f"c @ https://files.example/c-1.0.zip#sha256={'a' * 64}",
    ]


@pytest.mark.parametrize("text", ["[", "", 'lock-version = "9.0"\ncreated-by = "x"\npackages = []', "packages = 1"])
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pylock.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"pylock\.toml: it is no lock"):
        read_inputs([tmp_path / "pylock.toml"], [], Parts())


def test_a_uv_lock_needs_its_project(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("version = 1\n")
    with pytest.raises(ConfigError, match=r"no pyproject\.toml beside it"):
        read_inputs([tmp_path / "uv.lock"], [], Parts())
