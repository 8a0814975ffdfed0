"""The names of the documents that tell what a bundle holds and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

from bundle.base.files import read_regular

SBOM = "sbom.cdx.json"
"""The bill of materials at the bundle's root."""

DOCUMENTS = {"sbom": "cdx.json", "provenance": "provenance.json"}
"""The documents beside a bundle's archives, each with the end of its file's name."""


def describes(path: Path, bundle: str) -> bool:
    """Return whether a file is a document about a bundle.

    Args:
        bundle: its version and platform, such as `3.12.10-atls-linux-x64`.
    """
    try:
        value = json.loads(read_regular(path))
        if value.get("bomFormat") == "CycloneDX":
            return bool(value["metadata"]["component"]["name"] == bundle)
        asked = value["predicate"]["buildDefinition"]["externalParameters"]
        return f"{asked['version']}-{asked['platform']}" == bundle
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
