"""What a command's result looks like to people."""

from __future__ import annotations

import io

from rich.console import Console

from bundle.cli.app import Result


def text_of(result: Result) -> str:
    """Return the text of a result as it goes into a pipe."""
    stream = io.StringIO()
    result.text(Console(file=stream, highlight=False, emoji=False, markup=False, soft_wrap=True))
    return stream.getvalue()
