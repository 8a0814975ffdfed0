"""Parallel work in threads that do not keep an interrupted program alive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> list[Result | Exception]:
    """Call a function with each item, and return its results or errors in the order of the items.

    Raises:
        KeyboardInterrupt: at once; calls that run go on in the background, and no other begins.
    """
    todo: Queue[tuple[int, Item]] = Queue()
    for place, item in enumerate(items):
        todo.put((place, item))
    count = todo.qsize()
    if count < 2 or threads < 2:
        return [_outcome(function, todo.get_nowait()[1]) for _ in range(count)]
    done: Queue[tuple[int, Result | Exception]] = Queue()
    stopped = Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                place, item = todo.get_nowait()
            except Empty:
                return
            done.put((place, _outcome(function, item)))

    for _ in range(min(threads, count)):
        Thread(target=work, daemon=True).start()
    results: dict[int, Result | Exception] = {}
    try:
        while len(results) < count:
            try:
                place, result = done.get(timeout=0.5)
            except Empty:
                # In slices, because a wait without end cannot be interrupted on Windows.
                continue
            results[place] = result
    finally:
        stopped.set()
    return [results[place] for place in range(count)]


def all_of(outcomes: Iterable[Result | Exception]) -> list[Result]:
    """Return the results of `in_parallel`; raise the first error among them."""
    results = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        results.append(outcome)
    return results


def _outcome(function: Callable[[Item], Result], item: Item) -> Result | Exception:
    try:
        return function(item)
    except Exception as error:  # noqa: BLE001 - handed to the caller
        return error
