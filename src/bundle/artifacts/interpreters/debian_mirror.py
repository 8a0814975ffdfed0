"""The mirror of Debian that packages come from: the user's, or the one that apt of this machine uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "BUNDLE_DEBIAN_MIRROR"

_APT = Path("/etc/apt")


def debian_mirror(environ: Mapping[str, str], *, apt: Path = _APT) -> str:
    """Return the address below which `pool/` is, without a slash at its end; empty if none is known.

    Args:
        apt: apt's configuration. Source: the manual page sources.list(5).
    """
    if named := environ.get(VARIABLE, "").rstrip("/"):
        return named
    parts = (*apt.glob("sources.list.d/*.sources"), *apt.glob("sources.list.d/*.list"))
    for path in (*sorted(parts), apt / "sources.list"):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        addresses = re.findall(r"^URIs:\s*(\S+)", text, re.MULTILINE)
        addresses += re.findall(r"^deb\s+(?:\[[^]]*\]\s*)?(\S+)", text, re.MULTILINE)
        for address in addresses:
            if re.fullmatch(r"https?://\S+/debian/?", address):
                return str(address).rstrip("/")
    return ""
