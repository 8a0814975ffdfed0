"""The application file: commands of `type: python_env`, each with the environment that it runs in."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bundle.base.errors import ConfigError, Problems
from bundle.base.text import did_you_mean
from bundle.model.config.json_source import Leaf, Node, Table, at, plain
from bundle.model.config.schema import located, violations
from bundle.model.config.yaml_source import read
from bundle.model.variables import obstacle
from bundle.run.environments.start import DEFAULT_PYTHON

KIND = "python_env"

_REMEDY = "Correct the file; `bundle env schema` prints its schema, and docs/environments.md describes it."


@dataclass(frozen=True, kw_only=True)
class PythonCommand:
    """One command of an application file."""

    application: Path
    """The file."""
    name: str
    pylock: Path
    words: tuple[str, ...]
    """What is started, with its first arguments."""
    python: str = DEFAULT_PYTHON
    extras: tuple[Path, ...] = ()
    """Wheels, source archives and folders that are installed without their dependencies."""
    variables: Mapping[str, str]
    prepended: tuple[str, ...] = ()
    """Folders behind the environment's own on PATH."""
    refresh: bool = False


@cache
def schema_text() -> str:
    """Return the schema as it is shipped."""
    return Path(__file__).with_name("application.schema.json").read_text(encoding="utf-8")


@cache
def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12); not to be changed."""
    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


def read_commands(application: Path) -> dict[str, PythonCommand]:
    """Read all commands of an application file.

    Raises:
        ConfigError: the file is missing, no YAML, or has mistakes, of which all are told.
    """
    problems = Problems()
    node = read(application, str(application), problems)
    if node is not None:
        for error in _mistakes(node):
            problems.add(error)
    problems.raise_if_any(f"{application} has several mistakes.")
    found: Mapping[str, Any] = plain(node)["commands"] if node is not None else {}
    return {name: _command(application.absolute(), name, value) for name, value in found.items()}


def choose(commands: Mapping[str, PythonCommand], name: str, application: Path) -> PythonCommand:
    """Return the command of a name.

    Raises:
        ConfigError: there is none; names those that there are.
    """
    if name not in commands:
        raise ConfigError(
            f"{application} has no command {name!r}.{did_you_mean(name, commands)}",
            remedy=f"Name one of its commands: {', '.join(commands)}.",
        )
    return commands[name]


def _mistakes(node: Node) -> Iterator[ConfigError]:
    """Yield what is wrong under the schema, and what no schema can find."""
    commands = at(node, ("commands",))
    strange: list[str] = []
    for name, command in commands.items() if isinstance(commands, Table) else ():
        kind = at(command, ("type",))
        if isinstance(kind, Leaf) and isinstance(kind.value, str) and kind.value != KIND:
            strange.append(name)
            what = f'"{kind.value}" is a type of command that is not supported.{did_you_mean(kind.value, [KIND])}'
            yield ConfigError(
                located(node, ("commands", name, "type"), what),
                remedy=f'Only "{KIND}" is: keep other commands in a file of their own.',
            )
            continue
        yield from _slips(node, name, command)
    if isinstance(node, Table) and isinstance(commands, Table) and strange:
        # Their keys are those of another schema.
        rest = Table(commands.origin, ((name, one) for name, one in commands.items() if name not in strange))
        node = Table(node.origin, ((key, rest if key == "commands" else one) for key, one in node.items()))
        if not rest:
            return
    yield from violations(node, schema(), remedy=_REMEDY)


def _slips(node: Node, name: str, command: Node) -> Iterator[ConfigError]:
    words = at(command, ("command",))
    if isinstance(words, Leaf) and isinstance(words.value, str) and words.value:
        try:
            empty = not shlex.split(words.value)
            why = "names no program" if empty else ""
        except ValueError as error:
            why = f"cannot be split into words: {str(error)[0].lower()}{str(error)[1:]}"
        if why:
            yield ConfigError(located(node, ("commands", name, "command"), f"{why}."), remedy="Close its quotes.")
    version = at(command, ("python_version",))
    if isinstance(version, Leaf) and isinstance(version.value, float | int) and not isinstance(version.value, bool):
        what = f'"{version.value}" stands there as a number, in which 3.10 and 3.1 are the same.'
        yield ConfigError(located(node, ("commands", name, "python_version"), what), remedy="Write it in quotes.")
    variables = at(command, ("env",))
    for variable in variables if isinstance(variables, Table) else ():
        if refused := obstacle(variable, "", placeholders=(), reserved=()):
            yield ConfigError(located(node, ("commands", name, "env", variable), f"{refused}."), remedy=_REMEDY)


def _command(application: Path, name: str, value: Mapping[str, Any]) -> PythonCommand:
    base = application.parent

    def path(text: str) -> Path:
        return Path(os.path.normpath(base / Path(text).expanduser()))

    return PythonCommand(
        application=application,
        name=name,
        pylock=path(value["pylock"]),
        words=tuple(shlex.split(value["command"])),
        python=value.get("python_version", DEFAULT_PYTHON),
        extras=tuple(path(one) for one in value.get("local_extra_deps", ())),
        variables=value.get("env", {}),
        prepended=tuple(str(path(one)) for one in value.get("prepend_paths", ())),
        refresh=value.get("refresh", False),
    )
