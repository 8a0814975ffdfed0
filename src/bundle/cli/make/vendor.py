"""`bundle vendor`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError, ConfigError, Problems
from bundle.base.text import counted
from bundle.cli.app import App, Result, offline_option, pass_app, platform_option, select_platforms
from bundle.cli.tables import FLOOR_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bundle.artifacts.vendored.package import Package
    from bundle.make.vendored.vendor import Vendored
    from bundle.make.verify.checks.findings import Report

_PYTHON = re.compile(r"3\.[0-9]{1,3}")


@click.command()
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PACKAGE_DIR...",
)
@platform_option
@click.option("--python", "pythons", multiple=True, metavar="X.Y", help="A Python; may be given several times.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit 1 if wheels are missing or locks are stale, 4 if a wheel was changed.",
)
@click.option(
    "--audit",
    is_flag=True,
    help="Check, and lay all wheels out to read their native files; exit 5 if one lacks a library, or is for another "
    "machine or system.",
)
@click.option("--upgrade", is_flag=True, help="Take the newest versions in place of those of the locks.")
@offline_option
@pass_app
def vendor(
    app: App,
    /,
    folders: tuple[Path, ...],
    platforms: tuple[str, ...],
    pythons: tuple[str, ...],
    **options: bool,
) -> Result:
    """Bring the wheels that a package needs into its folder, for use without network.

    PACKAGE_DIR holds a package.json whose requirements.pipPackages are resolved, dependencies included, for each
    platform and Python. The wheels go into wheels/, with a pylock.PLATFORM.toml that pins their hashes. Without
    --platform, or without --python, those that are vendored already are brought up to date.
    """
    for python in pythons:
        if not _PYTHON.fullmatch(python):
            raise ConfigError(f"--python {python} is no Python X.Y.", remedy="Name it as in --python 3.12.")
    packages = _read(folders)
    if options["check"] or options["audit"]:
        return _checked(app, packages, audit=options["audit"])
    from bundle.make.vendored.neighbours import disagreements
    from bundle.make.vendored.vendor import Vendoring, VendorRequest

    vendoring = Vendoring(
        context_of=lambda project: app.context(project, offline=options["offline"]),
        environ=app.environ,
        reporter=app.reporter,
        locks=app.store().folder("work"),
    )
    problems = Problems()
    done: list[Vendored] = []
    for package in packages:
        request = VendorRequest(
            package=package,
            platforms=select_platforms(platforms, default=()),
            pythons=tuple(dict.fromkeys(pythons)),
            upgrade=options["upgrade"],
        )
        with problems.collecting():
            done.append(vendoring.vendor(request))
            for warning in done[-1].warnings:
                app.reporter.warning(warning)
    for one in done:
        for warning in disagreements(one.package):
            app.reporter.warning(warning)
    return _vendored(done, problems)


def _read(folders: Sequence[Path]) -> list[Package]:
    from bundle.artifacts.vendored.package import read_package

    problems = Problems()
    packages = [read_package(folder.absolute(), problems) for folder in folders]
    problems.raise_if_any(f"{len(problems.errors)} mistakes in the packages.")
    return [package for package in packages if package is not None]


def _vendored(done: Sequence[Vendored], problems: Problems) -> Result:
    failed = _failure(problems)
    if failed is not None and not done:
        raise failed
    values = [_value(one) for one in done]

    def text(console: Console) -> None:
        for one in values:
            _print(console, one)
        if failed is not None:
            console.print(failed.as_text(), markup=False)

    return Result(
        data={"packages": values, "failed": [error.as_json() for error in problems.errors]},
        text=text,
        exit_code=failed.exit_code if failed else 0,
    )


def _checked(app: App, packages: Sequence[Package], *, audit: bool) -> Result:
    from bundle.make.vendored.completeness import check_wheels

    problems = Problems()
    checked = [(package, check_wheels(package, problems)) for package in packages]
    audited = _audited(app, packages, problems) if audit else {}
    values: list[dict[str, Any]] = [
        {
            "name": package.name,
            "checked": [
                {"platform": one.platform, "python": one.python, "complete": one.complete, "wheels": len(one.wheels)}
                | ({"audit": report.as_json()} if (report := audited.get((package, one.platform, one.python))) else {})
                for one in found
            ],
        }
        for package, found in checked
    ]
    problems.raise_if_any(f"The wheels are not as they should be: {len(problems.errors)} problems.")

    def text(console: Console) -> None:
        for package, found in checked:
            for one in found:
                wheels = counted(len(one.wheels), "wheel")
                where = f"Python {one.python} on {one.platform}"
                console.print(f"{package.name}, {where}: {wheels}, complete", markup=False)
                if report := audited.get((package, one.platform, one.python)):
                    _print_report(console, report)

    return Result(data={"packages": values}, text=text)


def _audited(app: App, packages: Sequence[Package], problems: Problems) -> dict[tuple[Package, str, str], Report]:
    from bundle.make.vendored.audited import audit_wheels
    from bundle.make.verify.verify import VerificationHost

    host = VerificationHost(machine=app.machine, work=app.store().folder("work"), reporter=app.reporter)
    return {
        (package, one.platform, one.python): one.report
        for package in packages
        for one in audit_wheels(package, host, problems)
    }


def _print_report(console: Console, report: Report) -> None:
    from bundle.make.verify.checks.findings import rows

    for row in rows((*report.of("warning"), *report.of("note"))):
        console.print(f"  {row.finding.severity}: {row.head}", markup=False)
        for line in row.lines[1:]:
            console.print(f"  {line}", markup=False)
    files = counted(report.checked["binaries"], "native file")
    floor = [f"{FLOOR_NAMES[name]} >= {value}" for name, value in report.floor.items()]
    console.print(f"  {', '.join([f'{files}, nothing missing', *floor])}", markup=False)


def _failure(problems: Problems) -> BundleError | None:
    try:
        problems.raise_if_any(f"{len(problems.errors)} packages cannot be vendored.")
    except BundleError as error:
        return error
    return None


def _value(one: Vendored) -> dict[str, Any]:
    return {
        "name": one.package.name,
        "wheels": str(one.package.wheels),
        "status": "changed" if one.changed else "unchanged",
        "locks": [
            {
                "platform": lock.platform,
                "pythons": list(lock.pythons),
                "files": [
                    {"name": wheel.filename, "sha256": wheel.sha256, "size": wheel.size} for wheel in lock.wheels
                ],
            }
            for lock in one.locks
        ],
        "added": list(one.added),
        "removed": list(one.removed),
        "notNamed": list(one.kept),
    }


def _print(console: Console, one: dict[str, Any]) -> None:
    from rich.filesize import decimal

    files = {wheel["name"]: wheel["size"] for lock in one["locks"] for wheel in lock["files"]}
    console.print(
        f"{one['name']}: {counted(len(files), 'wheel')}, {decimal(sum(files.values()))}, in {one['wheels']} "
        f"({one['status']}: {len(one['added'])} added, {len(one['removed'])} removed)",
        markup=False,
    )
    for lock in one["locks"]:
        versions = " and ".join(lock["pythons"])
        console.print(f"  {lock['platform']}, Python {versions}: {counted(len(lock['files']), 'wheel')}", markup=False)
    if one["notNamed"]:
        console.print(f"  Not named by any lock, and left: {', '.join(one['notNamed'])}", markup=False)
