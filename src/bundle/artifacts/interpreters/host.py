"""Interpreter source `host`: a CPython of this machine, made portable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.version import Version

from bundle.artifacts.interpreters.portable import host_copy, host_discovery, run_paths
from bundle.artifacts.interpreters.portable.facts import About
from bundle.artifacts.interpreters.portable.host_discovery import Answer, Candidate
from bundle.artifacts.interpreters.source import Offer, Refusal, Request, Tools
from bundle.base.errors import WorkError
from bundle.base.files import sha256_of
from bundle.model import revisions
from bundle.model.platforms import Platform, short_version

NAME = "host"


class Host:
    """The source.

    Args:
        named: the one interpreter to take, an executable or a prefix; None: all of this machine.
    """

    name = NAME

    def __init__(self, named: Path | None = None) -> None:
        self._named = named

    def offers(self, request: Request) -> Sequence[Offer | Refusal]:
        """Return the CPythons X.Y of this machine, the exact version first, then the newest."""
        machine = request.machine
        if request.platform != machine or machine is None:
            own = machine.key if machine else "none of the known platforms"
            return [_refusal(f"this machine is {own}, and a Python of this machine serves only its own platform")]
        if machine.system != "linux":
            return [_refusal(f"not yet supported on {machine.key}; use python-build-standalone or an archive there")]
        answers = list(self._answers(request, machine))
        offers = [answer for answer in answers if isinstance(answer, Offer)]
        offers.sort(key=lambda offer: Version(offer.python), reverse=True)
        offers.sort(key=lambda offer: offer.python != request.python)
        refusals = [answer for answer in answers if isinstance(answer, Refusal)]
        if not answers:
            short = short_version(request.python)
            refusals = [
                _refusal(f"no python{short} on PATH, under pyenv or managed by uv; install one, with its headers")
            ]
        return [*offers, *refusals]

    def fetch(self, offer: Offer, request: Request, tools: Tools) -> Offer:  # noqa: ARG002 - the protocol's signature
        """Return the offer: it is here."""
        return offer

    def look(self, offer: Offer, request: Request, tools: Tools) -> None:
        """Do nothing: it is here."""

    def make(self, offer: Offer, request: Request, tree: Path, tools: Tools) -> About:
        """Copy it, with the libraries that it needs."""
        original = host_copy.Original(python=offer.python, prefix=Path(offer.location), platform=request.platform)
        home = request.environ.get("HOME") or str(Path.home())
        return host_copy.copy(original, tree, home=home, user_site=request.user_site, reporter=tools.reporter)

    def _answers(self, request: Request, machine: Platform) -> Iterator[Offer | Refusal]:
        prefixes: set[Path] = set()
        for candidate in self._candidates(request):
            if self._named is not None and (environment := _environment_of(candidate.executable)):
                yield _refusal(
                    f"{environment} is a virtual environment, whose packages would be left out; name the "
                    "Python that it was made from"
                )
                continue
            try:
                answer = host_discovery.ask(candidate, request.environ)
            except WorkError as error:
                yield _refusal(f"{candidate.executable} ({candidate.origin}) does not answer: {error.what}")
                continue
            real = answer.prefix.resolve()
            if real in prefixes:
                continue
            prefixes.add(real)
            wanted = short_version(request.python)
            if self._named is not None and short_version(answer.python) != wanted:
                yield _refusal(f"{candidate.executable} is Python {answer.python}, and {wanted} is required")
            elif obstacles := answer.obstacles(machine):
                yield _refusal(f"{answer.python} of {candidate.origin} in {answer.prefix}: {'; '.join(obstacles)}")
            else:
                yield _offer(answer, machine)

    def _candidates(self, request: Request) -> Iterator[Candidate]:
        if self._named is None:
            yield from host_discovery.candidates(request.python, request.environ)
            return
        executable = self._named
        if executable.is_dir():
            names = (f"bin/python{short_version(request.python)}", "bin/python3", "bin/python")
            executable = next(
                (executable / name for name in names if (executable / name).exists()), executable / names[0]
            )
        yield Candidate(executable=executable, origin="the command line")


def _environment_of(executable: Path) -> Path | None:
    folder = executable.absolute().parent.parent
    return folder if (folder / "pyvenv.cfg").is_file() else None


def _offer(answer: Answer, machine: Platform) -> Offer:
    original = host_copy.Original(python=answer.python, prefix=answer.prefix, platform=machine)
    return Offer(
        source=NAME,
        python=answer.python,
        detail=f"{answer.prefix}, found by {answer.candidate.origin}",
        key=_key(original),
        location=str(answer.prefix),
    )


def _key(original: host_copy.Original) -> dict[str, str]:
    """Return the identity of all files that a copy is made from.

    The libraries that are copied as well are only known once every binary has been read, which takes too long for an
    unchanged build; so all libraries that the dynamic linker knows count.
    """
    listing = hashlib.sha256()
    binaries = hashlib.sha256(sha256_of(original.executable).encode())
    for path, source in original.kept(set()):
        status = source.stat() if source.exists() else source.lstat()
        listing.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_mode & 0o111}\n".encode())
        if path.startswith("lib/libpython") and not source.is_symlink():
            binaries.update(sha256_of(source).encode())
    system = hashlib.sha256()
    for name, library in sorted(run_paths.Linker.of_machine(original.platform).cached.items()):
        system.update(f"{name}\0{_stamp(library)}\n".encode())
    return {
        "kind": NAME,
        "platform": original.platform.key,
        "python": original.python,
        "rules": str(revisions.INTERPRETER),
        "binaries": binaries.hexdigest(),
        "files": listing.hexdigest(),
        "libraries": system.hexdigest(),
        "strip": _stamp(run_paths.strip_program()),
        "patchelf": _stamp(run_paths.patchelf_program()),
    }


def _stamp(path: Path | None) -> str:
    if path is None:
        return "none"
    try:
        status = os.stat(path)  # noqa: PTH116 - hundreds of libraries, asked on every build
    except FileNotFoundError:
        return "missing"
    return f"{status.st_size}-{status.st_mtime_ns}"


def _refusal(reason: str) -> Refusal:
    return Refusal(source=NAME, reason=reason)
