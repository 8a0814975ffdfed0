"""The global options, and the parts that commands share: results, projects, options for click."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import BundleError, ConfigError
from bundle.model.platforms import PLATFORMS, Platform, platform_of

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.artifacts.context import Context
    from bundle.artifacts.remotes.addresses import Access
    from bundle.artifacts.store.store import Store
    from bundle.base.report import Reporter
    from bundle.model.config.project import Project


_WAYS = "`bundle init` starts a project; `bundle build -r requirements.txt --python 3.12` needs none."


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a command, which `main` prints as text or as JSON."""

    data: Any
    """The JSON document of `--json`."""
    text: Callable[[Console], None]
    """Prints the same as text on stdout."""
    exit_code: int = 0


@dataclass(kw_only=True)
class App:
    """The global options of one run of the command line."""

    project_option: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    trust_store: bool = False
    """Whether other users may own the store or write to it."""
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @cached_property
    def project(self) -> Path:
        """The project's folder: `--project`, else the nearest folder upward with a `shared-config.json`."""
        if self.project_option is not None:
            if not (self.project_option / "shared-config.json").is_file():
                raise ConfigError(
                    f"{self.project_option} is not a bundle project: it has no shared-config.json.",
                    remedy=f"Name the folder with shared-config.json and versions/ with --project. {_WAYS}",
                )
            return self.project_option.resolve()
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / "shared-config.json").is_file():
                return folder
        raise ConfigError(
            f"No bundle project here: neither {here} nor a folder above it has a shared-config.json.",
            remedy=f"Change into the project folder, or name it with --project DIR or BUNDLE_PROJECT. {_WAYS}",
        )

    @cached_property
    def cache(self) -> Path:
        """The store's folder: `BUNDLE_CACHE_DIR`, else the platform's cache folder."""
        if named := self.environ.get("BUNDLE_CACHE_DIR"):
            return Path(named).expanduser().absolute()
        from platformdirs import user_cache_path

        return user_cache_path("bundle", appauthor=False)

    @cached_property
    def data(self) -> Path:
        """The folder with the records of installs: `BUNDLE_DATA_DIR`, else in the platform's folder for data."""
        if named := self.environ.get("BUNDLE_DATA_DIR"):
            return Path(named).expanduser().absolute()
        from platformdirs import user_data_path

        return user_data_path("bundle", appauthor=False)

    @cached_property
    def machine(self) -> Platform | None:
        """The platform of this machine, None if it is not a known one."""
        return platform_of(platform.system(), platform.machine())

    @cached_property
    def reporter(self) -> Reporter:
        """Progress and warnings, always on stderr."""
        from bundle.base import report

        if self.quiet:
            return report.WarningsReporter()
        if sys.stderr.isatty():
            from bundle.base.terminal import TerminalReporter

            return TerminalReporter(verbose=self.verbose)
        return report.PlainReporter(verbose=self.verbose)

    def load_output(self) -> None:
        """Import what prints results and errors, for commands that may replace the folder which they run from."""
        import io

        from rich.filesize import decimal

        from bundle.base.console import PrintableConsole
        from bundle.cli import system_errors  # noqa: F401 - imported for later

        # The console itself imports more when it prints.
        PrintableConsole(file=io.StringIO(), highlight=False, emoji=False, markup=False).print(decimal(2**20))

    def warn_of_failure(self, name: str, error: BundleError) -> None:
        """Warn that one of several failed; people read why at the end, each reason once, and not in a JSON document."""
        self.reporter.warning(f"{name} failed\n{error.as_text()}" if self.json else f"{name} failed")

    def open_project(self) -> Project:
        """Return the project, its files unread."""
        from bundle.model.config.project import Project

        return Project(self.project)

    def store(self, *, full: bool = False) -> Store:
        """Return the store of layers and files.

        Args:
            full: whether layers are read in full when they are found.
        """
        from bundle.artifacts.store.claim import claim
        from bundle.artifacts.store.store import Store
        from bundle.base.files import source_date_epoch

        # Folders of the store are made in many places, and none may be writable by others.
        os.umask(os.umask(0o077) | 0o022)
        claim(self.cache, trusted=self.trust_store)
        return Store(self.cache, reporter=self.reporter, epoch=source_date_epoch(self.environ), full=full)

    def context(self, project: Project, *, offline: bool = False, verify_store: bool = False) -> Context:
        """Return the shared services of the authoring commands.

        Args:
            verify_store: whether stored layers are read in full before they are used.
        """
        from bundle.artifacts.context import Context
        from bundle.cli.system_errors import require_memory

        require_memory()
        return Context(
            project=project,
            store=self.store(full=verify_store),
            reporter=self.reporter,
            machine=self.machine,
            environ=self.environ,
            offline=offline,
        )

    def access(self, *, offline: bool = False, root: Path | None = None) -> Access:
        """Return the way to remotes.

        Args:
            root: the file that `--root` names; for the one source that a command reads.
        """
        from bundle.artifacts.remotes.addresses import Access

        return Access(environ=self.environ, reporter=self.reporter, offline=offline, data=self.data, root=root)

    def ask_passphrase(self) -> Callable[[str], str] | None:
        """Return what asks the person at the terminal for a passphrase, None if there is none."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        return lambda text: str(click.prompt(text, hide_input=True, err=True))


pass_app = click.make_pass_decorator(App)


def complete_version(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the versions that begin with a text, for completion in the shell; none outside a project."""
    from bundle.model.config.project import Project

    try:
        return [name for name in Project(App().project).versions() if name.startswith(incomplete)]
    except ConfigError:
        return []


def select_platforms(names: tuple[str, ...], *, default: tuple[str, ...]) -> tuple[Platform, ...]:
    """Return the platforms that `--platform` names, or those of the default keys."""
    keys = tuple(PLATFORMS) if "all" in names else names or default
    return tuple(platform for key, platform in PLATFORMS.items() if key in keys)


platform_option = click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Choice([*PLATFORMS, "all"]),
    help="Platform key, or `all`; may be given several times.",
)

page_option = click.option(
    "--page/--no-page", default=True, help="Write the page for people beside the catalogue (default)."
)

root_option = click.option(
    "--root",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="BUNDLE_TRUST_ROOT",
    help="The root that the source must be signed by; it is remembered. Also BUNDLE_TRUST_ROOT.",
)

offline_option = click.option("--offline", is_flag=True, help="Use the cache alone, never the network.")

interpreter_option = click.option(
    "--interpreter",
    "interpreters",
    multiple=True,
    metavar="WHICH",
    help="A source, a path, or PLATFORM=PATH in place of the configured sources.",
)
