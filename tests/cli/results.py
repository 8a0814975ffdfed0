"""Runs commands in this process, and shows their results as text."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from bundle.cli.app import App, Result
from bundle.cli.main import cli


def result_of(project: Path | None, *arguments: str, environ: Mapping[str, str] | None = None) -> Result:
    """Run a command and return its result, which must be JSON."""
    words = ["--quiet", *(("--project", str(project)) if project else ()), *arguments]
    result: object = cli.main(words, standalone_mode=False, obj=App(environ=dict(environ or {})), prog_name="bundle")
    assert isinstance(result, Result)
    json.dumps(result.data)
    return result


def text_of(result: Result) -> str:
    """Return the text of a result as it goes into a pipe."""
    stream = io.StringIO()
    result.text(Console(file=stream, highlight=False, emoji=False, markup=False, soft_wrap=True))
    return stream.getvalue()
