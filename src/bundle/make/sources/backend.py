"""Builds a wheel from a source (PEP 517): isolated, timed, logged, the same bytes every time.

A build gets the source, the bundle's own interpreter, the wheels of its build requirements and the machine's compiler.
It never changes the source: every step works on a fresh copy, so that an earlier step cannot influence a later one.
Builds have network access, but pip and uv are told to use no index.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import InvalidVersion, Version

from bundle.base.errors import BundleError, IntegrityError, WorkError
from bundle.base.folders import remove_tree
from bundle.make.sources.canonical_wheel import rewrite_wheel
from bundle.make.sources.environment import Environment, SourceBuildTools, run_logged
from bundle.make.sources.failure import build_failure
from bundle.make.sources.repair import make_portable
from bundle.make.sources.sdist import open_project
from bundle.model.wheeltags import parse_wheel_name

if TYPE_CHECKING:
    from build import ProjectBuilder


@dataclass(frozen=True, kw_only=True)
class BuildSpec:
    """The package of a source build, and the settings of its build backend."""

    name: str
    version: str
    """Empty where it is not known yet."""
    build_requires: tuple[str, ...] = ()
    """PEP 508 requirements beyond those that the source declares."""
    config_settings: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Settings of the build backend; `{packageRoot}` becomes the folder that the source is built in."""

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}".strip()


def backend_requires(
    source: Path, environment: Environment, spec: BuildSpec, tools: SourceBuildTools
) -> tuple[str, ...]:
    """Ask the build backend for further requirements of a wheel's build.

    Args:
        environment: holds at least the requirements of `static_requires` and of the spec.

    Returns:
        PEP 508 requirements, sorted; without the spec's own.

    Raises:
        WorkError: the backend failed or hung, with the end of the log; or a requirement is not valid.
    """
    with BackendSession(source, environment, spec, tools).asking() as (builder, settings, _):
        answer = builder.get_requires_for_build("wheel", settings)
    try:
        return tuple(sorted({str(Requirement(text)) for text in answer}))
    except InvalidRequirement as error:
        raise WorkError(
            f"The build backend of {spec.label} returned an invalid build requirement: {error}",
            remedy="Choose another version of the package, or report it to its authors.",
        ) from error


def prepare_metadata(source: Path, environment: Environment, spec: BuildSpec, tools: SourceBuildTools) -> bytes:
    """Return the METADATA of a source's wheel; builds that wheel if the backend cannot prepare them alone.

    Raises:
        WorkError: the backend failed or hung; with the end of the log.
    """
    with BackendSession(source, environment, spec, tools).asking() as (builder, settings, folder):
        if prepared := builder.prepare("wheel", folder / "metadata", settings):
            metadata = _inside(Path(prepared), folder / "metadata") / "METADATA"
            if metadata.is_file():
                return metadata.read_bytes()
        wheel = _inside(Path(builder.build("wheel", folder / "wheel", settings)), folder / "wheel")
        return _metadata_of(wheel)


def build_wheel(source: Path, environment: Environment, spec: BuildSpec, tools: SourceBuildTools) -> Path:
    """Build a wheel, make it portable, and rewrite it so that the same inputs give the same bytes.

    A file of the wheel that names the scratch folder or the interpreter's is warned about.

    Args:
        tools: its `work` gets the wheel under `finished/`.

    Raises:
        WorkError: the build failed, hung, or made another package or version, or a wheel that cannot be made portable;
            with the end of the log.
    """
    with (
        tools.reporter.task(f"building {spec.label} from source"),
        BackendSession(source, environment, spec, tools).asking() as (builder, settings, folder),
    ):
        wheel = _inside(Path(builder.build("wheel", folder / "wheel", settings)), folder / "wheel")
        _check_identity(wheel, spec)
        return rewrite_wheel(
            wheel,
            tools.work / "finished",
            tools,
            private=[path for path, _ in tools.private_paths],
            scratch=folder / "unpacked",
            repair=lambda native: make_portable(native, folder / "portable", tools),
        )


def _inside(path: Path, folder: Path) -> Path:
    if path.resolve().parent != folder.resolve() or not path.exists():
        raise IntegrityError(f"The build backend says that its result is {path}, which is not in the output folder.")
    return path


