from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bundle.base.errors import Problems
from bundle.model.config.config import ArchiveSpec, BuildWheel, Config, CopyFile
from bundle.model.config.merge import merge
from bundle.model.config.reader import Reader
from bundle.model.platforms import Floors
from tests.model.configs import table


def read(
    root: Path, shared: Any, own: Any, environ: Mapping[str, str] = MappingProxyType({})
) -> tuple[Config, list[str]]:
    """Return the configuration that two files make, and the problems that it has."""
    problems = Problems()
    merged = merge(table(shared), table(own, "versions/3.12.10-x/config.json"))
    config = Reader(merged, root=root, environ=environ, problems=problems).config(
        version="3.12.10-x", python="3.12.10", variant="x", folder=root / "versions" / "3.12.10-x"
    )
    return config, [error.what for error in problems.errors]


def test_every_key_arrives(tmp_path: Path) -> None:
    config, _ = read(
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
                            "environment": {"MODE": "ABI"},
                            "network": "downloads",
                        },
                        "windows-x64": {"network": "downloads more"},
                    }
                },
                "platformSpecific": {"linux-x64": {"dependencies": ["d"], "copyFiles": [{"from": "bin", "to": "bin"}]}},
            },
            "build": {
                "enableLogging": True,
                "parallelDownloads": False,
                "timeout": 60,
                "isolation": "strict",
                "layout": "both",
                "archives": {"linux-x64": ["tar.gz", "zip"]},
                "bytecode": True,
                "userSite": True,
                "carry": False,
                "glibc": "2.17",
                "macos": "12.0",
            },
        },
        {"HOST": "index.example"},
    )
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
            environment={"MODE": "ABI"},
        )
    }
    windows = config.packages_for("windows-x64")
    assert (linux.network, windows.network) == ({"c": "downloads"}, {"c": "downloads more"})
    assert windows.build_wheel == {}, "a permission alone asks for no source build"
    assert linux.skip == {}
    assert config.packages_for("macosx-x64").skip == {"torch": "no wheel"}
    assert config.packages_for("macosx-x64").skip_origins["torch"] == "shared-config.json:14"
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
    assert build.user_site
    assert not build.carry
    assert build.isolation == "strict"
    assert (build.layout, build.bytecode, build.floors) == ("both", True, Floors(glibc="2.17", macos="12.0"))
    assert build.archives["linux-x64"] == ("tar.gz", "zip")
    assert build.archives["macosx-x64"] == ("tar.zst",)


def test_an_acceptance_holds_on_the_platforms_of_its_patterns(tmp_path: Path) -> None:
    entry = {"rule": "import-fails", "package": "a", "platforms": ["linux-*"], "error": ["b", "c"], "reason": "r"}
    config, _ = read(tmp_path, {"verify": {"accept": [entry]}}, {})
    (found,) = config.verify.accept
    assert (found.platforms, found.error) == (("linux-x64", "linux-aarch64"), ("b", "c"))


def test_variables_of_programs_hold_where_their_patterns_say(tmp_path: Path) -> None:
    shared = {"*": {"A": "1", "B": "1"}, "linux-*": {"A": "2"}, "linux-x64": {"C": "{bundle}/c"}}
    own = {"linux-x64": {"B": None}, "windows-x64": {"A": "3"}}
    config, _ = read(tmp_path, {"runtime": {"environment": shared}}, {"runtime": {"environment": own}})
    assert config.packages_for("linux-x64").environment == {"A": "2", "C": "{bundle}/c"}
    assert config.packages_for("linux-aarch64").environment == {"A": "2", "B": "1"}
    assert config.packages_for("windows-x64").environment == {"A": "3", "B": "1"}


def test_the_mirror_of_the_environment_wins(tmp_path: Path) -> None:
    shared = {"interpreter": {"mirror": "https://a.example"}}
    config, _ = read(tmp_path, shared, {}, {"BUNDLE_PYTHON_MIRROR": "file:///srv/mirror"})
    assert config.interpreter.mirror == "file:///srv/mirror"


