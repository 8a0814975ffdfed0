"""`bundle verify`: check bundles that were built, and list their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bundle.base.errors import ConfigError, VerificationError
from bundle.cli.app import App, Result, pass_app, platform_option
from bundle.cli.tables import FLOOR_NAMES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bundle.make.verify.checks.findings import Report
    from bundle.model.acceptance import Acceptance
    from bundle.model.config.project import Project
    from bundle.model.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Running:
    """Whether and where the programs of a bundle are run."""

    wanted: bool
    """Whether programs are run: on this machine, or in an emulator for other platforms."""
    root: Path | None
    """The Linux system shown to programs instead of this machine's."""


@click.command()
@click.argument("target", metavar="VERSION|PATH|ARCHIVE")
@platform_option
@click.option(
    "--run",
    "running",
    is_flag=True,
    help="Also run it: imports, scripts, a move; a bundle for another platform in an emulator of this machine.",
)
@click.option(
    "--root",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Run Linux bundles in the system at DIR, such as an old release or the C library alone. Implies --run.",
)
@click.option("--explain", is_flag=True, help="Say of every finding that is no error why it is none.")
@click.option(
    "--write-acceptances",
    "writing",
    is_flag=True,
    help="Add entries for the errors to verify.accept of the version's config.json; their reasons are yours to write.",
)
@pass_app
def verify(
    app: App,
    target: str,
    platforms: tuple[str, ...],
    running: bool,
    root: Path | None,
    explain: bool,
    writing: bool,
) -> Result:
    """Check that a bundle is complete and portable; with --run, that it works.

    Portable means: it names no path of the machine that built it, and needs no newer system than its floor. The
    bundle is a VERSION that is built, the folder at PATH that holds bundle.json, or an ARCHIVE.
    """
    from bundle.artifacts.store.scratch import scratch_folder
    from bundle.make.verify.checks.findings import entries_for
    from bundle.make.verify.targets import bundle_folders
    from bundle.make.verify.write_acceptances import write_acceptances

    project = _project(app)
    if writing and (project is None or target not in project.versions()):
        raise ConfigError(
            f"{target} is no version of this project: it has no configuration to add to.",
            remedy="Leave out --write-acceptances, or name a version.",
        )
    work = app.store().folder("work")
    with scratch_folder(work) as scratch:
        folders = bundle_folders(target, project=project, platforms=platforms, machine=app.machine, scratch=scratch)
        options = Running(wanted=running or root is not None, root=root)
        # Report an archive by its own path: its unpacked copy is removed.
        places = [Path(target) if folder.is_relative_to(scratch) else folder for folder in folders]
        results = [
            (place, *_verify(app, project, folder, place, options))
            for folder, place in zip(folders, places, strict=True)
        ]

    entries = entries_for(error for *_, report in results for error in report.of("error"))
    written = ""
    if writing and entries and project is not None:
        written = str(write_acceptances(project, target, entries))

    def text(console: Console) -> None:
        for folder, manifest, report in results:
            _print(console, folder, manifest, report, explain=explain)
        _print_entries(console, entries, written)

    return Result(
        data={
            "bundles": [
                {"version": manifest.version, "platform": manifest.platform, "path": str(folder)} | report.as_json()
                for folder, manifest, report in results
            ],
            "acceptances": [entry.as_json() for entry in entries],
            "written": written,
        },
        text=text,
        exit_code=0 if all(report.ok for *_, report in results) else VerificationError.exit_code,
    )


def _project(app: App) -> Project | None:
    try:
        return app.open_project()
    except ConfigError:
        if app.project_option is not None:
            raise
        return None  # A folder or an archive can be verified anywhere.


