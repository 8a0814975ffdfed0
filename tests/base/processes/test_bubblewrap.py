from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.base.errors import WorkError
from bundle.base.processes.bubblewrap import as_without, mounted
from bundle.base.processes.run import Completed, run
from tests.foreign.bundles import program

ENDED = Completed(arguments=("bwrap",), code=0, output="", errors="", seconds=0.1, timed_out=False)


def test_the_end_of_a_program_is_told_as_it_is_without_bubblewrap() -> None:
    assert as_without(ENDED) == ENDED
    assert as_without(replace(ENDED, code=1, errors="bwrap: it was I\n")).code == 1
    assert as_without(replace(ENDED, code=128 + signal.SIGSEGV)).code == -signal.SIGSEGV
    assert as_without(replace(ENDED, code=255)).code == 255


def test_a_program_that_bubblewrap_cannot_start_is_named() -> None:
    missing = replace(ENDED, code=1, errors="bwrap: execvp /there/bin/tool: No such file or directory\n")
    with pytest.raises(WorkError, match="The program /there/bin/tool does not exist"):
        as_without(missing)
    with pytest.raises(WorkError, match="tool cannot be started: Permission denied"):
        as_without(replace(missing, errors="bwrap: execvp tool: Permission denied\n"))


def test_where_there_is_no_bubblewrap_nothing_is_shown_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mounted(tmp_path, tmp_path / "there") is None


@pytest.mark.real
def test_a_folder_is_shown_elsewhere_where_nothing_can_change_it(tmp_path: Path) -> None:
    program("bwrap", "bubblewrap")
    here, there = tmp_path / "here", tmp_path / "the re"
    here.mkdir()
    there.mkdir()
    assert mounted(here, there) is None, "an empty folder"
    (here / "file").write_text("content")
    mount = mounted(here, there)
    assert mount is not None
    assert run([*mount, "/bin/cat", there / "file"], timeout=30).output == "content"
    refused = run([*mount, "/bin/sh", "-c", 'echo >"$0"', there / "file"], timeout=30)
    assert "Read-only file system" in refused.errors
    assert os.listdir(there) == []  # noqa: PTH208 - no other program sees it
    killed = run([*mount, "/bin/sh", "-c", "kill -SEGV $$"], timeout=30)
    assert as_without(killed).code == -signal.SIGSEGV
