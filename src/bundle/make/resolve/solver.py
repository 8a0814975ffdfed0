"""uv as a pure solver: requirements and a loopback index in, a set of versions out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.base.errors import WorkError
from bundle.base.processes.run import run
from bundle.make.resolve.index_server import Index, serving
from bundle.model.locks.lock import ROOT
from bundle.model.platforms import Platform

_NEEDED = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "USERPROFILE")

_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==(\S+)")
_FRAME = re.compile(r"^[^\w'\"`(]*(?:(?:cause|error):)?\s*")


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A consistent set of versions."""

    versions: Mapping[str, Version]
    """By normalised name."""
    required_by: Mapping[str, tuple[str, ...]]
    """Who asked for each; `ROOT` stands for the question itself."""


class UnsolvableError(Exception):
    """There is no consistent set of versions; the text is the solver's explanation, cleaned."""


def solve(
    requirements: Sequence[str],
    index: Index,
    *,
    platform: Platform,
    python: str,
    preferences: Mapping[str, Version],
    work: Path,
) -> Solution:
    """Find versions that satisfy requirements.

    Args:
        requirements: PEP 508, without addresses.
        index: what there is.
        platform: whose markers hold.
        python: the full Python version, such as `3.12.10`.
        preferences: versions to keep if they fit.
        work: a folder for uv's files.

    Raises:
        UnsolvableError: nothing satisfies them.
        BundleError: what the index raised.
        WorkError: uv itself failed.
    """
    from uv import find_uv_bin

    work.mkdir(parents=True, exist_ok=True)
    question, answer = work / "requirements.in", work / "requirements.txt"
    question.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    answer.write_text("".join(f"{name}=={preferences[name]}\n" for name in sorted(preferences)), encoding="utf-8")
    with serving(index) as served:
        done = run(
            [
                *(find_uv_bin(), "pip", "compile", question.name, "--output-file", answer.name),
                *("--no-config", "--no-cache", "--no-build", "--no-header", "--default-index", served.url),
                *("--python", sys.executable, "--python-version", python),
                # The glibc in uv's names does not matter: every file that it sees fits every platform.
                *("--python-platform", platform.uv),
            ],
            env=_environment(),
            cwd=work,
        )
        failure = served.failure
    if done.code == 0:
        return _solution(answer.read_text(encoding="utf-8"), question.name)
    if failure is not None:
        raise failure
    why = explanation(done.errors)
    if done.code == 1 and "No solution found" in done.errors:
        raise UnsolvableError(why)
    raise WorkError("uv could not resolve the requirements.", details=why.splitlines())


def _environment() -> dict[str, str]:
    """Return a complete environment without the user's own settings for uv."""
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return environment | {
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "UV_HTTP_RETRIES": "0",
        # The index answers when a registry far away has; how long that may take is decided there.
        "UV_HTTP_TIMEOUT": "86400",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "NO_COLOR": "1",
    }


def _solution(text: str, question: str) -> Solution:
    versions: dict[str, Version] = {}
    required_by: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        pin = _PIN.match(line)
        if pin:
            name = canonicalize_name(pin[1])
            versions[name] = Version(pin[2])
            required_by.setdefault(name, [])
            continue
        asker = line.strip().removeprefix("#").strip().removeprefix("via").strip()
        if name and asker:
            required_by[name].append(ROOT if asker == f"-r {question}" else canonicalize_name(asker))
    return Solution(
        versions=versions,
        required_by={name: tuple(sorted(set(askers))) for name, askers in required_by.items()},
    )


def explanation(errors: str) -> str:
    """Return uv's explanation in whole sentences: no frame, no headline, no advice about options we do not have.

    Args:
        errors: what uv printed.
    """
    sentences: list[str] = []
    for line in errors.split("hint:")[0].splitlines():
        text = _FRAME.sub("", line).strip()
        if not text or "No solution found" in text:
            continue
        if sentences and not sentences[-1].endswith((".", ":")):
            sentences[-1] += f" {text}"
        else:
            sentences.append(text)
    return "\n".join(sentences).replace("in the package registry", "in any registry")
