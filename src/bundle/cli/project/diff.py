"""`bundle diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.base.text import counted
from bundle.cli.app import App, Result, pass_app
from bundle.cli.tables import FLOOR_NAMES, print_columns
from bundle.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from bundle.artifacts.difference import Changes, Difference, Package, Side
    from bundle.model.config.project import Project
    from bundle.model.manifest import LayerRecord, PythonRecord


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Choice([*PLATFORMS]),
    help="Platform key, by default this machine's own; given twice, the first is that of A and the second that of B.",
)
@click.option("--offline", is_flag=True, help="Never use the network; addresses are folders then.")
@pass_app
def diff(app: App, before: str, after: str, platforms: tuple[str, ...], offline: bool) -> Result:
    """Show what differs between two bundles or locks.

    A and B are each a version that is built, a lock (pylock.*.toml), the folder of a bundle, an archive of one, or
    ADDRESS@VERSION: a version in a remote, or in a folder that `bundle build --output` wrote. Locks tell of Python and
    packages only. --platform chooses among the bundles of a version; locks, folders and archives have one of their own.

    The exit code is 0 whether anything differs or not; `same` tells it in the document of --json.
    """
    from bundle.artifacts.difference import difference
    from bundle.run.sides import Reader

    if len(platforms) > 2:
        raise ConfigError("--platform is given more than twice.", remedy="Give it once, or once for each of A and B.")
    own = app.machine.key if app.machine else ""
    keys = platforms or (own,)
    reader = Reader(project=_project(app), access=app.access(offline=offline))
    sides = reader.read(before, keys[0]), reader.read(after, keys[-1])
    found = difference(*sides)
    data = {"a": _value(sides[0]), "b": _value(sides[1]), **found.to_json()}
    return Result(data=data, text=lambda console: _print(console, sides, found))


def _project(app: App) -> Project | None:
    """Return the project if there is one here; only versions need it."""
    try:
        return app.open_project()
    except ConfigError:
        if app.project_option is not None:
            raise
        return None


def _value(side: Side) -> dict[str, Any]:
    return {"title": side.title, "kind": side.kind, "version": side.version, "platform": side.platform}


def _print(console: Console, sides: tuple[Side, Side], found: Difference) -> None:
    missing = f"; not compared: {', '.join(found.not_compared)}" if found.not_compared else ""
    if found.same:
        told = [name for name in ("layers", "floor", "licences") if name not in found.not_compared]
        what = ", ".join(["Python", "packages", *told])
        console.print(f"Nothing differs between {_title(sides[0])} and {_title(sides[1])}: {what}{missing}.")
        return
    console.print(f"{_title(sides[0])} -> {_title(sides[1])}")
    if found.platform:
        console.print(f"  platform  {found.platform.before} -> {found.platform.after}")
    if found.python:
        console.print(f"  python  {_python(found.python.before)} -> {_python(found.python.after)}")
    _print_part(console, f"packages ({_counts(found.packages)})", _package_rows(found.packages))
    _print_part(console, f"left out ({_counts(found.left_out)})", _left_out_rows(found.left_out))
    _print_layers(console, found)
    floors = found.floor
    if floors:
        rows = [("+", FLOOR_NAMES.get(one.system, one.system), one.release) for one in floors.added]
        rows += [("-", FLOOR_NAMES.get(one.system, one.system), one.release) for one in floors.removed]
        rows += [
            ("~", FLOOR_NAMES.get(one.after.system, one.after.system), f"{one.before.release} -> {one.after.release}")
            for one in floors.changed
        ]
        _print_part(console, "oldest system", rows)
    if found.licences:
        rows = [("+", one.name, ", ".join(one.components)) for one in found.licences.added]
        rows += [("-", one.name, ", ".join(one.components)) for one in found.licences.removed]
        _print_part(console, "licences", rows)
    if found.not_compared:
        console.print(f"  not compared: {', '.join(found.not_compared)}, which not both of them tell")


def _title(side: Side) -> str:
    return f"{side.title} ({side.platform})"


def _python(python: PythonRecord) -> str:
    if not python.actual:
        return python.requested
    asked = f", in place of {python.requested}" if python.requested and python.substituted else ""
    return f"{python.actual}{f' ({python.source})' if python.source else ''}{asked}"


def _counts(changes: Changes[Any]) -> str:
    return f"{len(changes.added)} added, {len(changes.removed)} removed, {len(changes.changed)} changed"


def _package_rows(changes: Changes[Package]) -> Iterator[Sequence[str]]:
    for sign, packages in (("+", changes.added), ("-", changes.removed)):
        for one in packages:
            yield sign, _named(one.name, one.set), one.version, one.decision, one.reason
    for change in changes.changed:
        before, after = change.before, change.after
        row = ("~", _named(after.name, after.set), _step(before.version, after.version))
        decision = _step(before.decision, after.decision)
        # Where all of these are the same, only the file can differ.
        told = (before.version, before.decision, before.reason) != (after.version, after.decision, after.reason)
        yield (*row, decision, after.reason if told else f"another file: {_step(before.file, after.file)}")


def _left_out_rows(changes: Changes[Any]) -> Iterator[Sequence[str]]:
    for sign, left in (("+", changes.added), ("-", changes.removed)):
        for one in left:
            yield sign, _named(one.name, one.set), one.kind, one.reason
    for change in changes.changed:
        before, after = change.before, change.after
        yield "~", _named(after.name, after.set), _step(before.kind, after.kind), _step(before.reason, after.reason)


def _print_layers(console: Console, found: Difference) -> None:
    from rich.filesize import decimal

    if not found.layers or found.transfer is None:
        return

    def rows(sign: str, layers: Sequence[LayerRecord]) -> list[Sequence[str]]:
        return [(sign, one.kind, f"{one.name} {one.version}".rstrip(), decimal(one.size)) for one in layers]

    transfer = found.transfer
    measure = "compressed" if transfer.compressed else "uncompressed; nothing at hand tells the compressed size"
    title = f"layers ({counted(transfer.layers, 'layer')} to move: {decimal(transfer.size)} {measure})"
    _print_part(console, title, [*rows("+", found.layers.added), *rows("-", found.layers.removed)])


def _named(name: str, set_name: str) -> str:
    return f"{name} (set {set_name})" if set_name else name


def _step(before: str, after: str) -> str:
    return after if before == after else f"{before} -> {after}"


def _print_part(console: Console, title: str, rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> None:
    if listed := list(rows):
        console.print(f"  {title}")
        print_columns(console, listed, indent=4)
