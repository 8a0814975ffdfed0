"""Provisions one environment from a folder of packages: plans, then changes a copy, which takes its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bundle.artifacts.vendored.package import read_packages
from bundle.base.errors import BundleError, ConfigError, Problems
from bundle.base.files import locked
from bundle.base.report import Reporter
from bundle.base.staging import staged_folder, sweep_staging, write_atomically
from bundle.run.install.records import Records
from bundle.run.vendored.installing import Installing
from bundle.run.vendored.interpreter import find_interpreter
from bundle.run.vendored.plan import Plan, make_plan
from bundle.run.vendored.search_path import PATH_FILE, search_path
from bundle.run.vendored.target import RECORD, is_environment, record_text, target_of


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be provisioned."""

    packages: Path
    """The folder with a folder for each package, absolute."""
    root: Path
    """The environment, absolute."""
    python: str | None
    """The Python to make it from: a version, a path or `bundle:VERSION`."""
    scripts: Path | None
    """The folder of scripts, which Python searches before the modules of packages."""
    online: bool
    """Whether a registry may be asked."""


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """What has become of the environment."""

    plan: Plan
    changed: bool
    collisions: tuple[str, ...]
    """Modules that hide others."""


@dataclass(frozen=True, kw_only=True)
class Provisioning:
    """The work on one environment."""

    request: Request
    environ: Mapping[str, str]
    reporter: Reporter
    records: Records
    """The installed bundles."""

    def plan(self) -> Plan:
        """Work out what would change.

        Raises:
            ConfigError: packages or the environment cannot be read, or there is no such Python.
        """
        request = self.request
        problems = Problems()
        packages = read_packages(request.packages, problems)
        problems.raise_if_any(f"{len(problems.errors)} mistakes in the packages of {request.packages}.")
        exists = is_environment(request.root)
        answer = find_interpreter(request.root if exists else None, request.python, self.environ, self.records)
        target = target_of(request.root, answer, exists=exists)
        path = search_path(packages, request.scripts)
        return make_plan(packages, target, path, online=request.online)

    def provision(self) -> Provisioned:
        """Bring the environment up to date; when that fails, it is as it was.

        Raises:
            BundleError: the plan has problems, or cannot be carried out.
        """
        plan = self._sound_plan()
        if not plan.changes:
            self._remember(plan)
            return self._done(plan, changed=False)
        root = plan.target.root
        self._require_rename(root)
        with locked(root.with_name(f"{root.name}.lock"), reporter=self.reporter, what=str(root)):
            sweep_staging(root.parent)
            plan = self._sound_plan()  # Another process may have done the work.
            if not plan.changes:
                return self._done(plan, changed=False)
            self._apply(plan)
        return self._done(plan, changed=True)

    def _sound_plan(self) -> Plan:
        plan = self.plan()
        count = len(plan.problems.errors)
        plan.problems.raise_if_any(f"The packages cannot be provisioned: {count} problems. Nothing was changed.")
        return plan

    def _apply(self, plan: Plan) -> None:
        target = plan.target
        with staged_folder(target.root, large=True) as staging, self._explained(target.root):
            installing = Installing(environ=self.environ, environment=staging, reporter=self.reporter)
            if target.exists:
                shutil.copytree(target.root, staging, symlinks=True, dirs_exist_ok=True)
                installing.make_relocatable()
            else:
                installing.create(target.interpreter)
            with installing.work():
                if plan.install:
                    installing.install_wheels(plan)
                if plan.online:
                    installing.install_online(plan)
            site_packages = staging / target.platform.site_packages(target.python)
            write_atomically(site_packages / PATH_FILE, plan.path.text(target))
            write_atomically(staging / RECORD, record_text(plan.wheels))

    def _done(self, plan: Plan, *, changed: bool) -> Provisioned:
        return Provisioned(plan=plan, changed=changed, collisions=plan.path.collisions(plan.target))

    def _remember(self, plan: Plan) -> None:
        """Keep the times of wheels that were read again, for instance since the folder was moved."""
        if plan.target.record != plan.wheels:
            with suppress(OSError):  # A later run reads them once more.
                write_atomically(plan.target.root / RECORD, record_text(plan.wheels))

    @staticmethod
    def _require_rename(root: Path) -> None:
        if root.is_symlink() or os.path.ismount(root):
            raise ConfigError(
                f"{root} is a link or the root of a mounted file system, and cannot be replaced by one rename.",
                remedy="Name a folder in it with --into.",
            )

    @staticmethod
    @contextmanager
    def _explained(root: Path) -> Iterator[None]:
        try:
            yield
        except BundleError as error:
            error.details = (*error.details, f"{root} is as it was.")
            raise


def default_root(packages: Path, environ: Mapping[str, str]) -> Path:
    """Return the environment if none is named: the active one, else `.venv` among the packages."""
    active = environ.get("VIRTUAL_ENV")
    return Path(active).absolute() if active else packages / ".venv"
