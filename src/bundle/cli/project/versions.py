"""`bundle versions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError
from bundle.base.http.urls import redacted
from bundle.cli.app import App, Result, pass_app
from bundle.cli.tables import print_columns
from bundle.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.model.config.project import Project


@click.command()
@pass_app
def versions(app: App) -> Result:
    """List the versions of the project."""
    project = app.open_project()
    rows = [_version_row(app, project, version) for version in project.versions()]

    def text(console: Console) -> None:
        if not rows:
            console.print("No version yet; `bundle new VERSION` starts one.")
            return
        broken = [row for row in rows if row["problem"]]
        table = [
            (
                row["version"],
                row["python"],
                "all" if len(row["platforms"]) == len(PLATFORMS) else ", ".join(row["platforms"]),
                str(len(row["dependencies"])),
                ", ".join(row["locks"]) or "none",
            )
            for row in rows
            if not row["problem"]
        ]
        print_columns(console, table, heading=("VERSION", "PYTHON", "PLATFORMS", "DEPENDENCIES", "LOCKS"))
        for row in broken:
            console.print(f"{row['version']}: {row['problem']}")

    return Result(data={"versions": rows}, text=text)


def _version_row(app: App, project: Project, version: str) -> dict[str, Any]:
    row: dict[str, Any] = {"version": version, "problem": None}
    try:
        loaded = project.load(version, app.environ)
    except BundleError as error:
        return {**row, "problem": f"{error.what} See `bundle check {version}`."}
    return {
        **row,
        "python": loaded.config.python,
        "variant": loaded.config.variant,
        "platforms": list(loaded.config.platforms),
        "dependencies": redacted(loaded.tree.value.get("packages", {}).get("dependencies", [])),
        "sets": sorted(loaded.config.sets),
        "locks": [
            key
            for key in PLATFORMS
            if all(project.lock_path(version, key, one.set_name).is_file() for one in loaded.config.members)
        ],
    }
