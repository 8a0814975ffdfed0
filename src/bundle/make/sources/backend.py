"""Builds a wheel from a source (PEP 517): isolated, timed, logged, the same bytes every time.

A build gets the source, the bundle's own interpreter, the wheels of its build requirements and the machine's compiler.
It never changes the source: every step works on a fresh copy, so that an earlier step cannot influence a later one.
What backends return is not trusted, see `bench`.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import InvalidVersion, Version

from bundle.base.errors import BundleError, WorkError
from bundle.base.extract import read_selected
from bundle.base.files import canonical_json, open_regular, sha256_of
from bundle.base.folders import remove_tree
from bundle.base.staging import write_atomically
from bundle.make.sources.answers import MOST, read_answer
from bundle.make.sources.bench import Bench
from bundle.make.sources.canonical_wheel import rewrite_wheel
from bundle.make.sources.environment import Environment, SourceBuildTools, run_hook
from bundle.make.sources.failure import build_failure
from bundle.make.sources.repair import make_portable
from bundle.make.sources.sdist import LARGEST_METADATA, open_project
from bundle.model.variables import PACKAGE_ROOT, VERSION_ROOT
from bundle.model.wheeltags import parse_wheel_name

if TYPE_CHECKING:
    from build import ProjectBuilder

_LARGEST_WHEEL = 2**32

_OWN_FILES = "version-files"
"""Folder of the bench for the version's own files; no source has that name."""

_LOG_END = 2**18
"""Bytes at the end of a log that are searched for the cause of a failure."""


@dataclass(frozen=True, kw_only=True)
class BuildSpec:
    """The package of a source build, and the settings of its build backend."""

    name: str
    version: str
    """Empty where it is not known yet."""
    build_requires: tuple[str, ...] = ()
    """PEP 508 requirements beyond those that the source declares."""
    config_settings: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Settings of the build backend; `{packageRoot}` becomes the folder that the source is built in, `{versionRoot}`
    that of `files`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further variables, with the same placeholders."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """The version's own files that the build reads, by their paths in its folder."""
    network: str = ""
    """Why the build may use the network; empty if it may not."""

    @property
    def own_inputs(self) -> dict[str, Any]:
        """What the configuration adds to the build besides settings, as JSON; empty where it adds nothing."""
        files = {path: sha256_of(file) for path, file in self.files.items()}
        return {name: value for name, value in (("environment", dict(self.environment)), ("files", files)) if value}

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
    with BackendSession(source, environment, spec, tools).asking() as (builder, settings, _bench):
        answer = builder.get_requires_for_build("wheel", settings)
    try:
        return tuple(sorted({str(Requirement(text)) for text in answer}))
    except (InvalidRequirement, RecursionError) as error:
        raise WorkError(
            f"The build backend of {spec.label} returned an invalid build requirement: {error}",
            remedy="Choose another version of the package, or report it to its authors.",
        ) from error


def prepare_metadata(source: Path, environment: Environment, spec: BuildSpec, tools: SourceBuildTools) -> bytes:
    """Return the METADATA of a source's wheel; builds that wheel if the backend cannot prepare them alone.

    Raises:
        WorkError: the backend failed or hung; with the end of the log.
    """
    with BackendSession(source, environment, spec, tools).asking() as (builder, settings, bench):
        if prepared := builder.prepare("wheel", bench.folder / "metadata", settings):
            with suppress(FileNotFoundError):
                return bench.read("metadata", Path(prepared).name, "METADATA", most=LARGEST_METADATA)
        with _built(builder, settings, bench, tools) as wheel:
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
        BackendSession(source, environment, spec, tools).asking() as (builder, settings, bench),
        _built(builder, settings, bench, tools) as wheel,
    ):
        _check_identity(wheel, spec)
        return rewrite_wheel(
            wheel,
            tools.work / "finished",
            tools,
            private=[path for path, _ in tools.private_paths],
            scratch=wheel.parent / "unpacked",
            repair=lambda native: make_portable(native, wheel.parent / "portable", tools),
        )


