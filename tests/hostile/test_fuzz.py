"""Every reader of hostile input, fed with changed samples: nothing comes out but the errors for people."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.fuzz.harness import fuzz
from tests.hostile.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]

EXAMPLES = 30
"""Inputs of the quickest targets; the others get fewer."""


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_nothing_but_errors_for_people_comes_out(name: str) -> None:
    fuzz(TARGETS[name], examples=max(5, EXAMPLES // TARGETS[name].weight))


@pytest.mark.real
def test_no_input_takes_long_or_much_memory() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--seconds", "3", "--start", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
