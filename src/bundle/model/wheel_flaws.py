"""Flaws of published wheels: mistakes of their publishers that installers pass over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class WheelFlaw:
    """A flaw of one wheel."""

    rule: Literal["wheel-record", "wheel-link", "wheel-tags"]
    """The rule of the verification that it breaks."""
    file: str
    """Relative to the bundle's root."""
    message: str
    """The end of a sentence that begins with the file."""
