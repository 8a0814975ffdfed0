"""`bundle interpreters`: the offers of the interpreter sources, or a mirror of the releases needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bundle.cli.app import App, Result, complete_version, pass_app, platform_option
from bundle.cli.selection import select
from bundle.cli.tables import print_columns
from bundle.model.records import to_json

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.artifacts.context import Context
    from bundle.artifacts.interpreters.python_build_standalone import PythonBuildStandalone
    from bundle.artifacts.interpreters.source import Source, Tools
    from bundle.model.config.config import Config
    from bundle.model.platforms import Platform


@click.command()
@click.argument("versions", shell_complete=complete_version, nargs=-1, required=True, metavar="VERSION...")
@platform_option
@click.option(
    "--mirror",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Fill DIR with the release files that the versions need.",
)
@pass_app
def interpreters(app: App, versions: tuple[str, ...], platforms: tuple[str, ...], mirror: Path | None) -> Result:
    """Show what each interpreter source offers, and which one wins.

    A source that offers nothing says why. A platform that is not named is this machine's own. With --mirror, the
    default is all platforms of each VERSION, and the release files that they need are downloaded into a folder;
    `interpreter.mirror` or BUNDLE_PYTHON_MIRROR can name it, on this machine or another.
    """
    from bundle.artifacts.interpreters.python_build_standalone import PythonBuildStandalone

    project = app.open_project()
    default: Literal["own", "all"] = "own" if mirror is None else "all"
    wanted = select(app, project, tuple(dict.fromkeys(versions)), platforms, default=default)
    context = app.context(project)
    # One for all platforms, so that a host that does not answer costs one time limit.
    source = PythonBuildStandalone()
    if mirror is not None:
        return _fill(context, wanted, source, mirror.absolute())
    shared: dict[str, Source] = {PythonBuildStandalone.name: source}
    data = {"platforms": [_ask(context, config, platform, shared) for config, platform in wanted]}
    worst = max((row["error"]["exitCode"] for row in data["platforms"] if row["error"]), default=0)
    return Result(data=data, text=lambda console: _print(console, data), exit_code=worst)


def _ask(context: Context, config: Config, platform: Platform, shared: dict[str, Source]) -> dict[str, Any]:
    from bundle.artifacts.interpreters.choice import NoInterpreterError, UnreachableInterpreterError, choose
    from bundle.artifacts.interpreters.sources import sources_for
    from bundle.make.interpreter.prepare import known_in, request_for

    about = {"version": config.version, "python": config.python, "platform": platform.key}
    with _tools(context) as tools:
        sources = sources_for((), config.interpreter.sources, platform, table=shared)
        try:
            known = known_in(context, config, platform)
            choice = choose(request_for(context, config, platform), sources, tools, known=known, fetch=False)
        except (NoInterpreterError, UnreachableInterpreterError) as error:
            tried = to_json(error.tried)
            return {**about, "choice": None, "why": None, "sources": tried, "error": error.as_json()}
    return {
        **about,
        "choice": choice.as_json(),
        "why": choice.why,
        "sources": to_json(choice.tried),
        "error": None,
    }


def _fill(
    context: Context, wanted: list[tuple[Config, Platform]], source: PythonBuildStandalone, folder: Path
) -> Result:
    from bundle.artifacts.interpreters.mirror import fill, needs
    from bundle.make.interpreter.prepare import request_for

    requests = [(config.version, request_for(context, config, platform)) for config, platform in wanted]
    needed, left = needs(requests, source)
    with _tools(context) as tools:
        kept = fill(folder, needed, source, tools)
    data = {"mirror": str(folder), "files": [one.as_json() for one in kept], "left": [to_json(one) for one in left]}
    codes = [one.error.exit_code for one in kept if one.error] + [2 for one in left if one.lacking]
    return Result(data=data, text=lambda console: _print_mirror(console, data), exit_code=max(codes, default=0))


@contextmanager
def _tools(context: Context) -> Iterator[Tools]:
    from bundle.artifacts.interpreters.source import Tools

    with tempfile.TemporaryDirectory(prefix="bundle-") as work:
        yield Tools(
            downloader=context.downloader, files=context.store.files, reporter=context.reporter, work=Path(work)
        )


def _print(console: Console, data: dict[str, Any]) -> None:
    failed = sum(row["error"] is not None for row in data["platforms"])
    remedies: dict[str, None] = {}
    for row in data["platforms"]:
        console.print(f"{row['version']}: Python {row['python']} for {row['platform']}")
        cells = [(one["source"], one["python"] or "-", one["outcome"], one["answer"]) for one in row["sources"]]
        print_columns(console, cells, heading=("source", "python", "answer", "why"), indent=2)
        if row["choice"]:
            kind = " as a substitute" if row["choice"]["substituted"] else ""
            console.print(f"  {row['choice']['source']} gives {row['choice']['actual']}{kind}: {row['why']}.\n")
        else:
            console.print(f"  {row['error']['what']}\n")
            remedy = row["error"]["remedy"]
            # The remedies differ only in the platform's name.
            remedies[remedy if failed == 1 else remedy.replace(row["platform"], "PLATFORM")] = None
    for remedy in remedies:
        console.print(f"to do: {remedy}")


def _print_mirror(console: Console, data: dict[str, Any]) -> None:
    rows = [
        (one["status"], f"{one['size'] / 1e6:.1f} MB" if one["size"] else "-", one["file"]) for one in data["files"]
    ]
    if rows:
        print_columns(console, rows, heading=("status", "size", "file"), indent=2)
    for one in data["left"]:
        console.print(f"  left alone: {one['version']} on {one['platform']}: {one['reason']}")
    errors = [one["error"] for one in data["files"] if one["status"] == "failed"]
    for error in errors:
        console.print(f"  failed: {error['what']}")
    for remedy in dict.fromkeys(error["remedy"] for error in errors):
        console.print(f"  to do: {remedy}")
    if errors:
        console.print("  Complete files are kept; run the same command again to continue.")
        return
    console.print(f"The mirror is {data['mirror']}: name it as interpreter.mirror or BUNDLE_PYTHON_MIRROR.")
