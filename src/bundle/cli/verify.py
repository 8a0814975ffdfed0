"""`bundle verify`: check bundles that exist, and say what is wrong with them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bundle.base.errors import ConfigError, VerificationError
from bundle.cli.app import App, Result, pass_app, platform_option

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.make.findings import Report
    from bundle.make.verify import Identity
    from bundle.model.project import Project


@click.command()
@click.argument("target", metavar="VERSION|PATH|ARCHIVE")
@platform_option
@pass_app
def verify(app: App, target: str, platforms: tuple[str, ...]) -> Result:
    """Check a bundle: it imports, survives a move, and names nothing of the machine that built it.

    The bundle is a VERSION that is built, the folder at PATH that holds bundle.json, or an ARCHIVE.
    """
    from bundle.make.inspected import scratch_folder
    from bundle.make.targets import bundle_folders

    project = _project(app)
    work = app.cache / "work"
    with scratch_folder(work, "unpacked") as scratch:
        folders = bundle_folders(target, project=project, platforms=platforms, machine=app.machine, scratch=scratch)
        results = [(folder, *_verify(app, project, folder, work)) for folder in folders]

    def text(console: Console) -> None:
        for folder, identity, report in results:
            _print(console, folder, identity, report)

    return Result(
        data={
            "bundles": [
                {"version": identity.version, "platform": identity.platform.key, "path": str(folder)} | report.as_json()
                for folder, identity, report in results
            ]
        },
        text=text,
        exit_code=0 if all(report.ok for *_, report in results) else VerificationError.exit_code,
    )


def _project(app: App) -> Project | None:
    from bundle.model.project import Project

    try:
        return Project(app.project)
    except ConfigError:
        if app.project_option is not None:
            raise
        return None  # A folder or an archive can be checked anywhere.


def _verify(app: App, project: Project | None, folder: Path, work: Path) -> tuple[Identity, Report]:
    from bundle.make.verify import identify, verify_bundle
    from bundle.model.allowlist import AllowList, load_allowlist

    identity = identify(folder)
    allowlist = AllowList()
    forbidden = [app.cache, Path(sys.base_prefix), Path(sys.prefix)]
    if project is not None:
        allowlist = load_allowlist(project.root, identity.version if identity.version in project.versions() else None)
        forbidden.append(project.root)
    report = verify_bundle(
        folder,
        python=identity.python,
        platform=identity.platform,
        machine=app.machine,
        allowlist=allowlist,
        forbidden=forbidden,
        suspicious=[Path.home()],
        skipped=identity.skipped,
        relaxed=identity.relaxed,
        jobs=os.cpu_count() or 1,
        reporter=app.reporter,
        work=work,
    )
    return identity, report


def _print(console: Console, folder: Path, identity: Identity, report: Report) -> None:
    from rich.table import Table

    from bundle.make.findings import with_fresh_evidence

    console.print(f"{identity.version} for {identity.platform.key} (Python {identity.python}): {folder}")
    table = Table("check", "checked", "errors", "warnings", "notes")
    for name in dict.fromkeys((*report.checked, *(finding.check for finding in report.findings))):
        counts = [
            sum(finding.check == name for finding in report.of(severity)) for severity in ("error", "warning", "note")
        ]
        table.add_row(name, str(report.checked.get(name, "not run")), *(str(count or "") for count in counts))
    console.print(table)
    remedies: set[str] = set()
    for finding, evidence in with_fresh_evidence((*report.of("error"), *report.of("warning"), *report.of("note"))):
        console.print(f"{finding.severity}: {finding.check}: {finding.subject}: {finding.message}")
        for line in evidence:
            console.print(f"    {line}")
        if finding.remedy and finding.remedy not in remedies:
            console.print(f"  to do: {finding.remedy}")
            remedies.add(finding.remedy)
    count = len(report.of("error"))
    verdict = {0: "nothing wrong", 1: "1 error"}.get(count, f"{count} errors")
    console.print(f"{verdict}, in {report.seconds:.1f} s")
