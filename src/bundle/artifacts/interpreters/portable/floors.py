"""The oldest system that an interpreter runs on, measured and not believed."""

from __future__ import annotations

from pathlib import Path

from bundle.artifacts.interpreters.portable import run_paths


def glibc_floors(tree: Path, executable: str) -> tuple[str | None, str | None, dict[str, str]]:
    """Measure the oldest glibc that an interpreter runs on.

    Args:
        tree: the interpreter.
        executable: relative to it.

    Returns:
        The glibc on which it starts, the one on which all of it works, and the files that make the difference.
    """
    needed = {path: run_paths.needs_of(path) for path in run_paths.files_in(tree)}
    beside = {path.name: path for path in needed if path.parent.name == "lib"}
    starting = set()
    waiting = [tree / executable]
    while waiting:
        path = waiting.pop()
        if path in needed and path not in starting:
            starting.add(path)
            waiting += [beside[name] for name in needed[path].libraries if name in beside]
    start = max((needed[path].glibc for path in starting), default=())
    whole = max((needs.glibc for needs in needed.values()), default=())
    above = {
        path.relative_to(tree).as_posix(): _dotted(needs.glibc) or ""
        for path, needs in needed.items()
        if needs.glibc > start
    }
    return _dotted(start), _dotted(whole), above


def _dotted(version: tuple[int, ...]) -> str | None:
    return ".".join(map(str, version)) or None
