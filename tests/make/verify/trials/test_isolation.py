"""Programs under verification get nothing of the user's settings, and write to one folder only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import WorkError
from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.wine import WineRunner
from bundle.make.verify.trials import isolation as module
from bundle.make.verify.trials.isolation import Isolation
from tests.make.verify.emulators.fakes import WINDOWS, X64, ended

LINUX = Isolation(root=Path("/srv/python"), python="3.12.10", platform=X64, scratch=Path("/scratch"))

WINE = replace(LINUX, platform=WINDOWS, runner=WineRunner(program="/usr/bin/wine", prefix=Path("/scratch/wine")))


class Started:
    """Takes the place of `run`, and keeps what it was called with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Completed) -> None:
        self.command: Sequence[str] = ()
        self.options: dict[str, Any] = {}
        self._answer = answer
        monkeypatch.setattr(module, "run", self._run)

    def _run(self, command: Sequence[str], **options: Any) -> Completed:
        self.command, self.options = command, options
        return self._answer


def test_no_setting_of_the_user_reaches_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PIP_INDEX_URL", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, "/home/me")
    started = Started(monkeypatch, ended(code=0))
    LINUX.run([LINUX.executable, "-V"], timeout=1.0, variables={"EXTRA": "1"})
    variables = started.options["env"]
    assert "/home/me" not in variables.values()
    assert (variables["HOME"], variables["PIP_NO_INDEX"], variables["EXTRA"]) == ("/scratch", "1", "1")
    assert started.options["cwd"] == LINUX.scratch


def test_compiled_modules_go_to_the_scratch_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, ended(code=0))
    LINUX.run_python(["-c", "pass"], timeout=1.0)
    assert started.command == [
        "/srv/python/bin/python3.12",
        "-I",
        "-X",
        "pycache_prefix=/scratch/pycache",
        "-c",
        "pass",
    ]
    assert started.options["env"]["PYTHONPYCACHEPREFIX"] == "/scratch/pycache"
    assert WINE.variables["PYTHONPYCACHEPREFIX"] == r"Z:\scratch\pycache"


def test_an_emulator_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, ended(code=0))
    WINE.run([WINE.executable], timeout=10.0)
    assert started.options["timeout"] == 10.0 * WINE.runner.patience


def test_a_program_that_the_emulator_refuses_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    Started(monkeypatch, ended("wine: failed to open 'x.exe'"))
    with pytest.raises(WorkError, match=r"cannot be started: wine: failed to open"):
        WINE.run([WINE.executable], timeout=1.0)


@pytest.mark.parametrize(
    ("isolation", "text"),
    [
        (LINUX, "File '/srv/python/lib/x.py', line 1; /srv/python2/y"),
        (WINE, r"File 'Z:\srv\python\lib/x.py', line 1; /srv/python2/y"),
        (WINE, r"File 'Z:\\srv\\python\\lib/x.py', line 1; /srv/python2/y"),
    ],
)
def test_errors_name_files_by_their_path_in_the_bundle(
    isolation: Isolation, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Started(monkeypatch, ended(text))
    assert isolation.run_python([], timeout=1.0).errors == "File 'lib/x.py', line 1; /srv/python2/y"


@pytest.mark.parametrize("name", ["räume", "r\ufffdume", "rÃ¤ume", "r?ume", r"r\xe4ume", "r\u201eume"])
def test_a_folder_is_recognised_in_the_encoding_of_any_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = replace(WINE, root=Path("/srv/räume & spaces/python"))
    Started(monkeypatch, ended(rf"File 'Z:\srv\{name} & spaces\python\Lib\x.py'; Z:\srv\rume & spaces\python\y"))
    told = moved.run_python([], timeout=1.0).errors
    assert told == r"File 'Lib\x.py'; Z:\srv\rume & spaces\python\y"
