"""Installs into an environment that is being made: uv, with a lock of exactly the wheels of the plan."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle.base.report import Reporter
from bundle.run.environments.installer import Installer, find_installer
from bundle.run.environments.making import installer_variables
from bundle.run.vendored.plan import Plan

_WORK = ".bundle-work"
_SETTINGS = "pyvenv.cfg"


@dataclass(frozen=True, kw_only=True)
class Installing:
    """uv at work on one environment."""

    environ: Mapping[str, str]
    environment: Path
    reporter: Reporter

    def create(self, interpreter: Path) -> None:
        """Make an empty environment that runs wherever it is moved to."""
        # A cache would lie in the folder, which has to be empty.
        self._uv(UV_NO_CACHE="1").make(self.environment, interpreter)

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
        words = ("--no-index", "--no-config", "--reinstall", "-r", str(lock))
        self._uv().install(self.environment, words, offline=True, subject="the wheels")

    def install_online(self, plan: Plan) -> None:
        """Install from the registry, beside what comes from wheels."""
        work = self.environment / _WORK
        asked, pins = work / "requirements.txt", work / "constraints.txt"
        asked.write_text("".join(f"{one}\n" for one in plan.online), encoding="utf-8")
        pins.write_text("".join(f"{one}\n" for one in plan.pins), encoding="utf-8")
        words = ("-r", str(asked), "--constraint", str(pins))
        self._uv(online=True).install(self.environment, words, offline=False, subject="from the registry")

    def _uv(self, *, online: bool = False, **more: str) -> Installer:
        # Settings of the person's own could add sources, or send the files elsewhere; a registry needs them.
        kept = "UV_" if online else "UV_LINK_MODE"
        variables = {
            **{name: value for name, value in self.environ.items() if not name.startswith(("UV_", "PYTHON"))},
            **{name: value for name, value in self.environ.items() if name.startswith(kept)},
            "UV_CACHE_DIR": str(self.environment / _WORK / "cache"),
            **more,
        }
        return Installer(
            program=find_installer(),
            environ=installer_variables(variables),
            folder=self.environment.parent,
            inherited=(),
            reporter=self.reporter,
        )
