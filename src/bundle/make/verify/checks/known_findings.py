"""The table of findings that are known to be harmless, shipped with the program."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from bundle.model.acceptance import Acceptance

TABLE = Path(__file__).with_name("known_findings.toml")


@cache
def known_findings() -> tuple[Acceptance, ...]:
    """Return the entries of the table."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["finding"]
    return tuple(Acceptance(**{**entry, "platforms": tuple(entry.get("platforms", ()))}) for entry in entries)
