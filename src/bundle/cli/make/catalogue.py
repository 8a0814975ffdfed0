"""`bundle catalogue`: list, show and verify the bundles that were built."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bundle.base.text import counted
from bundle.cli.app import App, Result, complete_version, pass_app, platform_option, root_option, select_platforms
from bundle.cli.tables import FLOOR_NAMES, asked_by, print_columns
from bundle.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bundle.artifacts.catalogue import Finding
    from bundle.artifacts.catalogue_entry import Entry, SetRecord
    from bundle.artifacts.remotes.inspection import Finding as RemoteFinding
    from bundle.artifacts.remotes.published import PublishedEntry
    from bundle.model.config.project import Project
    from bundle.model.manifest import PythonRecord


@click.group()
def catalogue() -> None:
    """Show and check the bundles that were built."""


@catalogue.command(name="list")
@click.option("--from", "url", metavar="URL", help="List what a remote holds, in place of the project's catalogue.")
@root_option
@pass_app
def list_all(app: App, url: str | None, root: Path | None) -> Result:
    """List all bundles."""
    if url is not None:
        return _list_remote(app, url, root)
    from bundle.artifacts.catalogue import Catalogue

    found = Catalogue.load(app.open_project().catalogue)

    def text(console: Console) -> None:
        from rich.filesize import decimal

        if not found.entries:
            console.print("No bundle yet; `bundle build VERSION` makes one.")
            return
        rows = [
            (
                *_facts(entry, entry.package_count),
                ", ".join(f"{archive.path} ({decimal(archive.size)})" for archive in entry.archives) or "none",
            )
            for entry in found.entries
        ]
        print_columns(console, rows, heading=(*_FACTS, "ARCHIVE"))

    return Result(data=found.to_json(), text=text)


def _list_remote(app: App, url: str, root: Path | None) -> Result:
    from bundle.artifacts.remotes.addresses import open_remote
    from bundle.artifacts.trust.reading import read_catalogue

    access = app.access(root=root)
    remote = open_remote(url, access)
    found, authenticated = read_catalogue(remote, url, access)

    def text(console: Console) -> None:
        from rich.filesize import decimal

        if not found.bundles:
            console.print(f"{remote.url} has no bundle; `bundle publish VERSION --to URL` sends one.")
            return
        rows = [(*_facts(entry, entry.packages), decimal(entry.compressed)) for entry in found.bundles]
        print_columns(console, rows, heading=(*_FACTS, "COMPRESSED"))

    return Result(data={"from": remote.url, "authenticated": authenticated, **found.to_json()}, text=text)


@catalogue.command()
@click.argument("version", shell_complete=complete_version)
@platform_option
@pass_app
def show(app: App, version: str, platforms: tuple[str, ...]) -> Result:
    """Show the content of the bundles of VERSION, with the reason for each package."""
    entries = _entries(app.open_project(), version, platforms)

    def text(console: Console) -> None:
        for number, entry in enumerate(entries):
            if number:
                console.print()
            _print_entry(console, entry)

    return Result(data={"bundles": [entry.to_json() for entry in entries]}, text=text)


@catalogue.command()
@click.option("--from", "url", metavar="URL", help="Read what a remote holds, in place of the project's archives.")
@pass_app
def verify(app: App, url: str | None) -> Result:
    """Compare every archive with the catalogue, and list those that are missing or changed.

    Exit code 4 if one was changed, 1 if some are only missing, as after `bundle clean`.
    """
    if url is not None:
        return _verify_remote(app, url)
    from bundle.artifacts.catalogue import Catalogue
    from bundle.artifacts.catalogue import verify as compare

    project = app.open_project()
    findings = compare(project.catalogue, project.root)
    count = sum(len(entry.archives) for entry in Catalogue.load(project.catalogue, validate=False).entries)

    def text(console: Console) -> None:
        for finding in findings:
            console.print(f"{finding.kind}: {finding.path}: {finding.detail}")
        if findings:
            verb = "is" if len(findings) == 1 else "are"
            console.print(f"{len(findings)} of {count} archives {verb} not what the catalogue says.")
            named = list(dict.fromkeys(finding.version for finding in findings))
            known = [version for version in named if version in project.versions()]
            if known:
                console.print(f"`bundle build {' '.join(known)}` makes them again.")
            for version in named:
                if version not in known:
                    console.print(
                        f"The project no longer has {version}; `bundle catalogue forget {version}` removes its entries."
                    )
        else:
            console.print(f"All {count} archives are what the catalogue says.")

    data = {"checked": count, "findings": [asdict(finding) for finding in findings]}
    return Result(data=data, text=text, exit_code=_code_of(findings))


def _code_of(findings: Sequence[Finding | RemoteFinding]) -> int:
    return 4 if any(finding.kind == "changed" for finding in findings) else 1 if findings else 0


def _verify_remote(app: App, url: str) -> Result:
    from bundle.artifacts.remotes.addresses import open_remote
    from bundle.artifacts.remotes.inspection import inspect, inspect_page
    from bundle.artifacts.trust.client import trusted
    from bundle.artifacts.trust.pins import pin_of
    from bundle.base.errors import ConfigError
    from bundle.base.text import counted

    access = app.access()
    remote = open_remote(url, access)
    pin = pin_of(url, access)
    if pin is None:
        catalogue, token = remote.catalogue()
        page = None
        if token is None:
            raise ConfigError(
                f"{remote.url} has no catalogue.",
                cause="Nothing was published there, or the address is wrong.",
                remedy="Name the address that `bundle publish --to` was given.",
            )
    else:
        catalogue, page = trusted(remote, pin)
    found = inspect(remote, catalogue, reporter=app.reporter)
    found = replace(found, findings=(*found.findings, *inspect_page(remote, page)))

    def text(console: Console) -> None:
        from rich.filesize import decimal

        for finding in found.findings:
            needed = f", needed by {', '.join(finding.bundles)}" if finding.bundles else ""
            console.print(f"{finding.kind}: {finding.what}{needed}: {finding.detail}")
        if found.findings:
            console.print("`bundle publish --repair`, from where these bundles were built, sends it again.")
        else:
            read = f"{counted(found.blobs, 'layer')}, {decimal(found.size)}"
            console.print(f"Everything of {counted(found.bundles, 'bundle')} is there and unchanged ({read}).")

    return Result(data={"from": remote.url, **asdict(found)}, text=text, exit_code=_code_of(found.findings))


@catalogue.command()
@click.argument("version", shell_complete=complete_version)
@platform_option
@pass_app
def forget(app: App, version: str, platforms: tuple[str, ...]) -> Result:
    """Remove the entries of VERSION from the catalogue; its files stay."""
    from bundle.artifacts.catalogue import forget as remove

    project = app.open_project()
    keys = [entry.platform for entry in _entries(project, version, platforms)]
    gone = remove(project.catalogue, version, keys, reporter=app.reporter)
    left = [archive.path for entry in gone for archive in entry.archives if (project.root / archive.path).exists()]

    def text(console: Console) -> None:
        console.print(f"The catalogue no longer has {version} for {', '.join(entry.platform for entry in gone)}.")
        if left:
            console.print(f"Still there: {', '.join(left)}; `bundle clean {version}` removes what builds made.")

    data = {"forgotten": [{"version": entry.version, "platform": entry.platform} for entry in gone], "files": left}
    return Result(data=data, text=text)


@catalogue.command()
@click.option("--from", "url", metavar="URL", help="Tell of what a remote holds, in place of the project's bundles.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder of the page; by default that of the project's catalogue.",
)
@root_option
@pass_app
def page(app: App, url: str | None, output: Path | None, root: Path | None) -> Result:
    """Write a page about all bundles, for people: index.html and the files in page/ that it needs.

    It is static: it needs no server, and can be opened as a file.
    """
    from bundle.artifacts.catalogue import Catalogue
    from bundle.artifacts.documents.page.folder import require_own, write_site
    from bundle.artifacts.documents.page.site import START, bundle_of
    from bundle.base.errors import ConfigError
    from bundle.run.install.sources import open_source
    from bundle.run.site import site_of_built, site_of_source

    if url is not None and output is None:
        raise ConfigError("The page needs a folder.", remedy="Name one with --output DIR.")
    folder = output or app.open_project().catalogue.parent
    require_own(folder)
    with app.reporter.step("reading"):
        if url is None:
            project = app.open_project()
            files = site_of_built(Catalogue.load(project.catalogue).entries, project.root)
        else:
            files = site_of_source(open_source(url, app.access(root=root)))
    write_site(folder, files)
    bundles = sum(path.endswith(".html") and bundle_of(path) is not None for path in files)
    start = folder / START
    data = {"path": str(start), "bundles": bundles, "files": len(files), "bytes": sum(map(len, files.values()))}
    return Result(data=data, text=lambda console: console.print(f"{start} tells of {counted(bundles, 'bundle')}."))


def _entries(project: Project, version: str, platforms: tuple[str, ...]) -> list[Entry]:
    from bundle.artifacts.catalogue import Catalogue
    from bundle.base.errors import ConfigError
    from bundle.base.text import nearest

    found = Catalogue.load(project.catalogue)
    if version not in found.versions():
        near = nearest(version, found.versions(), count=3)
        built = version in project.versions()
        raise ConfigError(
            f"The catalogue has no bundle of {version}.",
            cause="It has not been built." if built else f"It has {', '.join(near or found.versions()) or 'none yet'}.",
            remedy=f"Run `bundle build {version}`." if built else "`bundle catalogue list` shows what it has.",
        )
    wanted = {platform.key for platform in select_platforms(platforms, default=tuple(PLATFORMS))}
    entries = [entry for entry in found.entries if entry.version == version and entry.platform in wanted]
    if not entries:
        there = ", ".join(entry.platform for entry in found.entries if entry.version == version)
        raise ConfigError(
            f"The catalogue has no bundle of {version} for {', '.join(platforms)}.",
            cause=f"It was built only for {there}.",
            remedy=f"Name one of these, or build it: `bundle build {version} --platform {platforms[0]}`.",
        )
    return entries


_FACTS = ("VERSION", "PLATFORM", "PYTHON", "RUNS ON", "PACKAGES", "SIZE")


def _facts(entry: Entry | PublishedEntry, packages: int) -> tuple[str, ...]:
    from rich.filesize import decimal

    return (
        entry.version,
        entry.platform,
        _python(entry.python),
        _floor(entry),
        str(packages),
        decimal(entry.size),
    )


def _python(python: PythonRecord) -> str:
    return f"{python.requested} -> {python.actual}" if python.substituted else python.actual


def _floor(entry: Entry | PublishedEntry) -> str:
    return ", ".join(f"{FLOOR_NAMES.get(name, name)} >= {value}" for name, value in entry.floor.items())


def _print_entry(console: Console, entry: Entry) -> None:
    from rich.filesize import decimal

    console.print(f"{entry.version} for {entry.platform}")
    facts = [
        ("python", f"{_python(entry.python)} ({entry.python.source})"),
        ("folder", f"{entry.path} ({decimal(entry.size)})"),
        *((("runs on", _floor(entry)),) if entry.floor else ()),
        ("digest", entry.digest),
    ]
    for archive in entry.archives:
        facts += [("archive", f"{archive.path} ({decimal(archive.size)})"), ("", f"sha256 {archive.sha256}")]
    print_columns(console, facts, indent=2)
    _print_packages(console, entry)
    for name, one in entry.sets.items():
        _print_packages(console, one, of_set=f" of the set {name}")
    _print_part(
        console,
        f"conflicts ({len(entry.conflicts)})",
        [(conflict.path, f"kept {conflict.kept}", f"lost {conflict.lost}") for conflict in entry.conflicts],
    )
    _print_part(
        console,
        f"layers ({len(entry.layers)})",
        [(layer.digest, layer.kind, layer.name, layer.version, decimal(layer.size)) for layer in entry.layers],
    )


def _print_packages(console: Console, held: Entry | SetRecord, *, of_set: str = "") -> None:
    _print_part(
        console,
        f"packages{of_set} ({len(held.packages)})",
        [
            (package.name, package.version, package.decision, package.reason, f"for {asked_by(package.required_by)}")
            for package in held.packages
        ],
    )
    _print_part(
        console,
        f"left out{of_set} ({len(held.skipped)})",
        [
            (
                package.name,
                package.kind,
                package.reason + (f" (there is: {', '.join(package.available)})" if package.available else ""),
                f"for {asked_by(package.required_by)}",
            )
            for package in held.skipped
        ],
    )


def _print_part(console: Console, title: str, rows: Sequence[Sequence[str]]) -> None:
    if rows:
        console.print(f"  {title}")
        print_columns(console, rows, indent=4)