@contextmanager
def _built(
    builder: ProjectBuilder, settings: dict[str, str | list[str]], bench: Bench, tools: SourceBuildTools
) -> Iterator[Path]:
    """Build a wheel, and move it to a folder where no build can change it, and which ends with the block."""
    name = Path(builder.build("wheel", bench.fresh("wheel"), settings)).name
    finishing = tools.work.absolute() / "finishing"
    remove_tree(finishing)
    finishing.mkdir()
    try:
        wheel = bench.move("wheel", name, into=finishing, most=_LARGEST_WHEEL)
    except FileNotFoundError as error:
        raise WorkError(
            f"The build backend says that it made {name}, which is not there.",
            remedy="Choose another version of the package, or report it to its authors.",
        ) from error
    try:
        yield wheel
    finally:
        remove_tree(finishing)


def _metadata_of(wheel: Path) -> bytes:
    found = list(read_selected(wheel, _is_metadata, most=LARGEST_METADATA))
    if len(found) != 1 or len(found[0][1]) > LARGEST_METADATA:
        raise WorkError(f"The build backend made {wheel.name}, which is not a wheel: it has no single METADATA.")
    return found[0][1]


def _is_metadata(name: str) -> bool:
    return name.count("/") == 1 and name.endswith(".dist-info/METADATA")


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
    def asking(self) -> Iterator[tuple[ProjectBuilder, dict[str, str | list[str]], Bench]]:
        """Yield builder, settings and the bench; turn failures of the block into errors of this tool."""
        from build import BuildBackendException, BuildException

        bench = self._bench = Bench(self._tools)
        written = self._tools.log.stat().st_size if self._tools.log.exists() else 0
        with bench.cleared(self._tools.kept):
            try:
                copy = self._copy = bench.folder / self._source.name
                self._copy_to(copy)
                self._own = bench.folder / _OWN_FILES
                for path, file in self._spec.files.items():
                    (self._own / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, self._own / path)
                self._set_times(bench.folder)
                builder = open_project(copy, str(self._environment.python), self._run)
                yield builder, self._settings(), bench
            except (BuildBackendException, BuildException, zipfile.BadZipFile) as error:
                inner = getattr(error, "exception", error)
                if isinstance(inner, BundleError | OSError):
                    # An error of this tool, raised through the hooks.
                    raise inner from None
                raise self._failure(inner, written) from error

    def _copy_to(self, copy: Path) -> None:
        shutil.copytree(self._source, copy, symlinks=True)

    def _set_times(self, top: Path) -> None:
        for folder, _, names in os.walk(top):
            for name in names:
                # One time for all: no generated file looks older than its source.
                os.utime(Path(folder, name), (self._tools.epoch,) * 2, follow_symlinks=False)

    def _settings(self) -> dict[str, str | list[str]]:
        return {
            name: self._filled(value) if isinstance(value, str) else [self._filled(part) for part in value]
            for name, value in self._spec.config_settings.items()
        }

    def _filled(self, text: str) -> str:
        return text.replace(PACKAGE_ROOT, str(self._copy)).replace(VERSION_ROOT, str(self._own))

    def _run(self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        # The last two arguments are the hook and the folder of question and answer, which no build may reach.
        folder = Path(cmd[-1])
        asked = self._bench.fresh("hook")
        shutil.copyfile(folder / "input.json", asked / "input.json")
        done = run_hook(
            [*cmd[:-1], asked],
            self._environment,
            self._tools,
            cwd=Path(cwd or self._bench.folder),
            extra={
                **{name: self._filled(value) for name, value in self._spec.environment.items()},
                **(extra_environ or {}),
            },
        )
        self._timed_out = done.timed_out
        self._bench.require_in_place()
        if done.code or done.timed_out:
            raise _HookFailedError
        try:
            content = self._bench.read("hook", "output.json", most=MOST)
        except FileNotFoundError:
            # The backend ended the process itself, before it had returned.
            raise _HookFailedError from None
        answer, warnings = read_answer(content, cmd[-2])
        with self._tools.log.open("a", encoding="utf-8", errors="replace") as log:
            # The hooks would raise them as warnings of this process.
            log.writelines(f"warning: {warning}\n" for warning in warnings)
        write_atomically(folder / "output.json", canonical_json(answer))

    def _failure(self, error: Exception, written: int) -> WorkError:
        with open_regular(self._tools.log) as log:
            log.seek(max(written, log.seek(0, os.SEEK_END) - _LOG_END))
            output = log.read(_LOG_END).decode(errors="replace")
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
