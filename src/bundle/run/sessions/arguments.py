"""What people give on the command line: parameters, tasks, path mapping rules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bundle.base.errors import ConfigError
from bundle.run.sessions.documents import parse, read

_FILE = "file://"


def parameters(given: Iterable[str]) -> dict[str, Any]:
    """Return the job's parameters of `NAME=VALUE`, of inline JSON, or of `file://PATH`; later ones win.

    Raises:
        ConfigError: one of them has none of these forms.
    """
    found: dict[str, Any] = {}
    for one in map(str.strip, given):
        if one.startswith(_FILE) or (one.startswith("{") and one.endswith("}")):
            values = _document(one)
            if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
                raise ConfigError(
                    f"The job parameters {one[:80]!r} are no mapping of names to values.", remedy="Correct them."
                )
            found.update(values)
        else:
            found.update([_pair(one, "job parameter")])
    return found


def task_parameters(given: Iterable[str]) -> dict[str, str]:
    """Return the parameters of one task of `NAME=VALUE`.

    Raises:
        ConfigError: one has another form, or comes twice.
    """
    found: dict[str, str] = {}
    for one in given:
        name, value = _pair(one.lstrip(), "task parameter")
        if name in found:
            raise ConfigError(f"The task parameter {name!r} is given twice.", remedy="Give it once.")
        found[name] = value
    return found


def tasks(given: str) -> list[dict[str, str]]:
    """Return the tasks of a list of mappings, inline JSON or `file://PATH`.

    Raises:
        ConfigError: it is no such list.
    """
    found = _document(given.strip())
    scalars = (str, int, float)
    if not isinstance(found, list) or not all(
        isinstance(one, dict) and all(isinstance(value, scalars) for value in one.values()) for one in found
    ):
        raise ConfigError(
            "The tasks are no list of mappings from names of parameters to values.",
            remedy='Give, for example, \'[{"Frame": 1}, {"Frame": 2}]\', or file://PATH.',
        )
    return [{str(name): str(value) for name, value in one.items()} for one in found]


def path_rules(given: str | None) -> tuple[dict[str, Any], ...]:
    """Return the path mapping rules of a document, inline JSON or `file://PATH`; none for none.

    Raises:
        ConfigError: it is no such document.
    """
    if not given:
        return ()
    found = _document(given.strip())
    remedy = 'Give {"version": "pathmapping-1.0", "path_mapping_rules": [...]}.'
    if not isinstance(found, dict) or found.get("version") != "pathmapping-1.0":
        raise ConfigError("The path mapping rules have no version pathmapping-1.0.", remedy=remedy)
    rules = found.get("path_mapping_rules")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ConfigError("The path mapping rules have no list path_mapping_rules of mappings.", remedy=remedy)
    return tuple(rules)


def extensions(given: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the extensions that templates may use, of a list with commas; all that are known for none.

    Raises:
        ConfigError: one is not known.
    """
    if given is None:
        return known
    found = tuple(dict.fromkeys(name.strip().upper() for name in given.split(",") if name.strip()))
    if unknown := [name for name in found if name not in known]:
        raise ConfigError(
            f"These extensions are not known: {', '.join(unknown)}.", remedy=f"Known are {', '.join(known)}."
        )
    return found


def _document(given: str) -> Any:
    if given.startswith(_FILE):
        return read(Path(given.removeprefix(_FILE)).expanduser())
    return parse(given, given[:80], yaml=False)


def _pair(given: str, what: str) -> tuple[str, str]:
    match = re.fullmatch(r"([^=]+)=(.*)", given, re.DOTALL)
    if match is None:
        raise ConfigError(
            f"The {what} {given[:80]!r} is not of the form NAME=VALUE.",
            remedy="Give NAME=VALUE" + (", inline JSON, or file://PATH." if what == "job parameter" else "."),
        )
    return match[1], match[2]
