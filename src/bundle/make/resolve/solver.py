"""Runs uv as a pure solver: requirements and a loopback index in, one consistent set of versions out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.base.errors import ConfigError, WorkError
from bundle.base.processes.run import run
from bundle.make.resolve.index_server import serving
from bundle.make.resolve.requirements import parsed_version
from bundle.make.resolve.solver_index import SolverIndex
from bundle.model.locks.lock import ROOT

_LIMITS = "constraints.txt"

_NEAREST = 4
"""Existing versions that an error shows in place of one that does not exist."""

_NEEDED = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "USERPROFILE")

_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==(\S+)")
_FRAME = re.compile(r"^[^\w'\"`(]*(?:(?:cause|error):)?\s*")


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A consistent set of versions."""

    versions: Mapping[str, Version]
    """By normalised name."""
    required_by: Mapping[str, tuple[str, ...]]
    """The packages that ask for each; `ROOT` stands for the configuration."""


class UnsolvableError(Exception):
    """There is no consistent set of versions; the text is the solver's explanation, cleaned."""


def solve(index: SolverIndex, *, preferences: Mapping[str, Version], what: str, work: Path) -> Solution:
    """Find one version of each package that the roots of an index need, directly or not.

    Args:
        index: shows more versions, one reason after the other, while uv finds no solution.
        preferences: versions to keep if they fit.
        what: names the resolution in messages.
        work: a folder for uv's files.

    Returns:
        A solution; some of its versions may have no usable file.

    Raises:
        ConfigError: there is no such package or version, the requirements contradict each other, or metadata name an
            address that the configuration does not list.
        BundleError: an answer of the index failed.
        WorkError: uv itself failed.
    """
    while True:
        try:
            solution = _run_uv(index, preferences, work)
        except UnsolvableError as error:
            if not index.widen():
                index.refuse_addresses()
                raise _explained(error, index, what) from error
        else:
            index.refuse_addresses(solution.versions)
            return solution


def _run_uv(index: SolverIndex, preferences: Mapping[str, Version], work: Path) -> Solution:
    from uv import find_uv_bin

    target = index.policy.target
    work.mkdir(parents=True, exist_ok=True)
    question, answer = work / "requirements.in", work / "requirements.txt"
    lines = sorted({index.rewriter.requirement(root) for root in index.roots})
    question.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    answer.write_text("".join(f"{name}=={preferences[name]}\n" for name in sorted(preferences)), encoding="utf-8")
    limits = work / _LIMITS
    limits.write_text("".join(f"{one}\n" for one in index.constraints), encoding="utf-8")
    with serving(index) as served:
        done = run(
            [
                *(find_uv_bin(), "pip", "compile", question.name, "--output-file", answer.name),
                # uv warns of an empty file, and would do so in the middle of an explanation.
                *(("--constraint", limits.name) if index.constraints else ()),
                *("--no-config", "--no-cache", "--no-build", "--no-header", "--default-index", served.url),
                *("--python", sys.executable, "--python-version", target.python),
                # The glibc in uv's names does not matter: every file that it sees fits every platform.
                *("--python-platform", target.platform.uv),
            ],
            env=_environment(work),
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


def _environment(work: Path) -> dict[str, str]:
    """Return a complete environment without the user's own settings for uv."""
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return environment | {
        # The user's own folder for temporary files may be full, or read-only.
        **dict.fromkeys(("TEMP", "TMP", "TMPDIR"), str(work)),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "UV_HTTP_RETRIES": "0",
        # The index answers when a registry has answered, or a source was built; it limits the time of both itself.
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
        if name and asker and asker != f"-c {_LIMITS}":
            required_by[name].append(ROOT if asker == f"-r {question}" else canonicalize_name(asker))
    return Solution(
        versions=versions,
        required_by={name: tuple(sorted(set(askers))) for name, askers in required_by.items()},
    )


def explanation(errors: str) -> str:
    """Return uv's explanation in whole sentences, without its frame, its headline and its advice about options."""
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


def _explained(error: UnsolvableError, index: SolverIndex, what: str) -> ConfigError:
    found = [*_unknown(index), *_no_such_version(index)]
    if not found:
        return ConfigError(
            f"The requirements of {what} contradict each other.",
            details=str(error).splitlines(),
            remedy="Loosen one of the requirements named above, or decide with packages.overrides. A bundle of layout "
            "wheelhouse can hold both sides as sets (packages.sets).",
        )
    if len(found) == 1:
        return ConfigError(found[0], remedy=_REMEDY, details=str(error).splitlines())
    return ConfigError(
        f"The requirements of {what} name packages or versions that no registry has.",
        details=[*found, *str(error).splitlines()],
        remedy=_REMEDY,
    )


_REMEDY = "Correct the name or the version in packages.dependencies, or name the registry that has it."


def _unknown(index: SolverIndex) -> list[str]:
    lines = []
    for name in sorted(index.unknown):
        requested_by = index.askers(name)
        if requested_by:
            who = " and ".join(dict.fromkeys(requested.who for requested in requested_by[:3]))
            lines.append(f"No registry has a package {name!r}; {who} requires it.")
    return lines


def _no_such_version(index: SolverIndex) -> list[str]:
    overridden = index.policy.packages.overrides
    lines = set()
    for requested in list(index.requested_by.values()):
        # A version that was only tried may require what does not exist: only the configuration's requirements count.
        if requested.name in index.unknown or (requested.asker and requested.name not in overridden):
            continue
        specifier = index.specifier(requested)
        known = index.known(requested.name)
        if known and not any(specifier.contains(version, prereleases=True) for version in known):
            near = ", ".join(map(str, nearest(known, _versions_in(str(specifier)))))
            others = f" {served}" if (served := index.precedence(requested.name)) else ""
            lines.add(f"{requested.name} has no version that satisfies {specifier}; the nearest are {near}.{others}")
    return sorted(lines)


def nearest(known: Sequence[Version], wanted: Sequence[Version]) -> list[Version]:
    """Return the versions around the wanted ones, in order; final releases only, if there are any.

    Args:
        wanted: versions that a requirement names; without any, the newest are the nearest.
    """
    ordered = sorted(version for version in known if not version.is_prerelease) or sorted(known)
    if not wanted:
        return ordered[-_NEAREST:]
    place = sum(version < wanted[0] for version in ordered)
    start = max(0, min(place - _NEAREST // 2, len(ordered) - _NEAREST))
    return ordered[start : start + _NEAREST]


def _versions_in(specifier: str) -> list[Version]:
    parsed = (parsed_version(part.lstrip("=<>!~ ").removesuffix(".*")) for part in specifier.split(","))
    return [version for version in parsed if version is not None]
