"""Builds without a project: the options of `bundle build` that take the place of one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from bundle.base.errors import BundleError, ConfigError
from bundle.cli.app import App
from bundle.cli.selection import select
from bundle.model.platforms import short_version

if TYPE_CHECKING:
    from bundle.make.build_request import BuildRequest
    from bundle.make.inputs.inputs import Inputs
    from bundle.make.inputs.loose_project import LooseProject
    from bundle.model.config.project import Project

Command = TypeVar("Command", bound=Callable[..., Any])

_PYTHON = re.compile(r"3\.[0-9]{1,3}(\.[0-9]{1,3})?")
_SETTING = re.compile(r"\b(packages|verify|interpreter|build|registries)\.[a-z]")


def asked_options(*names: str, files: str, when: str = "") -> Callable[[Command], Command]:
    """Return a decorator that adds the options whose values `Asked` holds.

    Args:
        names: of the option for files.
        files: its help.
        when: begins the help of the others.
    """
    file, folder = click.Path(dir_okay=False, path_type=Path), click.Path(file_okay=False, path_type=Path)
    options = (
        click.option(*names, "files", multiple=True, type=file, metavar="FILE", help=files),
        click.option(
            "--with",
            "folders",
            multiple=True,
            type=folder,
            metavar="DIR",
            help=_sentence(f"{when}add a Python project of your own, built as a wheel."),
        ),
        click.option("--python", metavar="X.Y[.Z]", help=_sentence(f"{when}the Python; X.Y is its newest release.")),
        click.option(
            "--name", help=_sentence(f"{when}the name behind the Python; by default that of the project or file.")
        ),
        click.option(
            "--extra", "extras", multiple=True, help=_sentence(f"{when}an extra of the pyproject.toml or lock.")
        ),
        click.option("--group", "groups", multiple=True, help=_sentence(f"{when}a dependency group of it.")),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks for in place of a project."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    python: str | None
    name: str | None
    extras: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def loose(self) -> bool:
        """Whether there is to be no project."""
        return bool(self.files or self.folders)

    def check(self, versions: Sequence[str]) -> None:
        """Refuse options that do not go together.

        Args:
            versions: the words that belong to a project.
        """
        if self.loose and versions:
            raise ConfigError(
                f"{versions[0]} belongs to a project, and -r and --with go without one.",
                remedy="Name versions, or files and folders.",
            )
        options = {"--python": self.python, "--name": self.name, "--extra": self.extras, "--group": self.groups}
        told = [option for option, value in options.items() if value]
        if told and not self.loose:
            raise ConfigError(f"{told[0]} is for a build without a project.", remedy="Name what to build with -r FILE.")

    def open(self, app: App, platforms: tuple[str, ...], options: Mapping[str, Any]) -> LooseProject:
        """Return the place of a project, with the exact release of the Python.

        Args:
            platforms: of `--platform`.
            options: the others of the command.

        Raises:
            BundleError: the files cannot be used, or no source has such a Python.
        """
        from bundle.make.inputs.loose_project import LooseProject

        inputs = self.read(Path.cwd())
        version = self.version(app, inputs, platforms, options)
        project = LooseProject(inputs, version=version, output=options["output"].absolute())
        for registry in project.load(version, app.environ).config.registries.additional:
            if not registry.packages:
                app.reporter.warning(
                    f"{registry.origin}: {registry} is asked first, and alone serves each package that it has; pip "
                    "would compare both indexes."
                )
        return project

    def with_python(self, series: str) -> Self:
        """Return the same with a Python where none is named."""
        return self if self.python else replace(self, python=series)

    def read(self, root: Path) -> Inputs:
        """Read the files and folders.

        Args:
            root: the folder that stands for those of the files if there are none.
        """
        from bundle.make.inputs.inputs import no_inputs, read_inputs
        from bundle.make.inputs.pyproject import Parts

        parts = Parts(extras=self.extras, groups=self.groups)
        return read_inputs(self.files, self.folders, parts) if self.loose else no_inputs(root)

    def version(self, app: App, inputs: Inputs, platforms: tuple[str, ...], options: Mapping[str, Any]) -> str:
        """Return the version's name, with the exact release of the Python."""
        from bundle.make.inputs.loose_project import LooseProject, version_name

        if self.python is None or not _PYTHON.fullmatch(self.python):
            raise ConfigError(
                f"--python {self.python} is no Python X.Y or X.Y.Z." if self.python else "No Python is given.",
                remedy="Name it, such as --python 3.12 for the newest release, or --python 3.12.10.",
            )
        name = self.name or inputs.name
        if self.python != short_version(self.python):
            return version_name(self.python, name)
        # The release is part of the version's name; until it is known, another one stands there.
        version = version_name(f"{self.python}.0", name)
        project = LooseProject(inputs, version=version, output=options["output"].absolute())
        return version_name(_release(app, project, platforms, options), name)

    def explained(self, error: BundleError) -> BundleError:
        """Return an error with the place for the settings that it speaks of."""
        if self.loose and _SETTING.search(f"{error.remedy} {error.cause}"):
            error.remedy += f" Such settings stand in a project: `{self._as_project}` makes one of this."
        return error

    def reminder(self, requests: Sequence[BuildRequest], project: Project) -> tuple[str, ...]:
        """Return the two lines about what was left behind and how to keep it."""
        if not self.loose:
            return ()
        locks = {project.lock_path(one.config.version, one.platform.key) for one in requests}
        shown = ", ".join(sorted(os.path.relpath(lock) for lock in locks))
        return (
            f"To build the same again, keep the lock: {shown}",
            f"To keep it as a project: {self._as_project}",
        )

    @property
    def _as_project(self) -> str:
        from bundle.make.inputs.inputs import is_lock

        named = [f"--from {os.path.relpath(path)}" for path in self.files if not is_lock(path)]
        named += [f"--with {os.path.relpath(path)}" for path in self.folders]
        return " ".join(["bundle init DIR", *named, *([f"--python {self.python}"] if self.python else [])])


def _release(app: App, project: LooseProject, platforms: tuple[str, ...], options: Mapping[str, Any]) -> str:
    """Return the release that the lock was made for if there still is such a Python, else the newest one."""
    from bundle.make.interpreter.prepare import release_of

    context = app.context(project, offline=options["offline"])
    selected = select(app, project, tuple(project.versions()), platforms, default="own")
    # Of several platforms this machine's own decides.
    config, platform = next((one for one in selected if one[1] == app.machine), selected[0])
    series = short_version(config.python)
    lock = context.lock_status(config, platform).lock
    if lock is not None and short_version(lock.python) == series:
        with suppress(BundleError):
            return release_of(context, config, platform, lock.python, options["interpreters"])
    return release_of(context, config, platform, series, options["interpreters"])
