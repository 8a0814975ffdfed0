import json
import re
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.model.config.config import ArchiveSpec, BuildWheel, CopyFile
from bundle.model.config.project import Project, VersionName, parse_version
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


def test_every_key_arrives(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        {
            "registries": {"default": "https://${HOST}/simple"},
            "packages": {
                "copyFiles": [{"from": "common", "to": "share"}],
                "skip": {"Torch": {"macosx-x64": "no wheel"}},
                "forceSource": {"parasail": {"linux-aarch64": "no wheel"}},
                "resolution": {"allowSourceList": ["Free.Sasa"], "strictMissing": False},
            },
        },
        {
            "platforms": ["windows-x64", "linux-x64"],
            "interpreter": {
                "sources": ["archive"],
                "archives": {"linux-x64": {"path": "python.tar.gz", "sha256": "A" * 64}},
                "substitute": "patch",
            },
            "packages": {
                "dependencies": ["a==1"],
                "overrides": {"A": "2"},
                "noDeps": ["B"],
                "buildWheel": {
                    "c": {
                        "linux-x64": {
                            "reason": "patched",
                            "buildRequires": ["cmake"],
                            "configSettings": {"cmake.args": ["-DX={packageRoot}"], "k": "v"},
                        }
                    }
                },
                "platformSpecific": {"linux-x64": {"dependencies": ["d"], "copyFiles": [{"from": "bin", "to": "bin"}]}},
            },
            "build": {
                "enableLogging": True,
                "parallelDownloads": False,
                "timeout": 60,
                "layout": "both",
                "archives": {"linux-x64": ["tar.gz", "zip"]},
                "bytecode": True,
                "glibc": "2.17",
                "macos": "12.0",
            },
        },
        {"HOST": "index.example"},
    ).config
    assert config.registries.default == "https://index.example/simple"
    assert config.platforms == ("linux-x64", "windows-x64")
    archive = ArchiveSpec(sha256="a" * 64, path=tmp_path / "versions" / "3.12.10-x" / "python.tar.gz")
    assert config.interpreter.archives == {"linux-x64": archive}
    assert config.interpreter.substitute == "patch"
    linux = config.packages_for("linux-x64")
    assert linux.dependencies == ("a==1", "d")
    assert linux.overrides == {"a": "2"}
    assert linux.no_deps == {"b"}
    assert linux.build_wheel == {
        "c": BuildWheel(
            reason="patched",
            build_requires=("cmake",),
            config_settings={"cmake.args": ("-DX={packageRoot}",), "k": "v"},
        )
    }
    assert linux.skip == {}
    assert config.packages_for("macosx-x64").skip == {"torch": "no wheel"}
    assert config.packages_for("linux-aarch64").force_source == {"parasail": "no wheel"}
    assert linux.resolution.allow_source == {"free-sasa"}
    assert not linux.resolution.strict_missing
    assert linux.copy_files == (
        CopyFile(source="common", target="share", base=tmp_path),
        CopyFile(source="bin", target="bin", base=tmp_path / "versions" / "3.12.10-x"),
    )
    assert config.packages_for("windows-x64").dependencies == ("a==1",)
    build = config.build
    assert (build.enable_logging, build.parallel_downloads, build.timeout) == (True, 1, 60.0)
    assert (build.layout, build.bytecode, build.floors) == ("both", True, Floors(glibc="2.17", macos="12.0"))
    assert build.archives["linux-x64"] == ("tar.gz", "zip")
    assert build.archives["macosx-x64"] == ("tar.zst",)


def test_the_mirror_of_the_environment_wins(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        {"interpreter": {"mirror": "https://a.example"}},
        {},
        {"BUNDLE_PYTHON_MIRROR": "file:///srv/mirror"},
    )
    assert loaded.config.interpreter.mirror == "file:///srv/mirror"


def test_an_unset_variable_is_an_error_unless_its_registry_is_tied_to_packages(tmp_path: Path) -> None:
    shared = {
        "registries": {
            "default": "https://${HOST_A}/simple",
            "additional": ["https://${USER_B}@b.example", {"url": "${CUDA}", "packages": ["nvidia-*"]}],
        }
    }
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, shared, {})
    assert caught.value.details == (
        "shared-config.json:3: registries.default: the environment variable HOST_A is not set.",
        "shared-config.json:5: registries.additional[0]: the environment variable USER_B is not set.",
    )
    loaded = Project(tmp_path).load("3.12.10-x", {"HOST_A": "a.example", "USER_B": "me"})
    assert loaded.config.registries.additional[0].url == "https://me@b.example"
    assert loaded.config.registries.additional[1].missing == ("CUDA",)
    assert loaded.config.registries.additional[1].origin.startswith("shared-config.json:")


def test_what_is_incomplete_after_the_merge_is_told(tmp_path: Path) -> None:
    shared = {"packages": {"buildWheel": {"a": {"linux-x64": {"reason": "r"}, "windows-x64": {"buildRequires": []}}}}}
    own = {"interpreter": {"archives": {"linux-x64": {"path": "x"}}}}
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, shared, own)
    assert caught.value.details == (
        'versions/3.12.10-x/config.json:4: interpreter.archives.linux-x64: needs "sha256", and either "url" or "path".',
        'shared-config.json:8: packages.buildWheel.a.windows-x64: lacks "reason".',
    )


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
    assert json.loads(json.dumps(loaded.merged)) == loaded.merged
