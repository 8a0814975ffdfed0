from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bundle.artifacts.documents.sbom import sbom
from bundle.model.manifest import SetRecord
from tests.artifacts.documents.described import BUILT, COMMIT, MANIFEST, SDIST, WHEEL

LICENCES = {
    ("flask", "3.0"): "BSD-3-Clause",
    ("sourced", "2.0"): "MIT OR Apache-2.0",
    ("tracked", "1.0"): "Our Own Licence",
}


def read() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(sbom(MANIFEST, LICENCES, epoch=315532800))
    return value


def components() -> dict[str, dict[str, Any]]:
    return {one["bom-ref"]: one for one in read()["components"]}


def test_it_is_valid_by_the_schema_of_cyclonedx() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom(MANIFEST, LICENCES, epoch=315532800)) is None


def test_the_same_bundle_gives_the_same_bytes_and_another_one_another_serial_number() -> None:
    assert read() == read()
    other = json.loads(sbom(replace(MANIFEST, version="3.12.11"), LICENCES, epoch=315532800))
    assert other["serialNumber"] != read()["serialNumber"]
    assert read()["metadata"]["timestamp"] == "1980-01-01T00:00:00+00:00"


def test_interpreter_libraries_and_packages_are_all_there() -> None:
    assert sorted(components()) == sorted(
        ["cpython", "library:OpenSSL", "library:libz.so.1", "package:flask", "package:sourced", "package:tracked"]
    )
    assert components()["cpython"]["cpe"] == "cpe:2.3:a:python:python:3.12.1:*:*:*:*:*:*:*"
    assert components()["library:libz.so.1"]["licenses"] == [{"license": {"id": "Zlib"}}]


def test_a_package_has_the_hash_of_its_wheel_and_of_the_file_that_it_comes_from() -> None:
    flask, sourced, tracked = (components()[f"package:{name}"] for name in ("flask", "sourced", "tracked"))
    assert flask["purl"] == "pkg:pypi/flask@3.0"
    assert [one["content"] for one in flask["hashes"]] == [WHEEL]
    assert [one["content"] for one in sourced["hashes"]] == [BUILT]
    origin = sourced["externalReferences"][0]
    assert (origin["type"], origin["url"]) == ("source-distribution", "sourced-2.0.tar.gz")
    assert origin["hashes"][0]["content"] == SDIST
    assert COMMIT in tracked["purl"]
    assert tracked["externalReferences"][0]["type"] == "vcs"


def test_licences_are_expressions_where_they_are_known_and_names_elsewhere() -> None:
    found = {name: one["licenses"][0] for name, one in components().items() if name.startswith("package:")}
    assert found["package:flask"] == {"license": {"id": "BSD-3-Clause"}}
    assert found["package:sourced"] == {"expression": "MIT OR Apache-2.0"}
    assert found["package:tracked"] == {"license": {"name": "Our Own Licence"}}


def test_it_tells_who_requires_what_and_what_was_left_out() -> None:
    requires = {one["ref"]: one.get("dependsOn", []) for one in read()["dependencies"]}
    assert requires["bundle"] == ["cpython", "package:flask", "package:tracked"]
    assert requires["package:flask"] == ["package:sourced", "package:tracked"]
    assert requires["cpython"] == ["library:OpenSSL", "library:libz.so.1"]
    assert read()["metadata"]["properties"] == [{"name": "bundle:skipped:nvidia-nccl", "value": "no GPU"}]


def test_a_licence_with_control_characters_and_markup_stays_a_value() -> None:
    text = sbom(MANIFEST, {("flask", "3.0"): '\x1b]0;x\x07"}, {"'}, epoch=0)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert "\x1b" not in text


def test_the_packages_of_each_set_are_there_with_the_name_of_the_set() -> None:
    record = SetRecord(packages=(replace(MANIFEST.packages[0], version="2.0"),), skipped=MANIFEST.skipped)
    text = sbom(replace(MANIFEST, layout="wheelhouse", sets={"old": record}), LICENCES, epoch=0)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    value = json.loads(text)
    assert {one["version"] for one in value["components"] if one["name"] == "flask"} == {"3.0", "2.0"}
    (root,) = (one for one in value["dependencies"] if one["ref"] == "bundle")
    assert root["dependsOn"] == ["cpython", "package:flask", "package:old/flask", "package:tracked"]
    left = [one["name"] for one in value["metadata"]["properties"]]
    assert left == ["bundle:skipped:nvidia-nccl", "bundle:skipped:old:nvidia-nccl"]
