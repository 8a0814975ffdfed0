"""`bundle build`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError, ConfigError
from bundle.cli.app import App, Result, complete_version, interpreter_option, offline_option, pass_app, platform_option
from bundle.cli.clusters import check_options, scheduler_options, tls_of
from bundle.cli.make.loose import Asked, asked_options
from bundle.cli.selection import select

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.artifacts.context import Context
    from bundle.make.build_request import BuildRequest
    from bundle.model.config.project import Project


@click.command(name="build")
@click.argument("versions", shell_complete=complete_version, nargs=-1, metavar="VERSION...")
@click.option("--all", "every", is_flag=True, help="Build every version of the project.")
@asked_options(
    "-r",
    "--requirements",
    files="Build without a project what a file asks for: requirements, pyproject.toml, pylock.toml or uv.lock.",
    when="Without a project: ",
)
@platform_option
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results; by default pydist/.",
)
@click.option("--locked", is_flag=True, help="Refuse a missing or stale lock instead of writing it.")
@offline_option
@interpreter_option
@click.option("--no-archive", is_flag=True, help="Make no archives; the bundle is not catalogued.")
@click.option("--no-verify", is_flag=True, help="Skip the verification; the bundle is not catalogued.")
@click.option("--keep-failed", is_flag=True, help="Keep what a failed build leaves; the error names the folder.")
@click.option("--verify-store", is_flag=True, help="Read every byte of the stored layers before using them.")
@scheduler_options
@click.option("--results-to", metavar="URL", help="The remote that results of workers come back through.")
@pass_app
def build(app: App, /, versions: tuple[str, ...], every: bool, platforms: tuple[str, ...], **options: Any) -> Result:
    """Build bundles: all steps from configuration to catalogue.

    A platform that is not named is this machine's own. A bundle that is up to date is left as it is. With -r or --with,
    no project is needed; the lock is kept beside the first file.
    """
    from bundle.artifacts.store.json_cache import JsonCache
    from bundle.artifacts.store.paths import StorePaths

    check_options(options, "results_to")
    options["tls"] = tls_of(options)
    asked = Asked(**{name: options.pop(name) for name in Asked.__dataclass_fields__})
    asked.check(("--all",) if every else versions)
    if asked.loose and options["scheduler"]:
        raise ConfigError(
            "--scheduler is for the versions of a project, and -r and --with go without one.",
            remedy="Make a project of them with `bundle init`, or build here.",
        )
    if asked.loose:
        options["output"] = options["output"] or Path("pydist")
        project: Project = asked.open(app, platforms, options)
    else:
        project = app.open_project()
    wanted = tuple(project.versions()) if every or asked.loose else versions
    if not wanted:
        raise ConfigError(
            "No version is given.", remedy="Name one or more, or use --all; `bundle versions` lists them."
        )
    context = app.context(project, offline=options["offline"], verify_store=options["verify_store"])
    project.valid = JsonCache(StorePaths(context.store.root).part("audits"), bool)
    requests = _requests(app, project, wanted, platforms, options)
    built: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    codes = [0]
    for request, outcome in _outcomes(app, requests, context, options):
        if isinstance(outcome, BundleError):
            error = asked.explained(outcome)
            if len(requests) == 1 and not app.json:
                raise error
            app.warn_of_failure(request.name, error)
            failed.append({"version": request.config.version, "platform": request.platform.key, **error.as_json()})
            codes.append(error.exit_code)
        else:
            built.append(outcome)

    def text(console: Console) -> None:
        from bundle.cli.failures import print_failures
        from bundle.cli.make.summary import print_bundle

        for one in built:
            print_bundle(console, one, Path.cwd())
        print_failures(console, failed)
        for line in asked.reminder(requests, project) if built else ():
            console.print(line)

    return Result(data={"bundles": built, "failed": failed}, text=text, exit_code=max(codes))


def _outcomes(
    app: App, requests: list[BuildRequest], context: Context, options: dict[str, Any]
) -> Iterator[tuple[BuildRequest, dict[str, Any] | BundleError]]:
    """Yield what came of each build."""
    if options["scheduler"]:
        from bundle.cli.make.on_workers import built_on_workers

        yield from built_on_workers(app, requests, context, options)
        return
    from bundle.make.build import build_bundle

    for request in requests:
        try:
            yield request, build_bundle(request, context)
        except BundleError as error:
            yield request, error


def _requests(
    app: App, project: Project, versions: tuple[str, ...], platforms: tuple[str, ...], options: dict[str, Any]
) -> list[BuildRequest]:
    from bundle.make.build_request import BuildRequest

    output = options["output"]
    folder = output.absolute() if output else project.output
    selected = select(app, project, versions, platforms, default="own")
    if output:
        make_folder(folder)
    return [
        BuildRequest(
            config=config,
            platform=platform,
            output=folder,
            catalogue=folder / "catalogue.json" if output else project.catalogue,
            catalogue_root=folder if output else project.root,
            locked=options["locked"],
            interpreters=options["interpreters"],
            archive=not options["no_archive"],
            verify=not options["no_verify"],
            keep_failed=options["keep_failed"],
        )
        for config, platform in selected
    ]


def make_folder(folder: Path) -> None:
    """Make the folder for the results before the build, so that a wrong path fails early."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileNotFoundError, NotADirectoryError, FileExistsError) as error:
        raise ConfigError(
            f"The folder {folder} cannot be made.",
            cause=f"The system says: {error.strerror}.",
            remedy="Name another folder with --output.",
        ) from error
