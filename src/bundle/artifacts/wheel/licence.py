"""The licence that a package states in its metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.message import Message
from email.parser import HeaderParser

_FILE = re.compile(r"(licenses|license_files)/.|[^/]*(licen[cs]e|copying)[^/]*$", re.IGNORECASE)
_CLASSIFIER = "License :: "
_LONGEST = 80
"""Characters up to which the old `License` field is a name; beyond, it is the whole text."""


def stated_licence(metadata: str, files: Iterable[str]) -> str | None:
    """Return the licence of a package: an expression (PEP 639), a field, a classifier, a file; None without any.

    Source: the PyPA specification "Core metadata"; PEP 639.

    Args:
        metadata: the content of METADATA.
        files: paths of the files in the same `.dist-info`, relative to it.
    """
    message = HeaderParser().parsestr(metadata)
    if expression := _field(message, "License-Expression"):
        return expression
    classifiers = [
        value.rpartition(" :: ")[2] for value in message.get_all("Classifier", ()) if value.startswith(_CLASSIFIER)
    ]
    name = _field(message, "License")
    if name and len(name) <= _LONGEST and "\n" not in name:
        return name
    if classifiers:
        return " AND ".join(dict.fromkeys(classifiers))
    texts = message.get_all("License-File", ()) or [path for path in files if _FILE.match(path)]
    return f"see {texts[0]}" if texts else "see its metadata" if name else None


def _field(message: Message, name: str) -> str:
    value = str(message.get(name, "")).strip()
    return "" if value.upper() == "UNKNOWN" else value
