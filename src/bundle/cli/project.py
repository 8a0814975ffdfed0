"""The project's own commands: config, check, new, versions, platforms, schema, clean."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError
from bundle.cli.app import App, Result, complete_version, pass_app
from bundle.model.config.config import without_credentials
from bundle.model.platforms import PLATFORMS, Floors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from bundle.make.check import CheckReport
    from bundle.model.config.json_source import KeyPath, Origin
    from bundle.model.config.project import Project


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

    loaded = _project(app).load(version, app.environ)
    tree = loaded.tree.folded(platform_key) if platform_key else loaded.tree
    shown = _without_credentials(tree.value)

    def text(console: Console) -> None:
        if not explain:
            console.print(json.dumps(shown, indent=2, ensure_ascii=False))
            return
        for path, origin in origins(tree.tree):
            if path:
                console.print(f"{path_text(path)} = {json.dumps(_value(shown, path), ensure_ascii=False)}  ({origin})")

    return Result(data={"config": shown, "origins": _origins(tree.origins)}, text=text)


@click.command()
@click.argument("versions", shell_complete=complete_version, metavar="[VERSION]...", nargs=-1)
@pass_app
def check(app: App, versions: tuple[str, ...]) -> Result:
    """Validate the configuration of each VERSION, or of all: every problem at once, warnings too."""
    from bundle.make.check import check_versions

    report = check_versions(_project(app), versions, app.environ)
    data: dict[str, Any] = {"versions": [asdict(findings) for findings in report.versions], "notes": list(report.notes)}
    data["unusedExceptions"] = list(report.unused)

    def text(console: Console) -> None:
        _print_report(report, console, verbose=app.verbose)

    return Result(data=data, text=text, exit_code=2 if report.failed else 0)


@click.command()
@click.argument("version")
@click.option("--from", "template", metavar="VERSION", help="Start from a copy of this version, without its locks.")
@pass_app
def new(app: App, version: str, template: str | None) -> Result:
    """Start a new VERSION, named X.Y.Z or X.Y.Z-variant."""
    from bundle.make.project_folder import start_version

    project = _project(app)
    path = start_version(project, version, template=template).relative_to(project.root).as_posix()

    def text(console: Console) -> None:
        console.print(f"{path} is there. Say in it what the version needs, then:")
        console.print(f"  bundle check {version}")
        console.print(f"  bundle build {version}")

    return Result(data={"version": version, "path": path}, text=text)


@click.command()
@pass_app
def versions(app: App) -> Result:
    """List the versions of the project."""
    project = _project(app)
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
        _print_table(console, ("VERSION", "PYTHON", "PLATFORMS", "DEPENDENCIES", "LOCKS"), *table)
        for row in broken:
            console.print(f"{row['version']}: {row['problem']}")

    return Result(data={"versions": rows}, text=text)


@click.command()
@pass_app
def platforms(app: App) -> Result:
    """List the platforms that bundles are made for."""
    floors = Floors()
    rows: list[dict[str, Any]] = [
        {
            "key": platform.key,
            "triple": platform.triple,
            "newestTag": next(tag.platform for tag in platform.tags("3.12.0", floors)),
            "floor": {"linux": f"glibc {floors.glibc}", "macosx": f"macOS {floors.macos}"}.get(platform.system),
            "machine": platform is app.machine,
        }
        for platform in PLATFORMS.values()
    ]

    def text(console: Console) -> None:
        table = [
            (row["key"], row["triple"], row["newestTag"], row["floor"] or "none", "yes" if row["machine"] else "")
            for row in rows
        ]
        _print_table(console, ("PLATFORM", "INTERPRETER", "NEWEST WHEEL TAG", "DEFAULT FLOOR", "THIS MACHINE"), *table)

    return Result(data={"platforms": rows}, text=text)


@click.command()
@pass_app
def schema(app: App) -> Result:  # noqa: ARG001 - every command is handed the app
    """Print the JSON schema of the configuration."""
    from bundle.model.config.schema import schema as load
    from bundle.model.config.schema import schema_text

    return Result(data=load(), text=lambda console: console.print(schema_text().rstrip()))


@click.command()
@pass_app
def clean(app: App) -> Result:
    """Remove what builds produced: the folder pydist/. The store and the catalogue stay."""
    from bundle.make.project_folder import remove_output

    project = _project(app)
    freed = remove_output(project)
    name = project.output.name

    def text(console: Console) -> None:
        from rich.filesize import decimal

        console.print(f"Removed {name}/, {decimal(freed)}." if freed is not None else f"There is no {name}/.")

    return Result(data={"removed": name if freed is not None else None, "bytes": freed or 0}, text=text)


def _project(app: App) -> Project:
    from bundle.model.config.project import Project

    return Project(app.project)


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
        "dependencies": _without_credentials(loaded.merged.get("packages", {}).get("dependencies", [])),
        "locks": [key for key in PLATFORMS if project.lock_path(version, key).is_file()],
    }


def _print_report(report: CheckReport, console: Console, *, verbose: bool) -> None:
    said: set[str] = set()
    for findings in report.versions:
        mark = "wrong" if findings.problems else "ok"
        console.print(f"{findings.version}: {mark}")
        # What the shared file has wrong is wrong for every version; once is enough for a reader.
        new = [problem for problem in findings.problems if problem not in said]
        said.update(new)
        for problem in new:
            console.print(f"  error: {problem}")
        if len(new) < len(findings.problems):
            console.print(f"  {len(findings.problems) - len(new)} of the errors above are its errors, too")
        for warning in findings.warnings:
            console.print(f"  warning: {warning}")
    for note in report.notes:
        console.print(f"note: {note}{'' if verbose else ' --verbose names them.'}")
    if verbose and report.unused:
        console.print(f"  they are {', '.join(report.unused)}")
    problems, warnings = len(said), sum(len(findings.warnings) for findings in report.versions)
    counts = ((len(report.versions), "version"), (problems, "error"), (warnings, "warning"))
    console.print(", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts) + ".")


def _origins(known: Mapping[str, Origin]) -> dict[str, dict[str, Any]]:
    return {path: asdict(origin) for path, origin in known.items()}


def _without_credentials(value: Any) -> Any:
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, list):
        return [_without_credentials(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_credentials(one) for key, one in value.items()}
    return value


def _value(value: Any, path: KeyPath) -> Any:
    for step in path:
        value = value[step]
    return value


def _print_table(console: Console, *rows: Sequence[str]) -> None:
    """Print columns that stay whole in a pipe, where nobody can widen the window; the first row is the heading."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), style="bold" if row is rows[0] else None)
