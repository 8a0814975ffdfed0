"""The JSON schema of the configuration, and the errors of a file under it, with line and path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.base.errors import ConfigError
from bundle.base.files import canonical_json
from bundle.base.http.urls import redact
from bundle.base.text import did_you_mean
from bundle.model.config.conformance import conforms
from bundle.model.config.json_source import KeyPath, Node, Step, origin_of, path_text, plain

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPES = {
    "object": "a table {…}",
    "array": "a list […]",
    "string": "a text in quotes",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


@cache
def schema_text() -> str:
    """Return the schema as it is shipped."""
    return Path(__file__).with_name("config.schema.json").read_text(encoding="utf-8")


@cache
def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12); not to be changed."""
    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


def resolved(part: dict[str, Any], whole: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a part of a schema with its `$ref` followed; the part's own words win.

    Args:
        whole: the schema; None for that of the configuration.
    """
    reference = part.get("$ref")
    if reference is None:
        return part
    whole = schema() if whole is None else whole
    return {**resolved(whole["$defs"][reference.rsplit("/", 1)[1]], whole), **part}


def violations(node: Node, under: dict[str, Any] | None = None, *, remedy: str | None = None) -> list[ConfigError]:
    """Return the errors of a file that people write, in the order of the file.

    Args:
        under: the schema of the file; None for that of the configuration.
        remedy: what to do about them; None for the general remedy of the configuration.
    """
    whole = schema() if under is None else under
    if conforms(plain(node), whole, whole):
        return []
    # Its import takes as long as all other work of many a command.
    from jsonschema import Draft202012Validator

    found = [
        problem
        for error in Draft202012Validator(whole).iter_errors(plain(node))
        for problem in _Explanation(whole, node).of(error, tuple(error.absolute_path))
    ]
    return [ConfigError(text, remedy=remedy) for _, text in sorted({*found})]


def fingerprint(node: Node) -> str:
    """Return a sha256 over the schema and the content of a file, which decide together whether there are violations."""
    return sha256(schema_text().encode() + b"\0" + canonical_json(plain(node))).hexdigest()


def located(node: Node, path: Sequence[Step], message: str) -> str:
    """Return a message, without a subject, behind the file, line and path of the value that it is about."""
    return f"{origin_of(node, path)}: {path_text(path) or 'the file'}: {message}"


@dataclass(frozen=True)
class _Explanation:
    """Says what is wrong with a file.

    Args:
        whole: its schema.
    """

    whole: dict[str, Any]
    node: Node

    def of(self, error: ValidationError, path: KeyPath) -> Iterator[tuple[int, str]]:
        """Yield line and message of each mistake that an error of the schema stands for."""
        if error.validator == "anyOf":
            yield from self._alternatives(error, path)
        elif error.validator == "additionalProperties":
            table: Any = error.instance
            known = _schema_of(error)["properties"]
            for key in sorted(table.keys() - known.keys()):
                known_here = f" Known here: {', '.join(sorted(known))}."
                hint = did_you_mean(key, known) or _elsewhere(key, self.whole) or known_here
                yield _entry(self.node, (*path, key), f'unknown key "{key}".{hint}')
        elif "propertyNames" in error.absolute_schema_path:
            # jsonschema's path stops at the table whose key is wrong; the key itself is the instance.
            yield _entry(self.node, (*path, str(error.instance)), _message(error, key=True))
        else:
            yield _entry(self.node, path, _message(error))

    def _alternatives(self, error: ValidationError, path: KeyPath) -> Iterator[tuple[int, str]]:
        """Tell what is wrong under the alternative whose type fits; none fits: what the types would be."""
        context = error.context or []
        wrong_type = [part for part in context if part.validator == "type" and not part.relative_path]
        misfits = {part.relative_schema_path[0] for part in wrong_type}
        fitting = [part for part in context if part.relative_schema_path[0] not in misfits]
        if fitting:
            for part in fitting:
                yield from self.of(part, (*path, *part.relative_path))
        else:
            wanted = " or ".join(_TYPES[str(part.validator_value)] for part in wrong_type)
            yield _entry(self.node, path, f"must be {wanted}, not {_shown(error.instance)}.")


def _entry(node: Node, path: KeyPath, message: str) -> tuple[int, str]:
    return origin_of(node, path).line or 0, located(node, path, message)


def _message(error: ValidationError, *, key: bool = False) -> str:
    value: Any = error.instance
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            types = [wanted] if isinstance(wanted, str) else wanted
            hint = _as_table(value) if "object" in types else ""
            return f"must be {' or '.join(_TYPES[name] for name in types)}, not {_shown(value)}.{hint}"
        case "enum":
            meant = did_you_mean(value, wanted) if isinstance(value, str) else ""
            known = f"one of {', '.join(wanted)}"
            return f'unknown key "{value}"; {known}.{meant}' if key else f"must be {known}, not {_shown(value)}.{meant}"
        case "pattern":
            return f"{_shown(value)} is not {_schema_of(error).get('x-form', 'of the right form')}."
        case "required":
            return " ".join(f'"{name}" is missing.' for name in wanted if name not in value)
        case "minLength" | "minItems" | "minProperties":
            return "must not be empty."
        case "uniqueItems":
            return f"names {_twice(value)} twice."
        case "minimum":
            return f"must be at least {wanted}, not {value}."
        case "exclusiveMinimum":
            return f"must be more than {wanted}, not {value}."
        case "maximum" | "maxLength" | "maxProperties":
            what, much = ("be", value) if error.validator == "maximum" else ("have a length of", len(value))
            return f"must {what} at most {wanted}, not {much}."
    return f"{error.message}."


def _as_table(value: Any) -> str:
    """Return what to write in place of a list of `KEY=VALUE`; empty for anything else."""
    if not value or not isinstance(value, list) or not all(isinstance(one, str) and "=" in one for one in value):
        return ""
    table: dict[str, Any] = {}
    for key, _, text in (one.partition("=") for one in value):
        table.setdefault(key, []).append(text)
    written = {key: texts[0] if len(texts) == 1 else texts for key, texts in table.items()}
    return f" Write {json.dumps(written, ensure_ascii=False)}."


def _schema_of(error: ValidationError) -> Any:
    return error.schema


def _elsewhere(key: str, whole: dict[str, Any]) -> str:
    """Return where a key that does not belong here does belong."""
    places = [path for path, _ in described(whole=whole) if path[-1] == key and "*" not in path]
    return f" It belongs at {path_text(places[0])}." if places else ""


def described(
    part: dict[str, Any] | None = None, path: tuple[str, ...] = (), *, whole: dict[str, Any] | None = None
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield path and schema of every key, `*` for a platform or a name, parents before their children.

    Args:
        whole: the schema; None for that of the configuration.
    """
    whole = schema() if whole is None else whole
    part = resolved(whole if part is None else part, whole)
    members = dict(part.get("properties", {}))
    if isinstance(part.get("additionalProperties"), dict):
        members["*"] = part["additionalProperties"]
    for key, member in members.items():
        yield (*path, key), resolved(member, whole)
        yield from described(member, (*path, key), whole=whole)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = redact(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 60 else f"{text[:57]}…"


def _twice(values: list[object]) -> str:
    shown = [_shown(value) for value in values]
    return next((text for text in shown if shown.count(text) > 1), "something")
