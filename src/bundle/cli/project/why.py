"""`bundle why`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option
from bundle.cli.selection import current_lock, select, with_sets

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.model.config.merge import Merged
    from bundle.model.locks.graph import Graph
    from bundle.model.locks.lock import Lock


@click.command()
@click.argument("version", shell_complete=complete_version)
@click.argument("package")
@platform_option
@pass_app
def why(app: App, /, version: str, package: str, platforms: tuple[str, ...]) -> Result:
    """Show why a package is in a version, or why it is not.

    The locks of all platforms of VERSION are read. For each package that requires PACKAGE, the shortest chain from the
    configuration is shown.
    """
    from packaging.utils import canonicalize_name

    from bundle.base.text import did_you_mean
    from bundle.model.locks.graph import Graph

    project = app.open_project()
    name = canonicalize_name(package)
    orders = with_sets(select(app, project, [version], platforms, default="all"))
    graphs = [Graph(current_lock(project, config, platform)) for config, platform in orders]
    known = {one for graph in graphs for one in graph.packages}
    if name not in known:
        raise ConfigError(
            f"{version} has no package {name}.{did_you_mean(name, known)}",
            cause="Nothing that its locks have requires it.",
            remedy=f"`bundle tree {version}` lists what is there.",
        )
    tree = project.load(version, app.environ).tree
    reasons = [_reason(graph, name, tree) for graph in graphs]
    return Result(data={"package": name, "version": version, "platforms": reasons}, text=lambda c: _print(c, reasons))


def _reason(graph: Graph, name: str, tree: Merged) -> dict[str, Any]:
    found, lock = graph.packages.get(name), graph.lock
    where = {"platform": lock.platform} | ({"set": lock.set_name} if lock.set_name else {})
    if found is None:
        return {**where, "version": None, "decision": "absent", "reason": "", "chains": []}
    chains = []
    for chain in graph.reasons(name):
        written, place = _requirement(tree, graph.lock, chain[0])
        steps = [graph.packages[step] for step in chain]
        chains.append(
            {
                "requirement": written,
                "place": place,
                "packages": [{"name": step.name, "version": step.version} for step in steps],
            }
        )
    return {
        **where,
        "version": found.version,
        "decision": found.kind,
        "reason": found.reason,
        "chains": chains,
    }


def _requirement(tree: Merged, lock: Lock, name: str) -> tuple[str, str]:
    """Return what the configuration says of a package that it names, and where."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    from bundle.base.http.urls import redacted
    from bundle.model.config.json_source import at, plain

    place = ("sets", lock.set_name) if lock.set_name else ()
    node = at(tree.folded(lock.platform).tree, ("packages", *place, "dependencies"))
    for each in node if isinstance(node, list) else ():
        text = str(plain(each))
        try:
            named = canonicalize_name(Requirement(text).name)
        except InvalidRequirement:
            continue
        if named == name:
            return str(redacted(text)), str(each.origin)
    return name, "the configuration"


def _print(console: Console, reasons: list[dict[str, Any]]) -> None:
    """Print platforms that say the same once."""
    same: dict[str, list[str]] = {}
    for reason in reasons:
        where = f"{reason['platform']} (set {reason['set']})" if "set" in reason else reason["platform"]
        same.setdefault("\n".join(_lines(reason)), []).append(where)
    for text, platforms in same.items():
        console.print(f"{', '.join(platforms)}:")
        console.print(text)


def _lines(reason: dict[str, Any]) -> list[str]:
    if reason["decision"] == "absent":
        return ["  nothing requires it"]
    version = f" {reason['version']}" if reason["version"] else ""
    lines = [f"  {reason['decision']}{version}: {reason['reason']}"]
    for chain in reason["chains"]:
        steps = " -> ".join(f"{step['name']} {step['version'] or ''}".strip() for step in chain["packages"])
        lines.append(f"  {chain['requirement']} ({chain['place']}) -> {steps}")
    return lines
