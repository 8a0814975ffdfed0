"""`bundle install`: bring a bundle onto this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bundle.cli.app import App, Result, pass_app, root_option
from bundle.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.run.install.install import Report

_SUFFIXES = (".tar.zst", ".tar.gz", ".tgz", ".zip")


@click.command()
@click.argument("version", metavar="VERSION|ARCHIVE")
@click.option("--from", "source", metavar="URL", help="Where bundles are: a URL, or a folder.")
@click.option("--platform", type=click.Choice([*PLATFORMS]), help="Platform key; by default this machine's own.")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="The folder that becomes the bundle.")
@click.option("--keep-previous", is_flag=True, help="Keep the bundle that is replaced, for `bundle rollback`.")
@click.option(
    "--reuse",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A folder with a bundle; its layers are not fetched.",
)
@click.option("--offline", is_flag=True, help="Never use the network; URL is a folder then.")
@root_option
@pass_app
def install(
    app: App,
    /,
    version: str,
    source: str | None,
    platform: str | None,
    into: Path | None,
    reuse: Path | None,
    root: Path | None,
    **flags: bool,
) -> Result:
    """Install VERSION from a source, or the bundle in an ARCHIVE of this machine.

    Layers that this machine has are not fetched: they come from the store, or from the install that is replaced. The
    folder has the former bundle until the new one stands. Without --into, the folder is that of the version in the
    user's data folder; `bundle which VERSION` prints it. A source that was read once with --root is read only as its
    root vouches for it from then on.
    """
    from bundle.base.errors import ConfigError
    from bundle.run.install.install import Place, install, install_archive
    from bundle.run.install.records import Records

    app.load_output()
    place = Place(
        records=Records(app.data), into=into, keep_previous=flags["keep_previous"], machine=app.machine, reuse=reuse
    )
    if source is None:
        if not version.endswith(_SUFFIXES):
            raise ConfigError(
                f"It is not known where {version} comes from.",
                remedy="Name its source with --from URL, or an archive in place of the version.",
            )
        return _result(install_archive(Path(version), place, reporter=app.reporter))
    if version.endswith(_SUFFIXES):
        raise ConfigError(
            f"{version} is an archive, which comes from no source.", remedy="Leave --from away, or name a version."
        )
    key = platform or (app.machine.key if app.machine else "")
    if not key:
        raise ConfigError(
            "This machine is none of the known platforms, so there is no default.", remedy="Name one with --platform."
        )
    # An archive alone needs none of the ways to remotes, which take long to import.
    from bundle.run.install.sources import open_source

    opened = open_source(source, app.access(offline=flags["offline"], root=root))
    return _result(install(version, key, opened, place, app.store(), reporter=app.reporter))


def _result(report: Report) -> Result:
    mark, python = report.mark, report.python

    def text(console: Console) -> None:
        from rich.filesize import decimal

        console.print(f"{mark.version} for {mark.platform}: {'up to date' if report.unchanged else 'installed'}")
        if python.substituted:
            console.print(f"  python    {python.actual}, a SUBSTITUTE for {python.requested}")
        console.print(f"  folder    {report.path}")
        if report.fetched or report.reused:
            console.print(
                f"  layers    {report.fetched} fetched ({decimal(report.moved)}), {report.reused} already here"
            )
        if report.replaced and not report.unchanged:
            kept = ", kept for `bundle rollback`" if report.kept else ""
            console.print(f"  replaced  {report.replaced.version}{kept}")

    data = {
        "version": mark.version,
        "platform": mark.platform,
        "status": "unchanged" if report.unchanged else "installed",
        "path": str(report.path),
        "digest": mark.digest,
        "source": mark.source,
        "python": {"requested": python.requested, "actual": python.actual, "substituted": python.substituted},
        "fetched": {"layers": report.fetched, "bytes": report.moved},
        "reused": report.reused,
        "replaced": report.replaced.version if report.replaced and not report.unchanged else None,
        "kept": report.kept,
    }
    return Result(data=data, text=text)
