"""`bundle tree`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.text import counted
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option
from bundle.cli.selection import current_lock, select, with_sets

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.model.locks.graph import Branch, Graph


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, required=True, metavar="VERSION...")
@platform_option
@pass_app
def tree(app: App, /, versions: tuple[str, ...], platforms: tuple[str, ...]) -> Result:
    """Show which package requires which.

    The locks are read; nothing is resolved. A package whose requirements stand further above is marked with (*).
    """
    from bundle.model.locks.graph import Graph

    project = app.open_project()
    graphs = [
        Graph(current_lock(project, config, platform))
        for config, platform in with_sets(select(app, project, versions, platforms, default="own"))
    ]

    def text(console: Console) -> None:
        for graph in graphs:
            _print(console, graph)

    return Result(data={"trees": [_value(graph) for graph in graphs]}, text=text)


def _value(graph: Graph) -> dict[str, Any]:
    from bundle.model.locks.lock import ROOT, LockedPackage

    packages = [
        {
            "name": package.name,
            "version": package.version,
            "decision": package.kind,
            "bytes": package.file.size if isinstance(package, LockedPackage) and package.file else 0,
            "requires": list(graph.required.get(package.name, ())),
            "requiredBy": list(package.required_by),
        }
        for package in sorted(graph.packages.values(), key=lambda package: package.name)
    ]
    lock = graph.lock
    return {
        "version": lock.version,
        "platform": lock.platform,
        **({"set": lock.set_name} if lock.set_name else {}),
        "roots": list(graph.required.get(ROOT, ())),
        "packages": packages,
    }


def _print(console: Console, graph: Graph) -> None:
    from rich.filesize import decimal

    lock, size = graph.lock, decimal(graph.lock.size)
    console.print(f"{lock.title} for {lock.platform}: {counted(len(lock.packages), 'package')}, {size} to download")
    ended: list[bool] = []
    for branch in graph.branches():
        del ended[branch.depth :]
        lines = "".join("    " if last else "│   " for last in ended)
        console.print(f"{lines}{'└── ' if branch.last else '├── '}{_label(branch)}")
        ended.append(branch.last)


def _label(branch: Branch) -> str:
    from rich.filesize import decimal

    from bundle.model.locks.lock import LockedPackage

    package = branch.package
    name = f"{package.name} {package.version}" if package.version else package.name
    if not isinstance(package, LockedPackage):
        return f"{name}  {package.kind}: {package.reason}"
    size = f"  {decimal(package.file.size)}" if package.file is not None else ""
    built = "  built from source" if package.kind == "source" else ""
    return f"{name}{size}{built}{' (*)' if branch.repeated else ''}"
