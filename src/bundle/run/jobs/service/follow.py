"""Server-sent events of a job's log, resumable at any byte (https://html.spec.whatwg.org/#server-sent-events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bundle.base.files import open_regular
from bundle.run.jobs.service.store import JobStore

_PART = 2**16
"""Bytes of an event."""

_POLL = 0.1
"""Seconds between two looks at a log that does not grow."""

_ALIVE = 15.0
"""Seconds without an event after which a comment keeps the connection open."""


async def events(store: JobStore, id: str, offset: int) -> AsyncIterator[str]:  # noqa: A002
    """Yield events: `log` with a text and the place behind it, `state` for each new one, `end` with the last.

    The id of each event is the place at which another request goes on. Bytes that are no UTF-8 are replaced.
    """
    place = max(0, offset)
    shown = ""
    quiet = 0.0
    while True:
        row = store.get(id)
        if row is None:
            return
        if row.state != shown:
            shown = row.state
            yield _event("state", place, {"state": row.state, "seconds": row.seconds})
        # The state was read first: what a job that has ended wrote is all there.
        content = _read(store.log(id), place)
        text, used = _whole_signs(content, last=row.final and len(content) < _PART)
        if used:
            place += used
            quiet = 0.0
            yield _event("log", place, {"text": text, "offset": place})
        elif row.final:
            yield _event("end", place, row.as_json())
            return
        else:
            await asyncio.sleep(_POLL)
            quiet += _POLL
            if quiet >= _ALIVE:
                quiet = 0.0
                yield ": alive\n\n"


def _read(path: Path, offset: int) -> bytes:
    try:
        with open_regular(path) as file:
            file.seek(offset)
            return file.read(_PART)
    except FileNotFoundError:
        return b""


def _whole_signs(content: bytes, *, last: bool) -> tuple[str, int]:
    """Return the text of bytes, and how many they are; a sign whose end is not there yet is left for later."""
    used = len(content)
    if not last:
        for back in range(1, min(4, used + 1)):
            lead = content[used - back]
            if lead >= 0xC0:
                needed = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                used -= back if needed > back else 0
                break
            if lead < 0x80:
                break
    return content[:used].decode("utf-8", "replace"), used


def _event(kind: str, place: int, data: Any) -> str:
    return f"event: {kind}\nid: {place}\ndata: {json.dumps(data)}\n\n"
