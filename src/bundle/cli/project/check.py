"""`bundle check`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bundle.cli.app import App, Result, complete_version, pass_app

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.make.check import CheckReport


@click.command()
@click.argument("versions", shell_complete=complete_version, metavar="[VERSION]...", nargs=-1)
@pass_app
def check(app: App, versions: tuple[str, ...]) -> Result:
    """Validate the configuration of each VERSION, or of all: every mistake at once."""
    from bundle.make.check import check_versions

    report = check_versions(app.open_project(), versions, app.environ)
    data: dict[str, Any] = {"versions": [asdict(findings) for findings in report.versions], "notes": list(report.notes)}
    data["unusedExceptions"] = list(report.unused)

    def text(console: Console) -> None:
        _print_report(report, console, verbose=app.verbose)

    return Result(data=data, text=text, exit_code=2 if report.failed else 0)


def _print_report(report: CheckReport, console: Console, *, verbose: bool) -> None:
    said: set[str] = set()
    for findings in report.versions:
        mark = "wrong" if findings.problems else "ok"
        console.print(f"{findings.version}: {mark}")
        # A problem of the shared file is a problem of every version; it is printed once.
        new = [problem for problem in findings.problems if problem not in said]
        said.update(new)
        for problem in new:
            console.print(f"  error: {problem}")
        if len(new) < len(findings.problems):
            console.print(f"  {len(findings.problems) - len(new)} of the errors above apply here, too")
        for warning in findings.warnings:
            console.print(f"  warning: {warning}")
    for note in report.notes:
        console.print(f"note: {note}{'' if verbose else ' --verbose names them.'}")
    if verbose and report.unused:
        console.print(f"  they are {', '.join(report.unused)}")
    problems, warnings = len(said), sum(len(findings.warnings) for findings in report.versions)
    counts = ((len(report.versions), "version"), (problems, "error"), (warnings, "warning"))
    console.print(", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts) + ".")
