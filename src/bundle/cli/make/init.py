"""`bundle init`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, interpreter_option, offline_option, pass_app
from bundle.cli.make.loose import Asked, asked_options

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), metavar="[DIR]")
@asked_options("--from", files="Take over what requirements or a pyproject.toml ask for.")
@offline_option
@interpreter_option
@pass_app
def init(app: App, /, folder: Path, **options: Any) -> Result:
    """Start a project: configuration, one version, README, CI for five platforms.

    Without --python, the version has the Python X.Y that bundle itself runs on.
    """
    from bundle.make.new_project import start_project

    asked = Asked(**{name: options[name] for name in Asked.__dataclass_fields__})
    asked = asked.with_python(f"{sys.version_info.major}.{sys.version_info.minor}")
    root = Path(os.path.normpath(folder.absolute()))
    inputs = asked.read(root)
    if inputs.taken is not None:
        raise ConfigError(
            f"{inputs.taken.shown} is a lock; a project has its own.",
            remedy="Name the requirements or the pyproject.toml that it was made from.",
        )
    version = asked.version(app, inputs, (), {**options, "output": root / "pydist"})
    written = start_project(root, version, inputs if asked.loose else None)
    shown = [path.relative_to(root).as_posix() for path in written]

    def text(console: Console) -> None:
        console.print(f"{root} is a project now. It has {', '.join(shown)}.")
        console.print("Next:")
        where = os.path.relpath(root)
        prefix = "" if where == "." else f"cd {where}; "
        console.print(f"  {prefix}bundle build {version}")

    return Result(data={"project": str(root), "version": version, "files": shown}, text=text)
