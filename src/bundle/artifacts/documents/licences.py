"""The licences in a bill of materials."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def licences_in(sbom: bytes) -> Mapping[str, tuple[str, ...]] | None:
    """Return the licences of each component by its name, sorted; None if this is no CycloneDX document in JSON.

    Source: CycloneDX 1.6 (ECMA-424), `components[].licenses`.
    """
    found: dict[str, set[str]] = {}
    try:
        document = json.loads(sbom)
        if document["bomFormat"] != "CycloneDX":
            return None
        for component in document.get("components", ()):
            found.setdefault(str(component["name"]), set()).update(_stated(component.get("licenses", ())))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return {name: tuple(sorted(licences)) for name, licences in sorted(found.items())}


def _stated(licences: Any) -> Iterator[str]:
    for one in licences:
        licence = one.get("license") or {}
        if name := one.get("expression") or licence.get("id") or licence.get("name"):
            yield str(name)