def test_an_unset_variable_is_an_error_unless_its_registry_is_tied_to_packages(tmp_path: Path) -> None:
    shared = {
        "registries": {
            "default": "https://${HOST_A}/simple",
            "additional": ["https://${USER_B}@b.example", {"url": "${CUDA}", "packages": ["nvidia-*"]}],
        }
    }
    _, problems = read(tmp_path, shared, {})
    assert problems == [
        "shared-config.json:3: registries.default: the environment variable HOST_A is not set.",
        "shared-config.json:5: registries.additional[0]: the environment variable USER_B is not set.",
    ]
    config, problems = read(tmp_path, shared, {}, {"HOST_A": "a.example", "USER_B": "me"})
    assert problems == []
    untied, tied = config.registries.additional
    assert untied.url == "https://me@b.example"
    assert (tied.missing, tied.origin) == (("CUDA",), "shared-config.json:7")


def test_wheels_lie_where_the_files_say_beside_the_version_and_in_the_project(tmp_path: Path) -> None:
    config, _ = read(tmp_path, {"packages": {"wheels": ["../built"]}}, {"packages": {"wheels": ["one.whl"]}})
    own = tmp_path / "versions" / "3.12.10-x"
    assert [(place.pattern, place.base, place.named) for place in config.wheels] == [
        ("../built", tmp_path, True),
        ("one.whl", own, True),
        ("wheels", own, False),
        ("wheels", tmp_path, False),
    ]


def test_accepted_findings_of_both_files_are_read(tmp_path: Path) -> None:
    shared = {"rule": "build-path", "files": "*.so", "reason": "harmless"}
    own = {"rule": "import-fails", "files": "a.py", "error": "no display", "reason": "needs a screen"}
    config, _ = read(tmp_path, {"verify": {"accept": [shared]}}, {"verify": {"accept": [own]}})
    assert [one.as_json() for one in config.verify.accept] == [shared, own]


def test_entries_that_are_incomplete_after_the_merge_are_problems(tmp_path: Path) -> None:
    shared = {"packages": {"buildWheel": {"a": {"linux-x64": {"reason": "r"}, "windows-x64": {"buildRequires": []}}}}}
    own = {"interpreter": {"archives": {"linux-x64": {"path": "x"}}}}
    _, problems = read(tmp_path, shared, own)
    assert problems == [
        'versions/3.12.10-x/config.json:4: interpreter.archives.linux-x64: needs "sha256", and either "url" or "path".',
        'shared-config.json:8: packages.buildWheel.a.windows-x64: lacks "reason".',
    ]


def test_a_set_has_the_rules_of_all_and_its_own_requirements(tmp_path: Path) -> None:
    own = {"dependencies": ["numpy", "mine @ ../../mine"], "overrides": {"numpy": "1"}}
    packages = {
        "dependencies": ["scipy"],
        "overrides": {"numpy": "2", "click": "8"},
        "skip": {"torch": {"linux-x64": "no GPU"}},
        "platformSpecific": {"linux-x64": {"dependencies": ["only-there"]}},
        "sets": {"b": {"dependencies": ["x"]}, "a": own},
    }
    config, problems = read(tmp_path, {}, {"packages": packages, "build": {"layout": "wheelhouse"}})
    assert problems == []
    assert [one.title for one in config.members] == ["3.12.10-x", "3.12.10-x (set a)", "3.12.10-x (set b)"]
    first, member, _ = (one.packages_for("linux-x64") for one in config.members)
    assert first.dependencies == ("scipy", "only-there")
    assert member.dependencies == ("numpy", "mine @ ../../mine")
    assert member.folders == {"mine": tmp_path / "mine"}
    assert (dict(member.overrides), dict(member.skip)) == ({"numpy": "1", "click": "8"}, {"torch": "no GPU"})


@pytest.mark.parametrize("build", [{}, {"layout": "installed"}, {"layout": "both"}])
def test_sets_need_a_wheelhouse(tmp_path: Path, build: dict[str, Any]) -> None:
    _, (problem,) = read(tmp_path, {"build": build}, {"packages": {"sets": {"a": {"dependencies": []}}}})
    assert "packages.sets: sets need build.layout wheelhouse" in problem
    assert "one site-packages holds one version of each package" in problem
