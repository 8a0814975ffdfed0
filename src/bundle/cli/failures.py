"""The failures at the end of a command that goes on with the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bundle.cli.selection import title_of

if TYPE_CHECKING:
    from rich.console import Console


def print_failures(console: Console, failed: Sequence[Mapping[str, Any]]) -> None:
    """Print each reason why bundles or locks could not be made once, with all that it concerns, and what to do.

    Args:
        failed: the JSON values of the command.
    """
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for one in failed:
        cause = json.dumps([one["what"], one["details"], one["cause"], one["remedy"]])
        alike.setdefault(cause, []).append(one)
    for group in alike.values():
        first = group[0]
        names = ", ".join(f"{title_of(one)} for {one['platform']}" for one in group)
        console.print(f"{names}: failed: {first['what']}")
        for line in first["details"]:
            console.print(f"  {line}")
        if first["cause"]:
            console.print(f"  cause: {first['cause']}")
        console.print(f"  to do: {first['remedy']}", soft_wrap=True)
