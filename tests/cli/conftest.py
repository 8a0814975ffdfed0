"""Commands, run as the shell would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.cli.main import main

Run = Callable[..., tuple[int, str, str]]
"""Takes the words of a command line; returns its exit code, stdout and stderr."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("BUNDLE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        output = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, output.out, output.err

    return call
