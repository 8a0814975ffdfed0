"""The answers of the hooks of build backends (PEP 517), which may hold anything."""

from __future__ import annotations

import json
from typing import Any

from bundle.base.errors import IntegrityError

MOST = 2**24
"""Bytes of an answer."""

_MOST_TEXT = 10_000
"""Characters of a message, and entries of a list."""

_MARKS = ("unsupported", "no_backend", "hook_missing")
_MESSAGES = ("traceback", "backend_error", "missing_hook_name")


def read_answer(content: bytes, hook: str) -> tuple[dict[str, Any], list[str]]:
    """Read what the script that calls a hook has written.

    Args:
        hook: such as `build_wheel`.

    Returns:
        The answer, of which every part has its type, and the warnings of the backend.

    Raises:
        IntegrityError: it is not the answer of that hook.
    """
    try:
        told = json.loads(content)
        warnings = [str(one["message"])[:_MOST_TEXT] for one in told.get("warnings", ())[:_MOST_TEXT]]
        answer: dict[str, Any] = {mark: True for mark in _MARKS if told.get(mark)}
        answer |= {name: str(told[name])[-_MOST_TEXT:] for name in _MESSAGES if name in told}
        if not answer:
            answer["return_val"] = _value(told["return_val"], hook)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            f"The build backend's answer to {hook} is not valid ({type(error).__name__}).",
            cause="A backend must return a list of requirements, or the name of what it has made (PEP 517).",
            remedy="Choose another version of the package, or report it to its authors.",
        ) from error
    return answer, warnings


def _value(value: Any, hook: str) -> list[str] | str:
    if hook.startswith("get_requires"):
        if not isinstance(value, list) or len(value) > _MOST_TEXT:
            raise TypeError("no list of requirements")
        return [_text(one) for one in value]
    name = _text(value)
    if name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise IntegrityError(
            f"The build backend says that its result is {name[:200]}, which is not in the output folder."
        )
    return name


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise TypeError("no text")
    return value
