from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bundle.base.processes.stream import Program, stream

pytestmark = pytest.mark.real

DEFAULTS: dict[str, Any] = {"timeout": 60.0, "stdin": None}


def program(text: str, *arguments: str) -> Program:
    return Program([sys.executable, "-c", text, *arguments])


def test_output_is_handed_on_while_the_program_runs(tmp_path: Path) -> None:
    seen: list[bytes] = []
    reply = tmp_path / "reply"

    def answer(part: bytes) -> None:
        seen.append(part)
        reply.touch()  # The program goes on only when its first line has arrived.

    waits = """
import pathlib, sys, time
print("first", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
print("second")
"""
    code, timed_out = stream(program(waits, str(reply)), output=answer, errors=None, **DEFAULTS)
    assert (code, timed_out) == (0, False)
    assert b"second" not in seen[0]
    assert b"".join(seen) == b"first\nsecond\n"


def test_both_outputs_arrive_apart_or_together() -> None:
    both = program("import os; os.write(1, b'out'); os.write(2, b'err')")
    output, errors, merged = bytearray(), bytearray(), bytearray()
    stream(both, output=output.extend, errors=errors.extend, **DEFAULTS)
    stream(both, output=merged.extend, errors=None, **DEFAULTS)
    assert (bytes(output), bytes(errors), bytes(merged)) == (b"out", b"err", b"outerr")


def test_a_sink_that_fails_ends_the_stream_with_its_error() -> None:
    def full(part: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        stream(program("print('x' * 100_000)"), output=full, errors=None, **DEFAULTS)
