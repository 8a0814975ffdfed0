"""The build of one bundle as a piece of work: what its worker does."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.artifacts.work import WorkContext
from bundle.base.errors import (
    BundleError,
    ConfigError,
    IntegrityError,
    InterruptedRunError,
    NetworkError,
    VerificationError,
    WorkError,
)
from bundle.base.extract import extract
from bundle.base.processes.supervised import Limits, Supervised
from bundle.make.build_state import STATE
from bundle.make.cluster.results import Sent, send_results

CATALOGUE = "catalogue.json"

_POLL = 0.2

_KINDS: Mapping[int, type[BundleError]] = {
    kind.exit_code: kind for kind in (ConfigError, NetworkError, IntegrityError, VerificationError, InterruptedRunError)
}


@dataclass(frozen=True, kw_only=True)
class RemoteBuild:
    """One build; runs as a command in the unpacked inputs, with the store and the variables of the worker."""

    version: str
    platform: str
    inputs: bytes = field(repr=False)
    """As `pack_inputs` makes them."""
    sha256: str
    """Of the inputs."""
    options: tuple[str, ...] = ()
    """Of `bundle build`."""
    results_to: str | None = None
    """Address of the remote that gets the results; without one, they go to the submitter."""

    def __call__(self, context: WorkContext) -> Sent:
        """Build, and leave archives, documents, catalogue and the record of the build as results.

        Returns:
            Those that are in the remote.

        Raises:
            BundleError: the build failed.
        """
        project, output = context.folder / "project", context.folder / "output"
        self._unpack(project)
        command = ("--json", "--project", project, "build", self.version, "--platform", self.platform)
        options = ("--output", output, "--locked", *self.options)
        said = Said(context)
        running = Supervised(
            (sys.executable, "-P", "-m", "bundle", *map(str, (*command, *options))),
            env=dict(context.machine.environ),
            cwd=project,
            limits=Limits(processes=None),
            output=said.feed,
        )
        while (ended := running.wait(_POLL)) is None:
            if context.stopped.is_set():
                running.stop()
        said.end()
        built = said.document()
        if ended.code != 0 or not built.get("bundles"):
            raise _failure(built, ended.code, f"{self.version}-{self.platform}")
        results = {path.relative_to(output).as_posix(): path for path in self._results(output)}
        if self.results_to is not None:
            return send_results(results, self.results_to, context)
        for name, path in results.items():
            place = context.results / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, place)
        return {}

    def _unpack(self, project: Path) -> None:
        if hashlib.sha256(self.inputs).hexdigest() != self.sha256:
            raise IntegrityError("The inputs of the build are not what the submitter sent.")
        archive = project.with_name("inputs.tar.zst")
        archive.write_bytes(self.inputs)
        extract(archive, project)

    def _results(self, output: Path) -> Iterator[Path]:
        name = f"{self.version}-{self.platform}"
        if (output / CATALOGUE).is_file():  # It is not, where nothing was verified.
            yield output / CATALOGUE
        yield output / STATE / f"{name}.json"
        for path in sorted(output.glob(f"{name}.*")):
            if path.is_file() and path.suffix != ".log":
                yield path


class Said:
    """The output of a command with `--json`: lines for people, and one document at the end."""

    def __init__(self, context: WorkContext) -> None:
        self._context = context
        self._rest = b""
        self._held: list[str] = []

    def feed(self, chunk: bytes) -> None:
        """Hand on whole lines, but not those that may be the document."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace"))

    def end(self) -> None:
        """Hand on the last line."""
        if self._rest:
            self._line(self._rest.decode(errors="replace"))

    def document(self) -> dict[str, Any]:
        """Return the document; empty if the command did not come to it."""
        text = "\n".join(self._held)
        value, end = None, 0
        with suppress(ValueError):
            # A library may have its say after it, such as Python about what it could not close.
            value, end = json.JSONDecoder().raw_decode(text)
        for line in text[end:].splitlines():
            if line:
                self._context.say(line)
        return value if isinstance(value, dict) else {}

    def _line(self, line: str) -> None:
        if line == "{":
            for earlier in self._held:
                self._context.say(earlier)
            self._held = [line]
        elif self._held:
            self._held.append(line)
        else:
            self._context.say(line)


def _failure(told: dict[str, Any], code: int | None, name: str) -> BundleError:
    """Return the error that a command told in its document, or one for a command that was ended."""
    failed = told.get("failed") or ([told] if "what" in told else [])
    if not failed:
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
        return WorkError(
            f"The build of {name} {how} on its worker.",
            cause="The system ends the largest program when memory runs out." if code == -9 else None,
            remedy="Read its last lines above.",
        )
    one = failed[0]
    kind = _KINDS.get(one["exitCode"], WorkError)
    return kind(one["what"], cause=one["cause"], remedy=one["remedy"], details=one["details"])
