import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import is_valid_pylock_path

from bundle.base.errors import ConfigError
from bundle.model.config.project import LONGEST_VERSION, Project, VersionName, parse_version
from bundle.model.platforms import PLATFORMS, Floors
from tests.model.configs import write_project

ROOT = Path(__file__).parents[3]


def load(root: Path, shared: Any, own: Any, environ: dict[str, str] | None = None) -> Any:
    return Project(write_project(root, shared, **{"3.12.10-x": own})).load("3.12.10-x", environ or {})


def test_two_empty_files_are_a_version_with_all_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, {}, {}).config
    assert (config.version, config.python, config.variant) == ("3.12.10-x", "3.12.10", "x")
    assert config.folder == tmp_path / "versions" / "3.12.10-x"
    assert config.platforms == tuple(PLATFORMS)
    assert config.registries.default is None
    assert config.interpreter.sources == ("python-build-standalone", "host")
    assert config.interpreter.substitute == "never"
    assert config.build.parallel_downloads == 8
    assert config.build.archives["windows-x64"] == ("tar.zst",)
    assert config.build.floors == Floors()
    assert config.packages_for("linux-x64").resolution.strict_missing


def test_the_problems_of_both_files_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 2 problems") as caught:
        load(tmp_path, {"packges": {}}, {"build": {"timeuot": 3}})
    shared, own = caught.value.details
    assert 'Did you mean "packages"?' in shared
    assert own == 'versions/3.12.10-x/config.json:3: build.timeuot: unknown key "timeuot". Did you mean "timeout"?'


@pytest.mark.parametrize("content", ["", "[]", "null", '{"packages": ', "\x00"])
def test_a_file_that_holds_no_table_is_an_error_and_never_an_empty_config(tmp_path: Path, content: str) -> None:
    write_project(tmp_path, {}, **{"3.12.10": {}})
    (tmp_path / "versions" / "3.12.10" / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=r"^versions/3\.12\.10/config\.json:"):
        Project(tmp_path).load("3.12.10", {})


def test_a_version_without_a_file_is_an_error(tmp_path: Path) -> None:
    write_project(tmp_path, {}, **{"3.12.10": {}})
    (tmp_path / "versions" / "3.12.10" / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"versions/3\.12\.10/config\.json does not exist"):
        Project(tmp_path).load("3.12.10", {})


def test_an_unknown_version_is_told_with_the_nearest(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10-atls": {}, "3.12.10": {}, "3.9.1": {}}))
    with pytest.raises(ConfigError) as caught:
        project.load("3.12.10-alts", {})
    assert caught.value.exit_code == 2
    assert caught.value.remedy.startswith("Did you mean 3.12.10-atls or 3.12.10")
    with pytest.raises(ConfigError, match="There is no version"):
        project.load("../versions/3.12.10", {})


def test_versions_are_listed_from_the_oldest_python_and_hidden_folders_are_none(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.versions() == []
    for name in ("3.12.10", "3.9.1", "3.12.10-atls", "3.12.9", ".x", "__pycache__", "odd"):
        (tmp_path / "versions" / name).mkdir(parents=True)
    (tmp_path / "versions" / "README.md").touch()
    assert project.versions() == ["3.9.1", "3.12.9", "3.12.10", "3.12.10-atls", "odd"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("3.12", "3.12.0"),
        ("py3.13-custom", "3.13.0-custom"),
        ("3.13.0custom", "3.13.0-custom"),
        ("3.13.0_my lab", "3.13.0-my-lab"),
        ("3.13.0-", "3.13.0"),
        ("../3.13.0", None),
        ("custom", None),
    ],
)
def test_a_name_that_is_no_version_is_told_the_nearest_that_is_one(name: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_version(name)
    meant = re.search(r"Did you mean (\S+)\?", caught.value.what)
    assert (meant[1] if meant else None) == hint


def test_a_version_is_taken_apart() -> None:
    assert parse_version("3.12.10") == VersionName(python="3.12.10")
    assert parse_version("3.12.10-atls.2") == VersionName(python="3.12.10", variant="atls.2")


@pytest.mark.parametrize("version", Project(ROOT).versions())
def test_the_versions_of_this_repository_load(version: str) -> None:
    loaded = Project(ROOT).load(version, {})
    assert loaded.config.packages_for("macosx-aarch64").skip["triton"]
    assert loaded.config.packages_for("linux-x64").skip == {}
    assert json.loads(json.dumps(loaded.tree.value)) == loaded.tree.value


def test_each_platform_and_set_has_a_lock_that_pep_751_allows(tmp_path: Path) -> None:
    packages: dict[str, Any] = {"sets": {name: {"dependencies": []} for name in ("gpu", "linux-x64")}}
    own = {"platforms": ["linux-x64"], "build": {"layout": "wheelhouse"}, "packages": packages}
    project = Project(write_project(tmp_path, {}, **{"3.12.10": own}))
    paths = project.lock_paths(project.load("3.12.10", {}).config)
    names = ["pylock.linux-x64.toml", "pylock.linux-x64-gpu.toml", "pylock.linux-x64-linux-x64.toml"]
    assert [path.name for path in paths] == names
    assert all(is_valid_pylock_path(path) for path in paths)
    for path in (*paths, project.folder("3.12.10") / "pylock.mine-linux-x64.toml"):
        path.touch()
    assert project.locks("3.12.10") == dict.fromkeys(sorted(paths), "linux-x64")


def test_a_version_has_a_name_that_archives_can_carry() -> None:
    assert parse_version(f"3.12.10-{'a' * (LONGEST_VERSION - 8)}").variant
    with pytest.raises(ConfigError, match="has 308 characters; a version's name has at most 210"):
        parse_version(f"3.12.10-{'a' * 300}")


class Memory(dict[object, bool]):
    """Remembers as a cache does."""

    def find(self, key: object) -> bool | None:
        return self.get(key)

    def put(self, key: object, value: object) -> bool:
        self[key] = bool(value)
        return self[key]


class ReadOnly(Memory):
    def put(self, key: object, value: object) -> bool:
        raise PermissionError(13, "refused", str((key, value)))


def test_what_fitted_the_schema_is_not_validated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10": {"platforms": ["linux-x64"]}}))
    project.valid = memory = Memory()
    first = project.load("3.12.10", {}).config
    assert len(memory) == 2
    seen: list[object] = []

    def violations(node: object) -> list[ConfigError]:
        seen.append(node)
        return []

    monkeypatch.setattr("bundle.model.config.schema.violations", violations)
    assert project.load("3.12.10", {}).config == first
    assert seen == []
    (tmp_path / "versions" / "3.12.10" / "config.json").write_text('{"platforms": ["linux-aarch64"]}')
    project.load("3.12.10", {})
    assert len(seen) == 1


def test_what_is_wrong_is_never_remembered(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10": {"platforms": ["linux"]}}))
    project.valid = memory = Memory()
    for _ in range(2):
        with pytest.raises(ConfigError, match="platforms"):
            project.load("3.12.10", {})
    assert len(memory) == 1, "the shared file alone is right"


def test_a_store_that_is_only_readable_is_no_error(tmp_path: Path) -> None:
    project = Project(write_project(tmp_path, {}, **{"3.12.10": {}}))
    project.valid = ReadOnly()
    project.load("3.12.10", {})
