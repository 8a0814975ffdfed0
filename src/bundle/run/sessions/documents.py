"""Documents that people write, read with bounds: templates, parameters, tasks, path mapping rules."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bundle.base.errors import ConfigError

_MOST_BYTES = 8 * 2**20
_MOST_VALUES = 500_000
"""Values of one document, counted as often as aliases repeat them."""

_DEPTH = 80
"""Mappings and lists within each other."""


def read_object(path: Path) -> dict[str, Any]:
    """Read a document that is a mapping.

    Raises:
        ConfigError: it cannot be read, is too large, is neither JSON nor YAML, or no mapping.
    """
    found = read(path)
    if not isinstance(found, dict):
        raise ConfigError(f"'{path}' is not a mapping of names to values.", remedy="Correct the file.")
    return found


def read(path: Path) -> Any:
    """Read a document: strict JSON if its name ends with .json, YAML otherwise.

    Raises:
        ConfigError: it cannot be read, is too large, or is neither.
    """
    remedy = "Name an existing JSON or YAML file."
    try:
        if not path.exists():
            raise ConfigError(f"'{path}' does not exist.", remedy=remedy)
        if not path.is_file():
            raise ConfigError(f"'{path}' is not a file.", remedy=remedy)
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{path}' cannot be read: {error}.", remedy=remedy) from error
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"'{path}' has more than {_MOST_BYTES // 2**20} MiB.", remedy="Make it smaller.")
    return parse(text, str(path), yaml=path.suffix.lower() != ".json")


def parse(text: str, name: str, *, yaml: bool) -> Any:
    """Parse a document.

    Args:
        name: of it in messages.
        yaml: whether it is YAML rather than JSON.

    Raises:
        ConfigError: it is not that, or exceeds the limits.
    """
    try:
        return _yaml(text) if yaml else json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        lines = why.splitlines() or ["it cannot be parsed"]
        kind = "YAML" if yaml else "JSON"
        raise ConfigError(
            f"'{name}' is not usable {kind}: {lines[0]}.", remedy="Correct the document.", details=lines[1:6]
        ) from error


def _yaml(text: str) -> Any:
    import yaml

    # The parser in C is some ten times as quick, and not everywhere.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _bound(yaml.parse(text, Loader=loader))
        return yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, TypeError, OverflowError, AttributeError) as error:
        raise ValueError(str(error)) from error


def _bound(events: Any) -> None:
    """Refuse what would be too much once aliases are replaced by what they stand for.

    Raises:
        ValueError: it is too much.
    """
    import yaml

    begins, ends = (yaml.ScalarEvent, yaml.CollectionStartEvent), (yaml.ScalarEvent, yaml.CollectionEndEvent)
    sizes: dict[str | None, int] = {}
    open_ones: list[tuple[str | None, int]] = []
    total = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            # One that is not known here stands for what it is a part of.
            total += sizes.get(event.anchor, _MOST_VALUES)
        if isinstance(event, begins):
            open_ones.append((event.anchor, total))
            total += 1
        if total > _MOST_VALUES or len(open_ones) > _DEPTH:
            raise ValueError(
                f"it has more than {_MOST_VALUES:,} values, with those that aliases repeat, or is nested too deeply"
            )
        if isinstance(event, ends):
            anchor, before = open_ones.pop()
            sizes[anchor] = total - before


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large")
    return number
