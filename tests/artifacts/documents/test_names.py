from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.artifacts.documents.names import describes

SBOM = {"bomFormat": "CycloneDX", "metadata": {"component": {"name": "3.12.10-linux-x64"}}}
PROVENANCE = {"predicate": {"buildDefinition": {"externalParameters": {"version": "3.12.10", "platform": "linux-x64"}}}}


@pytest.mark.parametrize("value", [SBOM, PROVENANCE])
def test_a_document_is_known_by_the_bundle_that_it_names(tmp_path: Path, value: object) -> None:
    (path := tmp_path / "document").write_text(json.dumps(value))
    assert describes(path, "3.12.10-linux-x64")
    assert not describes(path, "3.12.10-linux-aarch64")


@pytest.mark.parametrize("text", ["", "[]", "{}", "1", "[" * 100_000, '{"bomFormat": "CycloneDX", "metadata": []}'])
def test_another_file_describes_no_bundle(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "document").write_text(text)
    assert not describes(path, "3.12.10-linux-x64")
    assert not describes(tmp_path / "missing", "3.12.10-linux-x64")
