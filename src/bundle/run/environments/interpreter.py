"""The interpreter of an environment: a Python of this machine, or that of a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.interpreters import on_machine
from bundle.artifacts.interpreters.portable.host_discovery import Candidate, answer_of, ask
from bundle.base.errors import ConfigError
from bundle.base.files import read_regular, sha256_of
from bundle.run.environments import making, start

if TYPE_CHECKING:
    from bundle.artifacts.interpreters.portable.host_discovery import Answer
    from bundle.artifacts.runtime import Runtime
    from bundle.model.platforms import Platform

BUNDLE = "bundle:"
"""Stands before the version of a bundle."""


@dataclass(frozen=True, kw_only=True)
class BaseInterpreter:
    """The interpreter that an environment is made from."""

    executable: Path
    python: str
    system: Mapping[str, str]
    """What it says of the machine: system, machine, C library."""
    manifest: Path | None = None
    """Of the bundle that it is part of."""
    below: Mapping[str, str] = field(default_factory=dict)
    """Variables of its programs unless the person has set others."""
    above: Mapping[str, str] = field(default_factory=dict)
    """Variables that the bundle sets for its programs."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that tell whether it is still the same."""
        return (self.executable, self.executable.resolve(), *filter(None, [self.manifest]))

    @property
    def identity(self) -> dict[str, str]:
        """Return what tells it from every other, wherever the environments are kept."""
        real = self.executable.resolve()
        status = real.stat()
        manifest = {} if self.manifest is None else {"manifest": sha256_of(self.manifest)}
        return {
            "executable": str(real),
            "python": self.python,
            "size": str(status.st_size),
            "mtime": str(status.st_mtime_ns),
            **self.system,
            **manifest,
        }


@dataclass(frozen=True, kw_only=True)
class Interpreters:
    """The interpreters that environments can be made from."""

    data: Path
    """The folder with the records of installs."""
    machine: Platform | None
    environ: Mapping[str, str]
    memory: Path | None = None
    """The folder that keeps what interpreters have answered; nothing is kept if None."""

    def find(self, version: str, base: Path) -> BaseInterpreter:
        """Return the interpreter of a `python_version`.

        Args:
            base: the folder of the application file, which paths are relative to.

        Raises:
            ConfigError: there is none.
        """
        if version.startswith(BUNDLE):
            return self._of_bundle(version.removeprefix(BUNDLE), base)
        if "/" in version or "\\" in version:
            return _of_answer(on_machine.look(base / Path(version).expanduser(), self.environ, self._ask))
        try:
            return _of_answer(on_machine.find(version, self.environ, self._ask))
        except ConfigError as error:
            from bundle.run.install.records import Records

            bundles = [f"{BUNDLE}{one.mark.version}" for one in Records(self.data).all()]
            if bundles:
                raise ConfigError(
                    error.what, cause=error.cause, remedy=f"{error.remedy} Installed bundles: {', '.join(bundles)}."
                ) from error
            raise

    def _ask(self, candidate: Candidate, environ: Mapping[str, str]) -> Answer:
        """Ask an interpreter, unless it has answered since its files have changed."""
        if self.memory is None:
            return ask(candidate, environ)
        path, key = making.answer_place(str(self.memory), str(candidate.executable))
        with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
            known = json.loads(read_regular(Path(path), most=2**20))
            if known["key"] == key:
                return answer_of(candidate, known["facts"])
        answer = ask(candidate, environ)
        with suppress(OSError):  # A cache that is only readable stays as it is.
            content = json.dumps({"key": key, "facts": dict(answer.facts)})
            start.write_whole(path, content.encode(errors="surrogateescape"))
        return answer

    def _of_bundle(self, version: str, base: Path) -> BaseInterpreter:
        from bundle.model.manifest import MANIFEST

        runtime = self._runtime(version, base)
        if runtime.platform != self.machine:
            raise ConfigError(
                f"{runtime.root} is a bundle for {runtime.platform.key}, whose programs do not run here.",
                remedy="Name a bundle for this machine.",
            )
        found = _of_answer(on_machine.look(runtime.executable, self.environ, self._ask))
        return BaseInterpreter(
            executable=runtime.executable,
            python=found.python,
            system=found.system,
            manifest=runtime.root / MANIFEST,
            below=runtime.default_variables(),
            above=runtime.bundle_variables(),
        )

    def _runtime(self, version: str, base: Path) -> Runtime:
        from bundle.run.install.records import Records
        from bundle.run.install.start import runtime_of

        records = Records(self.data)
        if "/" in version:
            return runtime_of(str(base / Path(version).expanduser()), records)
        try:
            return runtime_of(version, records)
        except ConfigError:
            built = self._built(version, base)
            if built is None:
                raise
            return runtime_of(str(built), records)

    def _built(self, version: str, base: Path) -> Path | None:
        """Return the bundle that the project around the application file has built."""
        from bundle.model.config.project import Project
        from bundle.model.manifest import MANIFEST

        for folder in (base, *base.parents):
            if self.machine is not None and (folder / "shared-config.json").is_file():
                built = Project(folder).output / version / self.machine.key
                return built if (built / MANIFEST).is_file() else None
        return None


def _of_answer(answer: Answer) -> BaseInterpreter:
    if answer.facts["implementation"] != "cpython":
        raise ConfigError(
            f"{answer.candidate.executable} is {answer.facts['implementation']}, not CPython.", remedy="Name a CPython."
        )
    return BaseInterpreter(
        executable=answer.candidate.executable,
        python=answer.python,
        system={name: str(answer.facts[name]) for name in ("system", "machine", "bits", "glibc")},
    )