def _metadata_of(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA")]
        if len(found) != 1:
            raise WorkError(f"The build backend made {wheel.name}, which is not a wheel: it has no single METADATA.")
        return archive.read(found[0])


def _check_identity(wheel: Path, spec: BuildSpec) -> None:
    try:
        name, version, _, _ = parse_wheel_name(wheel.name)
        same = name == canonicalize_name(spec.name) and (not spec.version or version == Version(spec.version))
    except (InvalidWheelFilename, InvalidVersion):
        same = False
    if not same:
        raise WorkError(
            f"Building {spec.label} produced {wheel.name}, a wheel of another name or version.",
            cause="A source that takes its version from a repository has lost it, or the file has a wrong name.",
            remedy="Choose another version, or tell the build its version by packages.buildWheel (configSettings).",
        )


class BackendSession:
    """One copy of a source, and the hooks of its build backend, run in the isolated environment."""

    def __init__(self, source: Path, environment: Environment, spec: BuildSpec, tools: SourceBuildTools) -> None:
        self._source = source
        self._environment = environment
        self._spec = spec
        self._tools = tools
        self._timed_out = False

    @contextmanager
    def asking(self) -> Iterator[tuple[ProjectBuilder, dict[str, str | list[str]], Path]]:
        """Yield builder, settings and a scratch folder; turn failures of the block into errors of this tool."""
        from build import BuildBackendException, BuildException

        # Always the same place, because builds record its path: another name would change their bytes.
        folder = self._tools.work.absolute() / "bench"
        remove_tree(folder)
        written = self._tools.log.stat().st_size if self._tools.log.exists() else 0
        try:
            copy = folder / self._source.name
            self._copy_to(copy)
            builder = open_project(copy, str(self._environment.python), self._run)
            yield builder, self._settings(copy), folder
        except (BuildBackendException, BuildException, zipfile.BadZipFile) as error:
            inner = getattr(error, "exception", error)
            if isinstance(inner, BundleError | OSError):
                # An error of this tool, raised through the hooks.
                raise inner from None
            raise self._failure(inner, written) from error
        finally:
            remove_tree(folder)

    def _copy_to(self, copy: Path) -> None:
        shutil.copytree(self._source, copy, symlinks=True)
        for folder, _, names in os.walk(copy):
            for name in names:
                # One time for all: no generated file looks older than its source.
                os.utime(Path(folder, name), (self._tools.epoch,) * 2, follow_symlinks=False)

    def _settings(self, copy: Path) -> dict[str, str | list[str]]:
        def filled(text: str) -> str:
            return text.replace("{packageRoot}", str(copy))

        return {
            name: filled(value) if isinstance(value, str) else [filled(part) for part in value]
            for name, value in self._spec.config_settings.items()
        }

    def _run(self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        where = Path(cwd) if cwd else None
        done = run_logged(cmd, self._environment, self._tools, cwd=where, extra=extra_environ)
        self._timed_out = done.timed_out
        if done.code or done.timed_out:
            raise _HookFailedError
        self._keep_warnings(Path(cmd[-1], "output.json"))

    def _keep_warnings(self, answer: Path) -> None:
        """Move the backend's warnings into the log; the hooks would raise them as warnings of this process."""
        told = json.loads(answer.read_text(encoding="utf-8"))
        with self._tools.log.open("a", encoding="utf-8") as log:
            log.writelines(f"warning: {warning['message']}\n" for warning in told.pop("warnings", ()))
        answer.write_text(json.dumps(told), encoding="utf-8")

    def _failure(self, error: Exception, written: int) -> WorkError:
        with self._tools.log.open("ab+") as log:
            log.seek(written)
            output = log.read().decode(errors="replace")
        if not isinstance(error, _HookFailedError):
            # The hook ran and reported its error itself, which is not in the log.
            output += "\n" + "\n".join(
                filter(None, (getattr(error, "traceback", ""), f"{type(error).__name__}: {error}"))
            )
        return build_failure(
            self._spec.name,
            self._spec.version,
            output=output,
            log=str(self._tools.log),
            timeout=self._tools.timeout if self._timed_out else None,
        )


class _HookFailedError(Exception):
    """The hook's process exited with an error, or took too long; the log says more."""
