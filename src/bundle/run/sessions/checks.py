"""Rules of templates that the library does not check, or only when the job is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

_INT64 = range(-(2**63), 2**63)
_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_IN_RANGE = re.compile(r"(?:^|(?<=[,:\-\s]))-?\d+")
_NAME = re.compile(r"[A-Za-z_]\w*")
_FORMAT = "{{"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_INT_TEXT = re.compile(r"[+-]?[0-9]+")

_LONGEST_ELEMENT = 1024
"""Characters of a text in a range."""

_NUMBERS = ("timeout", "notifyPeriodInSeconds", "min", "max")
"""Fields that are numbers, and with FEATURE_BUNDLE_1 also format strings."""

_NAMED = ("variables", "parameterSpace")
"""Fields whose keys are, or may be, names of variables and of parameters."""


def check(template: Mapping[str, Any]) -> None:
    """Refuse what breaks a rule; what is no template at all is left to the library.

    Args:
        template: as it was read, valid or not.

    Raises:
        ValueError: it breaks a rule.
    """
    for definition in _mappings(template.get("parameterDefinitions")):
        _check_definition(definition)
    steps = list(_mappings(template.get("steps")))
    for step in steps:
        _check_space(step.get("parameterSpace"))
    for part in (steps, template.get("jobEnvironments"), template.get("environment")):
        _check_file_names(part)
    extensions = template.get("extensions")
    if not isinstance(extensions, list) or "FEATURE_BUNDLE_1" not in extensions:
        for part in (steps, template.get("jobEnvironments"), template.get("environment")):
            _check_numbers(part)


def check_integers(kind: str, value: Any, what: str) -> None:
    """Refuse integers that do not fit 64 bits, in any depth.

    Args:
        kind: the type of the parameter.
        what: names the value in the error.

    Raises:
        ValueError: one does not fit.
    """
    kind = kind.upper()
    if ("INT" in kind or kind == "RANGE_EXPR") and any(number not in _INT64 for number in _integers(value)):
        raise ValueError(f"the {what} does not fit a signed integer of 64 bits")


def _check_definition(definition: Mapping[str, Any]) -> None:
    kind, name = str(definition.get("type")).upper(), definition.get("name")
    for key in ("default", "minValue", "maxValue", "allowedValues", "item", "range"):
        check_integers(kind, definition.get(key), f"{key} of the parameter {name!r}")
    _check_bounds(definition, f"the parameter {name!r}")
    if kind == "INT":
        for key in ("default", "minValue", "maxValue", "allowedValues"):
            for value in _elements(definition.get(key)):
                if isinstance(value, str) and _FORMAT not in value and not _INT_TEXT.fullmatch(value.strip()):
                    raise ValueError(f"the {key} of the parameter {name!r} is {value!r:.40}, and no integer")
    if kind == "FLOAT":
        for key in ("default", "range"):
            for value in _elements(definition.get(key)):
                if _number(value) is not None and not math.isfinite(_number(value) or 0.0):
                    raise ValueError(f"the {key} of the parameter {name!r} is no finite number")


def _check_bounds(definition: Mapping[str, Any], what: str) -> None:
    for least, most in (("minValue", "maxValue"), ("minLength", "maxLength")):
        bounds = _number(definition.get(least)), _number(definition.get(most))
        if bounds[0] is not None and bounds[1] is not None and bounds[0] > bounds[1]:
            raise ValueError(f"the {least} of {what} is greater than its {most}")
    if isinstance(item := definition.get("item"), dict):
        _check_bounds(item, f"an item of {what}")


def _inner_mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Return all mappings in a value whose keys are names of fields."""
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, list):
            ahead += one
        elif isinstance(one, dict):
            yield one
            ahead += (inner for key, inner in one.items() if key not in _NAMED)


def _check_file_names(value: Any) -> None:
    """Refuse names of embedded files that are no names of files."""
    for one in _inner_mappings(value):
        for file in _mappings(one.get("embeddedFiles")):
            name = file.get("filename")
            if isinstance(name, str) and (name in (".", "..") or _CONTROL.search(name)):
                raise ValueError(f"{name!r:.80} is no name for an embedded file")


def _check_space(space: Any) -> None:
    if not isinstance(space, dict):
        return
    names = set()
    for definition in _mappings(space.get("taskParameterDefinitions")):
        _check_definition(definition)
        names.add(definition.get("name"))
        for element in _elements(definition.get("range")) if isinstance(definition.get("range"), list) else ():
            if isinstance(element, str) and len(element) > _LONGEST_ELEMENT and _FORMAT not in element:
                raise ValueError(
                    f"the range of the parameter {definition.get('name')!r} has a text of more than "
                    f"{_LONGEST_ELEMENT} characters"
                )
    combination = space.get("combination")
    if isinstance(combination, str) and (unknown := [one for one in _NAME.findall(combination) if one not in names]):
        raise ValueError(f"the combination has the unknown parameter {unknown[0][:80]!r}")


def _check_numbers(value: Any) -> None:
    """Refuse texts and truth values in place of numbers."""
    for one in _inner_mappings(value):
        for key in _NUMBERS:
            inner = one.get(key)
            if isinstance(inner, bool) or (isinstance(inner, str) and _FORMAT not in inner):
                raise ValueError(f"{key} is {inner!r:.40}, and no number")


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _number(value: Any) -> float | None:
    if isinstance(value, str | int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
        except ValueError:
            pass
    return None


def _integers(value: Any) -> Iterator[int]:
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, list):
            ahead += one
        elif isinstance(one, dict):
            ahead += one.values()
        elif isinstance(one, int):
            yield one
        elif isinstance(one, str) and _FORMAT not in one:
            for text in [one] if _INTEGER.fullmatch(one) else _IN_RANGE.findall(one):
                # What is longer does not fit, and would take long to read.
                yield int(text) if len(text) < 100 else 2**64
