"""`bundle interpreters`: what each interpreter source offers, and which wins."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.cli.app import App, Result, complete_version, pass_app, platform_option, select_platforms

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.artifacts.interpreters.source import Source
    from bundle.make.context import Context
    from bundle.model.config import Config
    from bundle.model.platforms import Platform


@click.command()
@click.argument("version", shell_complete=complete_version)
@platform_option
@pass_app
def interpreters(app: App, version: str, platforms: tuple[str, ...]) -> Result:
    """Show what each interpreter source offers for VERSION, why others refuse, and which wins."""
    from bundle.artifacts.interpreters.python_build_standalone import PythonBuildStandalone
    from bundle.model.project import Project

    project = Project(app.project)
    config = project.load(version, app.environ).config
    context = app.context(project)
    # One for all platforms, so that a host that does not answer is waited for once.
    shared: dict[str, Source] = {PythonBuildStandalone.name: PythonBuildStandalone()}
    rows = [
        _ask(context, config, platform, shared) for platform in select_platforms(platforms, default=config.platforms)
    ]
    data = {"version": version, "python": config.python, "platforms": rows}
    worst = max((row["error"]["exitCode"] for row in rows if row["error"]), default=0)
    return Result(data=data, text=lambda console: _print(console, data), exit_code=worst)


def _ask(context: Context, config: Config, platform: Platform, shared: dict[str, Source]) -> dict[str, Any]:
    from bundle.artifacts.interpreters.choose import NoInterpreterError, UnreachableInterpreterError, choose
    from bundle.artifacts.interpreters.named import sources_for
    from bundle.artifacts.interpreters.source import Request, Tools
    from bundle.make.interpreter import known_in

    request = Request(
        python=config.python,
        platform=platform,
        config=config.interpreter,
        machine=context.machine,
        environ=context.environ,
    )
    with tempfile.TemporaryDirectory(prefix="bundle-") as work:
        tools = Tools(
            downloader=context.downloader, files=context.store.files, reporter=context.reporter, work=Path(work)
        )
        sources = sources_for((), config.interpreter.sources, platform, table=shared)
        try:
            choice = choose(request, sources, tools, known=known_in(context, config, platform), fetch=False)
        except (NoInterpreterError, UnreachableInterpreterError) as error:
            tried = [attempt.as_json() for attempt in error.tried]
            return {"platform": platform.key, "choice": None, "why": None, "sources": tried, "error": error.as_json()}
    return {
        "platform": platform.key,
        "choice": choice.as_json(),
        "why": choice.why,
        "sources": [attempt.as_json() for attempt in choice.tried],
        "error": None,
    }


def _print(console: Console, data: dict[str, Any]) -> None:
    from bundle.cli.tables import print_columns

    for row in data["platforms"]:
        console.print(f"Python {data['python']} for {row['platform']}")
        cells = [(one["source"], one["python"] or "-", one["outcome"], one["answer"]) for one in row["sources"]]
        print_columns(console, cells, heading=("source", "python", "answer", "why"), indent=2)
        if row["choice"]:
            kind = " as a substitute" if row["choice"]["substituted"] else ""
            console.print(f"  {row['choice']['source']} gives {row['choice']['actual']}{kind}: {row['why']}.\n")
        else:
            console.print(f"  {row['error']['what']}\n  to do: {row['error']['remedy']}\n")
