"""The first module of the command, by which `bundle env run` in a ready environment imports no other command."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Start a command whose environment is ready, or run the command line."""
    words = sys.argv[1:]
    if words[:2] == ["env", "run"] and len(words) >= 4 and not any(word.startswith("-") for word in words[2:4]):
        from bundle.run.environments.quick import start_ready

        try:
            code = start_ready(words[2], words[3], words[4:], os.environ)
        except KeyboardInterrupt:
            code = 130
        if code is not None:
            sys.exit(code)
    from bundle.cli.main import main as run

    run()
