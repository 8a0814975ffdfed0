"""The console of results: lines without style are printed at once, and all else by the library."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from bundle.base.text import printable

if TYPE_CHECKING:
    from bundle.base.console import PrintableConsole


class PlainConsole:
    """A stand-in for the library's console, whose import takes as long as a tenth of an unchanged build."""

    @cached_property
    def _library(self) -> PrintableConsole:
        from bundle.base.console import PrintableConsole

        return PrintableConsole(highlight=False, emoji=False, markup=False, soft_wrap=True)

    def print(self, *parts: Any, **style: Any) -> None:
        """Print on stdout."""
        if style or any(type(part) is not str or "\t" in part for part in parts):
            self._library.print(*parts, **style)
        else:
            print(*map(printable, parts))  # noqa: T201 - this is where results are printed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)
