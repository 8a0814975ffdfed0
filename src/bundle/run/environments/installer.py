"""uv, which makes environments and installs into them; its failures in its own words, with what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.errors import BundleError, ConfigError, IntegrityError, NetworkError, WorkError
from bundle.base.http.urls import redact
from bundle.base.processes.run import MOST_OUTPUT
from bundle.base.processes.stream import Program, stream
from bundle.base.text import last_lines
from bundle.run.environments.making import has_distributions

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_LINES = 30

_OFFLINE = re.compile(r"network (connectivity )?(is|was) disabled", re.IGNORECASE)
"""What uv says where its cache lacks something."""

_KINDS: tuple[tuple[str, type[BundleError], str], ...] = (
    (
        r"no space left|disk quota",
        WorkError,
        "Free some space, or let environments and uv's cache (UV_CACHE_DIR) be on another disk.",
    ),
    (
        r"hash mismatch|--require-hashes|failed to extract|zip file",
        IntegrityError,
        "Do not use the file: write the lock anew from a source that you trust, or find out who changed it.",
    ),
    (
        r"for the current platform|not supported by the lockfile|incompatible with the `pylock|not compatible with",
        ConfigError,
        "Write a lock for this platform and this Python, or change python_version.",
    ),
    (
        r"failed to fetch|error sending request|dns error|timed out|network connectivity is disabled",
        NetworkError,
        "Check the connection and the addresses in the lock, then run the same command again.",
    ),
    (
        r"failed to parse|not a valid|invalid|expected|not found at",
        ConfigError,
        "Correct the lock, or the local dependency that is named above.",
    ),
)
"""Words of uv, the kind of error that they stand for, and what to do; the first that fit count."""


@dataclass(frozen=True, kw_only=True)
class Installer:
    """uv, with the variables of one command."""

    program: str
    environ: Mapping[str, str]
    folder: Path
    """The folder that it runs in."""
    inherited: tuple[int, ...]
    """Descriptors that it and all that it starts inherit."""
    reporter: Reporter

    def make(self, environment: Path, python: Path) -> None:
        """Make an empty environment that runs wherever it is moved to.

        Raises:
            WorkError: uv fails.
        """
        code, said = self._run("venv", "--relocatable", "--no-project", "--python", str(python), str(environment))
        if code:
            raise _failure("Making the environment", said)

    def install(self, environment: Path, what: Sequence[str], *, offline: bool, subject: str) -> None:
        """Install from uv's cache, and from the network what is missing there.

        Args:
            what: options and places, as uv takes them.
            offline: whether the network may not be used at all.
            subject: what is installed, for messages.

        Raises:
            NetworkError: a file is not in the cache and cannot be fetched.
            IntegrityError: a file does not have its hash, or the lock has none.
            ConfigError: the lock is not for this Python or this platform, or cannot be read.
            WorkError: uv fails for another reason.
        """
        words = ("pip", "install", "--python", str(python_in(environment)), *what)
        # With an empty cache, the first attempt would take time for nothing.
        code, said = self._run(*words, *(["--offline"] if offline or has_distributions(self.environ) else []))
        if code and not offline and _OFFLINE.search(said):
            code, said = self._run(*words)
        if code:
            raise _failure(f"Installing {subject}", said)

    def _run(self, *words: str) -> tuple[int, str]:
        said = bytearray()

        def sink(part: bytes) -> None:
            said.extend(part[: MOST_OUTPUT - len(said)])

        self.reporter.detail(f"uv {' '.join(words)}")
        program = Program([self.program, *words], self.environ, self.folder, self.inherited)
        code, _ = stream(program, output=sink, errors=None, timeout=None, stdin=None)
        text = said.decode(errors="replace")
        if text.strip():
            self.reporter.detail(redact(text.rstrip()))
        return code, text


def find_installer() -> str:
    """Return the path of uv.

    Raises:
        WorkError: it is not there.
    """
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError as error:
        raise WorkError(
            "uv is not there, which makes the environments.",
            cause="It comes with bundle, and was removed.",
            remedy="Install it again: `pip install uv`.",
        ) from error


def python_in(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _failure(task: str, said: str) -> BundleError:
    lines = last_lines(redact(said), _LINES)
    for words, kind, remedy in _KINDS:
        if re.search(words, said, re.IGNORECASE):
            return kind(f"{task} failed.", remedy=remedy, details=lines)
    return WorkError(
        f"{task} failed.", remedy="Read uv's own words above; `--verbose` shows all of them.", details=lines
    )
