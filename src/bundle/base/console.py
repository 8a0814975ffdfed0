"""The console of results and progress."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from bundle.base.text import printable


class PrintableConsole(Console):
    """A console that shows names from elsewhere as they are, and never obeys them."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text for the terminal."""
        return super().render_str(printable(text), **options)