def _verify(app: App, project: Project | None, folder: Path, place: Path, running: Running) -> tuple[Manifest, Report]:
    """Verify one bundle.

    Args:
        place: its archive if it was unpacked, else the folder.
    """
    from bundle.make.build_state import last_manifest
    from bundle.make.verify.archive import check_archive
    from bundle.make.verify.checks.policy import policy_for
    from bundle.make.verify.known import known_of
    from bundle.make.verify.verify import VerificationHost, verify_bundle
    from bundle.model.manifest import read_manifest

    manifest = read_manifest(folder)
    emulator = None
    if running.wanted:
        from bundle.make.verify.emulators.find import find_runner

        emulator = find_runner(manifest.target, machine=app.machine, environ=app.environ, root=running.root)
    config = None
    if project is not None and manifest.version in project.versions():
        config = project.load(manifest.version, app.environ).config
    root = None if project is None else project.root
    policy = policy_for(manifest, config, cache=app.cache, project=root, environ=app.environ)
    built = last_manifest(folder) if place == folder else ""
    known = known_of(place, manifest, project, built=built, reporter=app.reporter)
    more = () if place == folder else check_archive(place, manifest, known)
    host = VerificationHost(
        machine=app.machine,
        work=app.store().folder("work"),
        reporter=app.reporter,
        emulator=emulator,
        environ=app.environ,
    )
    report = verify_bundle(folder, manifest, replace(policy, known=known), host, running=running.wanted)
    return manifest, replace(report, findings=(*more, *report.findings))


def _print_entries(console: Console, entries: Sequence[Acceptance], written: str) -> None:
    from bundle.make.verify.checks.findings import entry_text

    if not entries:
        return
    if written:
        console.print(f"\nadded to verify.accept of {written}; write the reason of each, `bundle check` asks for it:")
    else:
        console.print("\nto accept what does no harm, in verify.accept with a reason (--write-acceptances adds them):")
    for place, entry in enumerate(entries, 1):
        console.print(f"{entry_text(entry)}{',' if place < len(entries) else ''}", markup=False, soft_wrap=True)


def _table(report: Report) -> Table:
    """Return a row for each check."""
    from rich.table import Table

    table = Table("check", "checked", "answer", "errors", "inconclusive", "warnings", "notes")
    for name in dict.fromkeys((*report.checked, *(finding.check for finding in report.findings))):
        counts = [
            sum(finding.check == name for finding in report.of(severity))
            for severity in ("error", "inconclusive", "warning", "note")
        ]
        answer = report.answers.get(name, "")
        part = ", in part" if name in report.unseen and answer else ""
        cells = [name, str(report.checked.get(name, "not run")), f"{answer}{part}"]
        table.add_row(*cells, *(str(count or "") for count in counts))
    return table


def _print(console: Console, folder: Path, manifest: Manifest, report: Report, *, explain: bool) -> None:
    from bundle.make.verify.checks.findings import rows
    from bundle.make.verify.checks.rules import RULES

    console.print(f"{manifest.version} for {manifest.platform} (Python {manifest.python.actual}): {folder}")
    console.print(_table(report))
    for name, parts in report.unseen.items():
        console.print(f"{name}: not looked at: {'; '.join(parts)}")
    remedies: set[str] = set()
    for row in rows((*report.of("error"), *report.of("inconclusive"), *report.of("warning"), *report.of("note"))):
        console.print(f"{row.finding.severity}: {row.lines[0]}", *row.lines[1:], sep="\n")
        remedy = row.finding.remedy
        if explain and row.finding.severity in ("warning", "note"):
            console.print(f"    because: {RULES[row.finding.rule].why(row.finding.severity)}")
        if remedy and row.finding.severity != "note" and remedy not in remedies:
            console.print(f"  to do: {remedy}")
            remedies.add(remedy)
    for row in rows(report.accepted):
        console.print(f"accepted: {row.head}", *row.lines[1:], f"    because: {row.finding.accepted}", sep="\n")
    for row in rows(report.known) if explain else ():
        console.print(f"known: {row.head}", *row.lines[1:], f"    because: {row.finding.known}", sep="\n")
    if report.known and not explain:
        count = len(report.known)
        found = "1 known finding is" if count == 1 else f"{count} known findings are"
        console.print(f"{found} harmless; --explain lists them")
    for name, value in report.floor.items():
        asked = manifest.floors.of(manifest.target.system).get(name)
        more = f"; {asked} was asked for" if asked else ""
        console.print(f"runs on {FLOOR_NAMES[name]} >= {value} (measured{more})")
    count = len(report.of("error"))
    verdict = {0: "nothing wrong", 1: "1 error"}.get(count, f"{count} errors")
    unclear = [name for name, answer in report.answers.items() if answer == "inconclusive"]
    if unclear:
        verdict += f", but inconclusive, which proves nothing: {', '.join(unclear)}"
    where = f", run by {report.runner}" if report.runner else ""
    console.print(f"{verdict}{where}, in {report.seconds:.1f} s")
