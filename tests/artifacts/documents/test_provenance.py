from __future__ import annotations

import json
from typing import Any

from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from bundle.artifacts.documents.provenance import provenance
from tests.artifacts.documents.described import COMMIT, LOCK, MANIFEST, SDIST, WHEEL

SUBJECTS = {"3.12.10-mine-linux-x64.tar.zst": "6" * 64}
PROJECT = {"shared-config.json": "7" * 64, "versions/3.12.10-mine/pylock.linux-x64.toml": "8" * 64}


def text() -> str:
    return provenance(MANIFEST, [LOCK, LOCK], subjects=SUBJECTS, project=PROJECT)


def definition() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text())["predicate"]["buildDefinition"]
    return value


def test_it_is_valid_by_the_definitions_of_in_toto_and_slsa() -> None:
    Statement.copy_from_pb(ParseDict(json.loads(text()), StatementMessage())).validate()
    predicate = ParseDict(json.loads(text())["predicate"], Provenance())
    for material in predicate.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(material).validate()


def test_the_archives_are_its_subjects() -> None:
    assert json.loads(text())["subject"] == [{"name": "3.12.10-mine-linux-x64.tar.zst", "digest": {"sha256": "6" * 64}}]


def test_it_names_configuration_and_lock_by_their_hashes() -> None:
    assert {one["name"]: one["digest"]["sha256"] for one in definition()["externalParameters"]["project"]} == PROJECT


def test_it_names_every_file_and_commit_that_the_build_took_build_requirements_included() -> None:
    materials = definition()["resolvedDependencies"]
    found = {one["name"]: one["digest"] for one in materials}
    assert len(found) == len(materials)
    assert found == {
        "cpython-3.12.1-linux-x64": {"sha256": "d" * 64},
        "flask-3.0-py3-none-any.whl": {"sha256": WHEEL},
        "sourced-2.0.tar.gz": {"sha256": SDIST},
        "tracked": {"gitCommit": COMMIT},
        "hatchling-1.27-py3-none-any.whl": {"sha256": "5" * 64},
    }


def test_it_tells_the_decisions_with_their_reasons() -> None:
    decided = definition()["internalParameters"]
    assert decided["packages"]["sourced"] == {
        "decision": "source",
        "reason": "no compatible wheel",
        "isolation": "bubblewrap",
    }
    assert decided["skipped"] == {"nvidia-nccl": {"kind": "skipped", "reason": "no GPU"}}
    assert decided["python"]["substituted"]


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert text() == text()
