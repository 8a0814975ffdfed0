"""`bundle config`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bundle.base.http.urls import redacted
from bundle.cli.app import App, Result, complete_version, pass_app
from bundle.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.model.config.json_source import KeyPath


@click.command()
@click.argument("version", shell_complete=complete_version)
@click.option(
    "--platform", "platform_key", type=click.Choice(list(PLATFORMS)), help="Show what holds on this platform."
)
@click.option("--explain", is_flag=True, help="Show the file and line that gave each value.")
@pass_app
def config(app: App, version: str, platform_key: str | None, explain: bool) -> Result:
    """Show the merged configuration of VERSION."""
    from bundle.model.config.json_source import origins, path_text

    loaded = app.open_project().load(version, app.environ)
    tree = loaded.tree.folded(platform_key) if platform_key else loaded.tree
    shown = redacted(tree.value)

    def text(console: Console) -> None:
        if not explain:
            console.print(json.dumps(shown, indent=2, ensure_ascii=False))
            return
        for path, origin in origins(tree.tree):
            if path:
                console.print(f"{path_text(path)} = {json.dumps(_value(shown, path), ensure_ascii=False)}  ({origin})")

    return Result(
        data={"config": shown, "origins": {path: asdict(origin) for path, origin in tree.origins.items()}}, text=text
    )


def _value(value: Any, path: KeyPath) -> Any:
    for step in path:
        value = value[step]
    return value
