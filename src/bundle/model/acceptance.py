"""Findings of the verification that the configuration accepts."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """An entry of `verify.accept`: findings that are known, and accepted."""

    rule: str
    files: str
    """Glob of paths relative to the bundle's root; `*` also stands for `/`."""
    error: str = ""
    """Text that the finding, or the output of its program, must contain."""
    reason: str

    def as_json(self) -> dict[str, str]:
        """Return the JSON value of the configuration."""
        value = {"rule": self.rule, "files": self.files, "error": self.error, "reason": self.reason}
        return {key: text for key, text in value.items() if text}

    def concerns(self, rule: str, file: str) -> bool:
        """Return whether the entry is about a rule's findings of a file."""
        return rule == self.rule and bool(file) and fnmatchcase(file, self.files)
