"""Running the programs of a bundle under verification, isolated from the user's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bundle.artifacts.runtime import Runtime
from bundle.base.errors import WorkError
from bundle.base.processes.run import Completed, run


@dataclass(frozen=True, kw_only=True)
class Isolation(Runtime):
    """A bundle whose programs can write to one scratch folder only."""

    scratch: Path
    """The folder for everything that the programs write; they start in it."""

    @property
    def caches(self) -> Path:
        """The folder for compiled modules."""
        return self.scratch / "pycache"

    @property
    def options(self) -> tuple[str, ...]:
        """The interpreter's options."""
        return self.flags(self.caches)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the programs."""
        return {
            **self.environment(self.scratch),
            # Scripts start the interpreter themselves, without its options.
            "PYTHONPYCACHEPREFIX": self.runner.translate(self.caches),
            # Threads started at import cost time, and do not survive a fork.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            # pip must not read the machine's settings or ask the network.
            "PIP_CONFIG_FILE": "nul" if self.platform.is_windows else "/dev/null",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
        }

    def run_python(self, arguments: Sequence[str | Path], *, timeout: float, stdin: bytes | None = None) -> Completed:
        """Run the bundle's interpreter; see `run`."""
        return self.run([self.executable, *self.options, *arguments], timeout=timeout, stdin=stdin)

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        timeout: float,
        stdin: bytes | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a program.

        Args:
            arguments: see `Runtime.command`.
            timeout: seconds on the machine itself; an emulator gets more.
            variables: further environment variables.

        Raises:
            WorkError: the program cannot be started.
        """
        completed = run(
            self.command(arguments),
            env={**self.variables, **(variables or {})},
            cwd=self.scratch,
            timeout=timeout * self.runner.patience,
            stdin=stdin,
        )
        if words := self.runner.unstarted(completed):
            raise WorkError(f"The program {arguments[0]} cannot be started: {words}")
        return replace(completed, errors=self.relative(completed.errors))

    def relative(self, text: str) -> str:
        """Return a text in which the bundle's files are named by their paths inside the bundle."""
        for root in dict.fromkeys((str(self.root), self.runner.translate(self.root))):
            for separator in ("/", "\\\\", "\\"):
                text = text.replace(root.replace("\\", separator) + separator, "")
        return text
