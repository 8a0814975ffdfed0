"""`bundle serve`: the service that runs jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, pass_app
from bundle.cli.jobs.shared import SIZE, key_file, surroundings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; one that others reach needs a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8400, show_default=True)
@click.option("--root", type=click.Path(path_type=Path), help="Folder of jobs and logs; else in the data folder.")
@click.option("--jobs", "at_once", type=click.IntRange(1, 256), default=4, show_default=True, help="Jobs at a time.")
@click.option("--properties", type=click.Path(path_type=Path), help="The application.properties that names the Python.")
@click.option("--python", metavar="PATH", help="An installPath in place of that of the properties.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Holds the token; else BUNDLE_SERVE_TOKEN.")
@click.option("--most-upload", type=SIZE, default="100MiB", show_default=True, help="Size of an upload.")
@click.option("--most-log", type=SIZE, default="1GiB", show_default=True, help="Size of a log.")
@click.option("--keep-days", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Age of ended jobs.")
@click.option("--keep-size", type=SIZE, default="10GiB", show_default=True, help="Size of all ended jobs.")
@pass_app
def serve(app: App, /, token_file: Path | None, **options: Any) -> int:
    """Run uploaded scripts as jobs, over HTTP.

    The page is at the address itself, the interface under /api, its description at /openapi.json. On a loopback address
    no token is needed. The service needs the extra `service`.
    """
    from bundle.base.files import read_regular
    from bundle.run.install.records import Records
    from bundle.run.jobs.command import TOKEN_VARIABLE
    from bundle.run.jobs.keys import add_key
    from bundle.run.jobs.service.serve import Settings, require_libraries
    from bundle.run.jobs.service.serve import serve as run

    require_libraries()
    token = app.environ.get(TOKEN_VARIABLE, "")
    if token_file is not None:
        try:
            token = read_regular(token_file, most=4096).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{token_file} cannot be read.", remedy="Name a file that holds the token.") from error
    around = surroundings(app, options["properties"], options["python"])
    if not around.keys.keys:
        around = replace(around, keys=add_key(key_file(app), around.keys))
    around.python("")  # A wrong Python is told now, not by the first job.
    settings = Settings(
        root=options["root"] or app.data / "jobs" / "service",
        host=options["host"],
        port=options["port"],
        token=token.strip(),
        at_once=options["at_once"],
        most_upload=options["most_upload"],
        most_log=options["most_log"],
        keep_seconds=options["keep_days"] * 86400,
        keep_bytes=options["keep_size"],
    )

    def runtimes() -> list[dict[str, str]]:
        found = Records(app.data).all()
        return [
            {"version": one.mark.version, "platform": one.mark.platform, "path": str(one.target.path)} for one in found
        ]

    run(settings, around, runtimes, app.reporter)
    return 0
