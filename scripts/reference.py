"""The reference pages of the documentation, made from the schema and from click."""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import click

from bundle.cli.main import COMMANDS, cli
from bundle.model.config.schema import described, resolved, schema

# A bar within a cell would end the cell.
_PIPE = "\\|"
_NAMED = ("sets", "overrides", "skip", "forceSource", "buildWheel")
_VARIABLES = (
    ("BUNDLE_PROJECT", "The project's folder, as `--project` names it."),
    ("BUNDLE_CACHE_DIR", "The store: the cache folder that all projects share; `bundle cache dir` prints it."),
    ("BUNDLE_DATA_DIR", "The records of what is installed, and the place of installs without `--into`."),
    ("BUNDLE_PYTHON_MIRROR", "Where releases of python-build-standalone are, in place of `interpreter.mirror`."),
    (
        "BUNDLE_INDEX_<HOST>_USERNAME, BUNDLE_INDEX_<HOST>_PASSWORD",
        "Credentials for a registry's host, in capitals and with `_` for all but letters and digits.",
    ),
    ("BUNDLE_SYSROOT, BUNDLE_SYSROOT_<PLATFORM>", "The system in which `bundle verify` emulates Linux programs."),
    ("SOURCE_DATE_EPOCH", "The modification time of all files in a bundle, in seconds since 1970."),
    ("NO_COLOR", "Set to anything, output has no colours."),
)
"""The environment variables beside those that the configuration names as `${NAME}`."""


def configuration_page() -> str:
    """Return docs/configuration.md, made from the JSON schema."""
    lines = [
        "# Configuration",
        "",
        "Made by `scripts/refresh-docs` from `src/bundle/model/config/config.schema.json`; `bundle schema` prints it.",
        "",
        schema()["description"],
        "",
        "```json",
        *json.dumps(schema()["examples"][0], indent=2).splitlines(),
        "```",
        "",
        "The two files are merged key by key; the last column says how. `bundle config VERSION --explain` shows the",
        "file and line that gave each value, `bundle config VERSION --platform KEY` what holds on one platform, and",
        "`bundle check` every mistake at once.",
        "",
        "| merge | means |",
        "| --- | --- |",
        "| version wins | the version's value replaces the shared one; absent, the shared one stays |",
        "| deep | key by key |",
        "| null removes | `null` in the version takes the shared entry away |",
        "| by normalised name | `Foo.Bar` and `foo-bar` are one name (PEP 503) |",
        "| union, shared first | both lists, without repetitions |",
        "| union by URL | the same, by URL; an index that both files tie to packages is tied to both sets |",
        "| append | both lists, one after the other |",
        "| url or path | the version's `url` takes the place of a shared `path`, and the other way round |",
    ]
    for key, members in _sections().items():
        about = schema()["properties"].get(key, {}).get("description", "Keys that stand alone.")
        lines += ["", f"## {key}", "", about, ""]
        lines += ["| key | type | default | meaning | merge |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(path, part) for path, part in members]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Return docs/commands.md, made from the command line itself."""
    lines = [
        "# Commands",
        "",
        "Made from the command line itself by `scripts/refresh-docs`; `bundle COMMAND --help` says the same.",
        "",
    ]
    root = click.Context(cli, info_name="bundle")
    lines += _command_lines(root, cli, level=2)
    lines += ["| variable of the environment | meaning |", "| --- | --- |"]
    lines += [_cells(f"`{name}`", meaning) for name, meaning in _VARIABLES]
    lines.append("")
    for name in sorted(COMMANDS):
        command = cli.get_command(root, name)
        if command is not None:
            lines += _commands(root, command, name, level=2)
    return "\n".join(lines).rstrip() + "\n"


def _sections() -> dict[str, list[tuple[tuple[str, ...], dict[str, Any]]]]:
    """Return for each top-level table its described keys; the keys without a table come first."""
    alone = "Top level"
    sections: dict[str, list[tuple[tuple[str, ...], dict[str, Any]]]] = {alone: []}
    for path, part in described():
        if len(path) == 1 and "properties" not in part:
            sections[alone].append((path, part))
        elif len(path) > 1 and "description" in part:
            sections.setdefault(path[0], []).append((path, part))
    return sections


def _row(path: tuple[str, ...], part: dict[str, Any]) -> str:
    # The default of one platform is that of all.
    own = "default" in part and "platformSpecific" not in path
    default = f"`{json.dumps(part['default'])}`" if own else ""
    cells = (f"`{_shown(path)}`", _type(part), default, part["description"], part.get("x-merge", ""))
    return _cells(*cells)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', _PIPE) for cell in cells)} |"


def _shown(path: tuple[str, ...]) -> str:
    """Return a path with `<name>` and `<platform>` in place of the names that the user chooses."""
    words = []
    for index, step in enumerate(path):
        if step != "*":
            words.append(step)
        elif path[index - 1] in _NAMED:
            words.append("<name>")
        else:
            words.append("<key>" if path[index - 1] == "configSettings" else "<platform>")
    return ".".join(words)


def _type(part: dict[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(f"`{json.dumps(value)}`" for value in part["enum"])
    if "anyOf" in part:
        return " or ".join(_type(resolved(one)) for one in part["anyOf"])
    kind = part["type"]
    if isinstance(kind, list):
        return " or ".join(_type({**part, "type": one}) for one in kind)
    if kind == "array":
        return f"list of {_type(resolved(part['items']))}"
    if kind == "object" and "required" in part:
        return f"`{{{', '.join(part['properties'])}}}`"
    names = {"object": "table", "string": "text", "boolean": "true or false", "integer": "whole number"}
    return names.get(kind, str(kind))


def _commands(parent: click.Context, command: click.Command, name: str, *, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield from _command_lines(context, command, level=level)
    if isinstance(command, click.Group):
        for member in sorted(command.list_commands(context)):
            below = command.get_command(context, member)
            if below is not None and not below.hidden:
                yield from _commands(context, below, member, level=level + 1)


def _command_lines(context: click.Context, command: click.Command, *, level: int) -> list[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    help_text = cleandoc(command.help or "").split("\f")[0].rstrip()
    lines = [
        f"{'#' * level} {context.command_path}",
        "",
        help_text,
        "",
        f"    {context.command_path} {usage}".rstrip(),
        "",
    ]
    records = [one.get_help_record(context) for one in command.params]
    options = [record for record in records if record is not None and record[1]]
    if options:
        lines += ["| option | meaning |", "| --- | --- |"]
        lines += [_cells(f"`{names}`", meaning) for names, meaning in options]
        lines.append("")
    return lines
