"""Bundles whose texts are hostile to a page about them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from bundle.artifacts.catalogue_entry import SetRecord
from bundle.artifacts.described import Described
from bundle.model.manifest import SkippedRecord
from tests.artifacts.documents.page.made import described

PLANTED = (
    "<script>planted = 1</script>",
    "\"><img src=x onerror='planted = 1'>",
    "'); planted = 1; ('",
    "</script><script>planted = 1</script>",
    "<!--<script>",
    "javascript:planted=1",
    "' onmouseover=planted=1 x='",
    "{{ 7 * 7 }}{% include 'base.html' %}${planted = 1}",
    "\\'); planted = 1; //",
    "\u2028planted = 1\u2029",
    "\u202egnp.exe\x1b[31m\x00\ud800",
    "&lt;script&gt;planted = 1&lt;/script&gt;",
    "__proto__",
    "constructor",
    "<svg/onload=planted=1>",
    "x" * 5_000,
)
"""Each is the text of everything that a catalogue, a manifest or a bill of materials may choose."""

_KEPT = frozenset({"version", "platform", "digest", "kind", "decision", "rule", "sha256", "layout", "platforms"})
"""Fields that are checked when they are read, or mean something."""


def planted(text: str, platform: str = "linux-x64") -> Described:
    """A bundle with a text in all its fields, beside the names of its own."""
    own = described("3.12.10", platform, release=text)
    entry = _changed(own.entry, text)
    skipped = SkippedRecord(name=text, reason=text, required_by=(text, ""), available=(text,))
    sets = {text: SetRecord(packages=entry.packages, skipped=(skipped,))}
    entry = replace(entry, floor={text: text, "glibc": text}, skipped=(skipped,), sets=sets)
    manifest = replace(_changed(own.manifest, text), floor_asked={text: text}, bundle=text)
    licences = dict.fromkeys((*(own.licences or {}), text), (text,))
    return replace(own, entry=entry, manifest=manifest, licences=licences)


def _changed(value: Any, text: str) -> Any:
    """Return a value with a text in place of all its own."""
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(_changed(one, text) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if one.name not in _KEPT]
        return replace(value, **{name: _changed(getattr(value, name), text) for name in names})
    return value
