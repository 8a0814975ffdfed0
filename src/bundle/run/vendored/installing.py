"""Installs into an environment that is being made: uv, with a lock of exactly the wheels of the plan."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import BundleError, IntegrityError, NetworkError, WorkError
from bundle.base.http.urls import redact
from bundle.base.processes.run import run
from bundle.base.report import Reporter
from bundle.base.text import last_lines
from bundle.run.vendored.plan import Plan

_WORK = ".bundle-work"
_SETTINGS = "pyvenv.cfg"

_LINES = 30
"""Lines of uv's output that an error shows."""

_NETWORK = re.compile(r"failed to (fetch|download)|error sending request|dns error|connect", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Installing:
    """uv at work on one environment."""

    environ: Mapping[str, str]
    environment: Path
    reporter: Reporter

    def create(self, interpreter: Path) -> None:
        """Make an empty environment that runs wherever it is moved to."""
        options = ("--relocatable", "--no-project", "--offline", "--no-cache", "--python", str(interpreter))
        self._uv("Making the environment", "venv", *options, str(self.environment))

    def make_relocatable(self) -> None:
        """Let new scripts find their interpreter beside themselves: this copy takes the place of another folder."""
        settings = self.environment / _SETTINGS
        lines = [
            line for line in settings.read_text(encoding="utf-8").splitlines() if not line.startswith("relocatable")
        ]
        settings.unlink()  # It may be shared with the original.
        settings.write_text("\n".join([*lines, "relocatable = true", ""]), encoding="utf-8")

    @contextmanager
    def work(self) -> Iterator[None]:
        """Give uv a cache of its own in the environment, on the same file system, and remove it in the end."""
        work = self.environment / _WORK
        work.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def install_wheels(self, plan: Plan) -> None:
        """Install wheels, each by its hash, without the network."""
        import tomli_w

        document = {
            "lock-version": "1.0",
            "created-by": "bundle",
            "packages": [
                {
                    "name": one.name,
                    "version": str(one.version),
                    "wheels": [
                        {
                            "name": one.path.name,
                            "path": str(one.path),
                            "hashes": {"sha256": plan.wheels[one.name].sha256},
                        }
                    ],
                }
                for one in plan.install
            ],
        }
        lock = self.environment / _WORK / "pylock.toml"
        lock.write_text(tomli_w.dumps(document), encoding="utf-8")
        self._install("--offline", "--no-index", "--no-config", "--reinstall", "-r", str(lock))

    def install_online(self, plan: Plan) -> None:
        """Install from the registry, beside what comes from wheels."""
        work = self.environment / _WORK
        asked, pins = work / "requirements.txt", work / "constraints.txt"
        asked.write_text("".join(f"{one}\n" for one in plan.online), encoding="utf-8")
        pins.write_text("".join(f"{one}\n" for one in plan.pins), encoding="utf-8")
        self._install("-r", str(asked), "--constraint", str(pins), online=True)

    def _install(self, *words: str, online: bool = False) -> None:
        python = next(one for one in ("Scripts/python.exe", "bin/python") if (self.environment / one).exists())
        self._uv("Installing", "pip", "install", "--python", str(self.environment / python), *words, online=online)

    def _uv(self, task: str, *words: str, online: bool = False) -> None:
        from uv import find_uv_bin

        # Settings of the person's own could add sources, or send the files elsewhere; a registry needs them.
        kept = "UV_" if online else "UV_LINK_MODE"
        variables = {
            **{name: value for name, value in self.environ.items() if not name.startswith(("UV_", "PYTHON"))},
            **{name: value for name, value in self.environ.items() if name.startswith(kept)},
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_PREVIEW_FEATURES": "pylock",
            "UV_CACHE_DIR": str(self.environment / _WORK / "cache"),
            "NO_COLOR": "1",
        }
        done = run([find_uv_bin(), *words], env=variables, cwd=self.environment.parent)
        said = redact(done.errors.rstrip())
        self.reporter.detail(said)
        if done.code:
            raise _failure(task, said, online=online)


def _failure(task: str, said: str, *, online: bool) -> BundleError:
    details = last_lines(said, _LINES)
    if re.search("hash mismatch", said, re.IGNORECASE):
        return IntegrityError(
            f"{task} failed: a wheel has changed since it was checked.",
            details=details,
            remedy="Find out who changes the packages, and run the same command again.",
        )
    if online and _NETWORK.search(said):
        return NetworkError(f"{task} failed: the registry did not answer.", details=details)
    return WorkError(
        f"{task} failed.", details=details, remedy="Read uv's own words above, correct that, and run it again."
    )
