"""The start of every script of a moved bundle."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.base.files import sha256_of
from bundle.base.processes.run import Completed
from bundle.base.text import last_lines
from bundle.base.threads import all_of, in_parallel
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.excuses import excuse_script
from bundle.make.verify.trials.failure import Failure, signal_name
from bundle.make.verify.trials.installed import Environment
from bundle.make.verify.trials.isolation import Isolation, Tried

TIMEOUT = 60.0
"""Seconds after which a script counts as started."""

_HEAD = 4096
"""Bytes in which a script's first lines are."""

_IMPORT_ERROR = re.compile(r"(ImportError|ModuleNotFoundError|SyntaxError|IndentationError|TabError)\b")
_MISSING_FILE = re.compile(r"FileNotFoundError\b.*(python|site-packages)", re.IGNORECASE)
_LAUNCHER = re.compile(r"Fatal error in launcher: ")
"""The message of a Windows launcher that finds no Python, or no script inside itself."""
_NOT_STARTED = {126: "cannot be executed", 127: "names a program that does not exist"}


_PROGRAMS = (b"#!", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
"""The first bytes of what Linux and macOS start: scripts, ELF, Mach-O and its universal files."""

_Start = Callable[[Path], Tried]
"""Starts a script in a current folder."""

_Way = tuple[str, _Start]
"""The script's path, and the function that starts it."""


def failure_of(completed: Completed) -> Failure | None:
    """Return the reason why a script did not start, None if it did.

    Any exit code of the program itself is fine: it may reject `--help`. A program that still runs has started.

    Args:
        completed: the end of `SCRIPT --help`.
    """
    if completed.timed_out:
        return None
    errors = completed.errors
    if completed.code < 0:
        return Failure(message=f"was killed by {signal_name(completed.code)}.", output=errors)
    if completed.code in _NOT_STARTED:
        return Failure(message=f"{_NOT_STARTED[completed.code]} (exit code {completed.code}).", output=errors)
    if _LAUNCHER.match(errors) and completed.code:
        return Failure(message="does not find its interpreter or its files.", output=errors)
    last = (last_lines(errors, 1) or ("",))[0]
    if "Traceback (most recent call last)" in errors or "SyntaxError" in last:
        if _IMPORT_ERROR.match(last):
            return Failure(message="stops with an import error.", output=errors)
        if _MISSING_FILE.match(last):
            return Failure(message="does not find its interpreter or its files.", output=errors)
    return None


def start_scripts(subject: Subject, moved: Isolation) -> Outcome:
    """Start every script of a copy with `--help`, one of them also by a link from elsewhere and by its name alone.

    Scripts with the same bytes, such as `pip` and `pip3`, find and do the same: one start tells of all.
    """
    packages = subject.contents.scripts
    programs = {path: package for path, package in packages.items() if _is_program(moved, path)}
    first = _first_of_same(moved, programs)
    ways, notes = _ways(moved, {path: package for path, package in programs.items() if first[path] == path})
    what = "not started: it is no program of this platform."
    notes += [RULES["tried-in-part"].about(f"{packages[path]}: {path}", what) for path in packages.keys() - programs]
    failures: dict[str, Failure] = {}

    def start(way: str) -> None:
        path, action = ways[way]
        with tempfile.TemporaryDirectory(dir=moved.scratch, prefix="script-", ignore_cleanup_errors=True) as folder:
            try:
                completed = action(Path(folder))
            except WorkError as error:
                failures[way] = Failure(message=moved.relative(error.what), output=error.cause or "")
                return
            failure = failure_of(completed)
            words = None if completed.timed_out else moved.inconclusive(completed, started=failure is None)
        if words is not None:
            failures[way] = Failure(message=words, output=completed.errors, emulator=words)
        elif failure is not None:
            failures[way] = failure
        elif completed.timed_out:
            message = f"started, and was stopped after {completed.seconds:.0f} s."
            notes.append(RULES["tried-in-part"].about(f"{packages[path]}: {way}", message))

    with subject.reporter.task("starting scripts", total=len(ways), unit="scripts") as task:

        def step(way: str) -> None:
            start(way)
            task.advance()

        all_of(in_parallel(step, ways, threads=subject.jobs))
    environment = Environment(contents=subject.contents)
    findings = []
    # Each way with its script, and the way that answers for it.
    answers = {way: (path, way) for way, (path, _) in ways.items()}
    answers |= {path: (path, same) for path, same in first.items() if same in ways}
    for way, (path, answer) in sorted(answers.items()):
        direct = failures.get(path)
        # What fails by its own path fails in the other ways as well.
        told = way != path and direct is not None and direct.emulator is None
        if (failure := failures.get(answer)) and not told:
            package = packages[path]
            finding = failure.finding("script-fails", f"{package}: {way}", subject.skipped, file=path)
            if _IMPORT_ERROR.search(failure.output):
                script = Path(path).name.removesuffix(".exe")
                finding = excuse_script(finding, failure.output, script, package, environment, subject.skipped)
            findings.append(finding)
    return Outcome(findings=(*findings, *sorted(notes, key=lambda finding: finding.subject)), checked=len(answers))


def _first_of_same(moved: Isolation, scripts: Iterable[str]) -> dict[str, str]:
    """Return for each script the first one with the same bytes; links are followed."""
    first: dict[str, str] = {}
    return {path: first.setdefault(sha256_of(moved.files / path), path) for path in scripts}


def _ways(moved: Isolation, scripts: Mapping[str, str]) -> tuple[dict[str, _Way], list[Finding]]:
    """Return the ways to start each script, and notes about those that cannot be started."""
    if moved.platform.is_windows or moved.runner.shell:
        start = _launcher_starter if moved.platform.is_windows else _starter
        direct = {path: (path, start(moved, [moved.root / path])) for path in scripts}
        return direct | _other_ways(moved, scripts), []
    ways: dict[str, _Way] = {}
    notes: list[Finding] = []
    for path, package in scripts.items():
        file, shown = moved.files / path, moved.root / path
        if _is_polyglot(file):
            ways[path] = (path, _starter(moved, [moved.executable, shown]))
        elif not _has_header(file):
            ways[path] = (path, _starter(moved, [shown]))
        else:
            what = f"not started: {moved.runner.name} has no shell, and it is a script for another program than Python."
            notes.append(RULES["tried-in-part"].about(f"{package}: {path}", what))
    if ways:
        what = f"{moved.runner.name} has no shell to start them: each was passed to the interpreter; whether they find "
        what += "it by themselves is not proven."
        notes.append(RULES["tried-in-part"].about("scripts", what))
    return ways, notes


def _starter(moved: Isolation, command: Sequence[Path]) -> _Start:
    return lambda folder: moved.run([*command, "--help"], timeout=TIMEOUT, folder=folder)


def _other_ways(moved: Isolation, scripts: Mapping[str, str]) -> dict[str, _Way]:
    """Return how to start one script by a symlink from another folder, and through PATH."""
    headed = [path for path in scripts if _has_header(moved.files / path)]
    if moved.platform.is_windows or not headed:
        return {}
    path = headed[0]
    link = moved.scratch / "else where" / moved.root.name / Path(path).name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(moved.root / path)
    search = f"{moved.root / moved.platform.scripts}:{moved.variables['PATH']}"

    def by_path(folder: Path) -> Tried:
        command: list[str | Path] = ["/bin/sh", "-c", 'exec "$0" --help', link.name]
        return moved.run(command, timeout=TIMEOUT, variables={"PATH": search}, folder=folder)

    return {
        f"{path} through a symlink": (path, _starter(moved, [link])),
        f"{path} through PATH": (path, by_path),
    }


def _launcher_starter(moved: Isolation, command: Sequence[Path]) -> _Start:
    """Return the function that starts a Windows launcher, which may end without output when it finds no Python."""

    def start(folder: Path) -> Tried:
        completed = moved.run([*command, "--help"], timeout=TIMEOUT, folder=folder)
        if completed.code and not (completed.output or completed.errors or completed.timed_out):
            loud = {"PYTHONVERBOSE": "1"}
            verbose = moved.run([*command, "--help"], timeout=TIMEOUT, variables=loud, folder=folder)
            if not verbose.errors:
                return replace(completed, code=127)
        return completed

    return start


def _is_polyglot(path: Path) -> bool:
    """Return whether a script is valid both as shell and as Python, so that the interpreter can run it directly."""
    with path.open("rb") as file:
        return b"\n''':'\n" in file.read(_HEAD)


def _is_program(moved: Isolation, path: str) -> bool:
    """Return whether the platform starts a file by itself; a shell that is told to read one may take any text."""
    if moved.platform.is_windows:
        return True
    with (moved.files / path).open("rb") as file:
        return file.read(4).startswith(_PROGRAMS)


def _has_header(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"
