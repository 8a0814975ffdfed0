from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.model.acceptance import Acceptance
from bundle.model.config.schema import schema
from bundle.model.manifest import (
    MOST_SETS,
    Conflict,
    LayerRecord,
    Manifest,
    PackageRecord,
    PythonRecord,
    SetRecord,
    SkippedRecord,
    read_manifest,
)
from bundle.model.platforms import PLATFORMS, Floors
from bundle.model.records import MalformedError

SMALL: dict[str, Any] = {"version": "3.12.10", "platform": "macosx-x64", "python": {"actual": "3.12.10"}}

FULL = Manifest(
    bundle="0.1.0",
    version="3.12.10-atls",
    platform="linux-x64",
    python=PythonRecord(requested="3.12.10", actual="3.12.1", source="host"),
    interpreter={"glibc": "2.36"},
    bytecode="compiled by 3.12.1",
    lock="a" * 64,
    layers=(LayerRecord(digest="1" * 64, kind="wheel", name="numpy", version="2.2.6", size=60),),
    packages=(
        PackageRecord(
            name="numpy",
            version="2.2.6",
            decision="wheel",
            reason="fits",
            required_by=("", "scipy"),
            file="n.whl",
            sha256="b",
        ),
        PackageRecord(
            name="tool",
            version="1",
            decision="source",
            reason="a commit",
            required_by=("",),
            repository="u",
            commit="c",
            wheel="d",
        ),
    ),
    overrides=("numpy",),
    skipped=(SkippedRecord(name="cuda", reason="no GPU there", required_by=("",)),),
    copied=("bin/tool",),
    conflicts=(Conflict(path="bin/f2py", kept="numpy", lost="python"),),
    floor={"glibc": "2.36"},
    floor_asked={"glibc": "2.28"},
    environment={"TOOL_HOME": "{bundle}/share"},
    accepted=(Acceptance(rule="import-fails", files="*/x.*", error="no Tk", reason="known"),),
)


def test_a_manifest_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(json.dumps(FULL.as_json()))
    assert read_manifest(tmp_path) == FULL


def test_the_keys_of_the_file_are_a_contract() -> None:
    value = FULL.as_json()
    assert list(value) == [
        *("format", "bundle", "version", "platform", "python", "interpreter", "layout", "bytecode", "lock", "layers"),
        *(
            "packages",
            "overrides",
            "noDeps",
            "skipped",
            "copied",
            "conflicts",
            "flaws",
            "floor",
            "floorAsked",
            "accepted",
            "environment",
            "files",
        ),
    ]
    assert value["python"] == {"requested": "3.12.10", "actual": "3.12.1", "source": "host", "substituted": True}
    assert list(value["packages"][0]) == ["name", "version", "decision", "reason", "requiredBy", "file", "sha256"]
    assert set(value["packages"][1]) >= {"repository", "commit", "wheel"}
    assert value["packages"][0]["requiredBy"] == ["(the configuration)", "scipy"]
    assert value["skipped"] == [
        {"name": "cuda", "kind": "skipped", "reason": "no GPU there", "requiredBy": ["(the configuration)"]}
    ]
    skipped = replace(FULL, skipped=(replace(FULL.skipped[0], available=("x",)),))
    assert skipped.as_json() == value


def test_what_is_not_there_has_a_default_and_unknown_keys_are_ignored() -> None:
    manifest = Manifest.from_json({**SMALL, "colour": "blue", "floorAsked": {"macos": "12.0"}})
    assert manifest.target is PLATFORMS["macosx-x64"]
    assert manifest.floors == Floors(macos="12.0")
    assert (manifest.accepted, manifest.skipped) == ((), ())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "the document is [], not an object"),
        ({"version": "x"}, "the document lacks platform"),
        ({**SMALL, "platform": "amiga"}, "platform is 'amiga', which is unknown"),
        ({**SMALL, "python": {}}, "python lacks actual"),
        ({**SMALL, "python": {"actual": "3.12/../../etc"}}, "not a version of Python"),
        ({**SMALL, "format": 2}, "format is 2, not 1"),
        ({**SMALL, "copied": ["a", 1]}, "copied[1] is 1, not str"),
        ({**SMALL, "skipped": [{"name": None}]}, "skipped[0].name is None, not str"),
        (
            {**SMALL, "packages": [{"name": "a", "version": "1", "decision": "magic"}]},
            "decision is 'magic', not one of",
        ),
        ({**SMALL, "floorAsked": {"glibc": "new"}}, "floorAsked is not a version"),
        ({**SMALL, "floorAsked": {"windows": "11.0"}}, "floorAsked is not a version"),
        ({**SMALL, "accepted": [{"rule": "a", "files": "b"}]}, "accepted[0] lacks reason"),
    ],
)
def test_a_malformed_manifest_is_named_with_the_place(tmp_path: Path, value: object, expected: str) -> None:
    (tmp_path / "bundle.json").write_text(json.dumps(value))
    with pytest.raises(ConfigError) as caught:
        read_manifest(tmp_path)
    assert expected in caught.value.what


@pytest.mark.parametrize("content", [None, "{", "[" * 100_000])
def test_a_folder_without_a_readable_manifest_is_no_bundle(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(ConfigError, match=r"bundle\.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("variables", [{"A=B": "x"}, {"": "x"}, {"A": "x\0"}, {"PATH": "x"}, {"A": "{home}"}])
def test_variables_that_cannot_be_set_are_no_manifest(variables: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="environment has a variable that a bundle cannot set"):
        Manifest.from_json({**SMALL, "environment": variables})


def test_a_bundle_without_variables_says_nothing_of_them() -> None:
    assert "environment" not in Manifest.from_json(SMALL).as_json()


def test_sets_come_back_and_a_bundle_without_them_says_nothing() -> None:
    assert "sets" not in FULL.as_json()
    record = SetRecord(lock="b" * 64, packages=FULL.packages, skipped=FULL.skipped)
    manifest = replace(FULL, layout="wheelhouse", packages=(), sets={"gpu": record})
    value = json.loads(json.dumps(manifest.as_json()))
    assert value["sets"]["gpu"]["packages"][0]["requiredBy"] == ["(the configuration)", "scipy"]
    assert Manifest.from_json(value) == manifest
    members = manifest.members
    assert [(name, len(one.packages), one.lock) for name, one in members.items()] == [
        ("", 0, FULL.lock),
        ("gpu", 2, "b" * 64),
    ]


@pytest.mark.parametrize(
    ("name", "layout"), [("../x", "wheelhouse"), ("a/b", "wheelhouse"), ("", "wheelhouse"), ("gpu", "installed")]
)
def test_forged_sets_are_no_manifest(name: str, layout: str) -> None:
    with pytest.raises(MalformedError, match="sets"):
        Manifest.from_json({**SMALL, "layout": layout, "sets": {name: {}}})


def test_a_forged_manifest_has_no_endless_sets() -> None:
    sets: dict[str, Any] = {str(number): {} for number in range(MOST_SETS + 1)}
    with pytest.raises(MalformedError, match="more than 50"):
        Manifest.from_json({**SMALL, "layout": "wheelhouse", "sets": sets})
    assert schema()["properties"]["packages"]["properties"]["sets"]["maxProperties"] == MOST_SETS
