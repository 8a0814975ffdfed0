"""The relocation check: in another place, where it is read-only, the bundle must work as in its own.

Bubblewrap shows the bundle there, which takes no space and no time; where it cannot be used, the bundle is copied.
"""

from __future__ import annotations

import json
import ntpath
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from bundle.artifacts.runtime import NATIVE
from bundle.base.errors import WorkError
from bundle.base.folders import copy_tree, listing, remove_tree
from bundle.base.processes.bubblewrap import mounted
from bundle.base.text import last_lines
from bundle.base.threads import all_of, in_parallel
from bundle.make.verify.checks.contents import INTERPRETER
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.failure import inconclusive, no_interpreter
from bundle.make.verify.trials.importing import Target, import_targets
from bundle.make.verify.trials.imports import targets_of
from bundle.make.verify.trials.installed import Environment, in_tests
from bundle.make.verify.trials.isolation import Isolation, Tried
from bundle.make.verify.trials.scripts import start_scripts

CHECK = "relocation"

PLACE = "räume & spaces"
"""Name of the other folder, with a space, an accent, and a character that is special in shells."""

_TIMEOUT = 300.0
_STDLIB = ("bz2", "ctypes", "hashlib", "lzma", "readline", "sqlite3", "ssl", "zlib")
"""Modules of the standard library whose libraries an interpreter may leave behind when it moves."""

_SHOWN = 10

_ASK = """
import json, sys, sysconfig
print(json.dumps({
    "sys.prefix": sys.prefix, "sys.exec_prefix": sys.exec_prefix, "sys.base_prefix": sys.base_prefix,
    "paths": sysconfig.get_paths(), "variables": sysconfig.get_config_vars(),
}, default=str))
"""

_BASE = "import json, sys; print(json.dumps(sys.base_prefix))"
"""As JSON, because programs on Windows write to a pipe in an encoding of their own."""

_PIP = """
import ensurepip, subprocess, sys
start, own = getattr(ensurepip, "_run_pip", None), sys.argv[1:]
if start and own:
    command = [sys.executable, *own]
    ensurepip._run_pip = lambda options, *_: subprocess.run([*command, *options, "--no-compile"], check=True)
elif start:
    ensurepip._run_pip = lambda options, *more: start([*options, "--no-compile"], *more)
ensurepip.bootstrap(upgrade=True, default_pip=True)
"""
"""What `python -m venv` runs in a new environment, without compiling all of pip twice, most of its time.

The pip that installs is the bundle's, whose compiled modules are kept, if its own way to run for another interpreter is
given; else that in the wheel, as usual.
"""

_PIP_RUNNER = "pip/__pip-runner__.py"


def check_relocation(subject: Subject, isolation: Isolation) -> Outcome:
    """Use a bundle at a path with a space and an accent, where it is read-only.

    Its `sys.prefix` and sysconfig must name the new place; native modules, scripts and virtual environments must
    work; nothing may be written into it.
    """
    with _elsewhere(subject, isolation) as moved:
        _share_caches(isolation, moved)
        before = _state(moved.files)
        trials: list[Callable[[], Outcome]] = [
            lambda: _where(subject, moved),
            lambda: _modules(subject, isolation, moved),
            lambda: start_scripts(subject, moved),
            # The last: by now others have compiled much of pip.
            lambda: _environment(moved),
        ]
        # Some emulators share one server.
        at_once = subject.jobs if isolation.runner is NATIVE else 1
        outcomes = all_of(in_parallel(lambda trial: trial(), trials, threads=at_once))
        outcomes.append(_untouched(before, _state(moved.files)))
    return Outcome(
        findings=tuple(finding for outcome in outcomes for finding in outcome.findings),
        checked=sum(outcome.checked for outcome in outcomes),
    )


@contextmanager
def _elsewhere(subject: Subject, isolation: Isolation) -> Iterator[Isolation]:
    """Show the bundle in another place, or copy it there."""
    place = isolation.scratch / PLACE
    moved = replace(isolation, root=place / "python", copied=isolation.root)
    moved.root.mkdir(parents=True)
    try:
        if isolation.runner is NATIVE and (mount := mounted(isolation.root, moved.root)):
            yield replace(moved, mount=mount)
            return
        moved.root.rmdir()
        with subject.reporter.task("copying the bundle"):
            copy_tree(isolation.root, moved.root, read_only=True)
        yield moved
    finally:
        remove_tree(place)


def _share_caches(here: Isolation, moved: Isolation) -> None:
    """Let both places use each other's compiled modules; the cache mirrors the sources' paths."""
    if here.platform.is_windows and here.runner is NATIVE:
        return  # Windows restricts symlinks; under Wine this machine makes them.
    made = here.caches.joinpath(*here.root.parts[1:])
    link = here.caches.joinpath(*moved.root.parts[1:])
    if not os.path.lexists(link):
        made.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(made)


def _state(root: Path) -> dict[str, tuple[int, int, int]]:
    # Compiled modules are no change: Python writes them where it may, and works without.
    return {
        path: (status.st_mode, status.st_size if stat.S_ISREG(status.st_mode) else 0, status.st_mtime_ns)
        for path, status in listing(root).items()
        if "__pycache__" not in path.split("/") and not stat.S_ISDIR(status.st_mode)
    }


def _untouched(before: Mapping[str, tuple[int, int, int]], after: Mapping[str, tuple[int, int, int]]) -> Outcome:
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return Outcome(
        findings=tuple(
            RULES["bundle-changed"].finding(
                path,
                f"was {'changed' if path in before and path in after else 'removed' if path in before else 'written'} "
                "while the bundle was used, which must work in a read-only folder.",
            )
            for path in changed[:_SHOWN]
        ),
        checked=1,
    )


def _where(subject: Subject, moved: Isolation) -> Outcome:
    """Ask the interpreter for its place, started by its path, through a symlink, and by its name on PATH."""
    findings: list[Finding] = []
    ways: dict[str, list[str | Path]] = {"by its path": [moved.executable]}
    variables: dict[str, str] = {}
    if not moved.platform.is_windows:
        link = moved.scratch / "linked python"
        link.symlink_to(moved.executable)
        ways["through a symlink"] = [link]
    if not moved.platform.is_windows and moved.runner.shell:
        ways["through PATH"] = ["/bin/sh", "-c", 'exec "$0" "$@"', moved.executable.name]
        variables["PATH"] = f"{moved.executable.parent}:{moved.variables['PATH']}"
    reported: set[tuple[str, str]] = set()
    for way, command in ways.items():
        answer = _answer(moved, [*command, *moved.options, "-c", _ASK], variables)
        if isinstance(answer, Finding):
            findings.append(answer)
            break
        findings += _wrong_places(subject, moved, way, answer, reported)
    return Outcome(findings=tuple(findings), checked=len(ways))


def _answer(moved: Isolation, command: list[str | Path], variables: Mapping[str, str]) -> dict[str, Any] | Finding:
    try:
        completed = moved.run(command, timeout=_TIMEOUT, variables=variables)
    except WorkError as error:
        return no_interpreter(CHECK, error)
    if completed.code or completed.timed_out:
        return _ended(moved, completed, "interpreter-fails", "the interpreter", "does not start in its new folder")
    answer: dict[str, Any] = json.loads(completed.output)
    return answer


def _wrong_places(
    subject: Subject, moved: Isolation, way: str, answer: Mapping[str, Any], reported: set[tuple[str, str]]
) -> list[Finding]:
    """Return the values that name another place, without those already reported for another way of starting."""
    values = {name: answer[name] for name in ("sys.prefix", "sys.exec_prefix", "sys.base_prefix")}
    values |= {f"sysconfig.get_paths()[{name!r}]": value for name, value in answer["paths"].items()}
    variables = answer["variables"]
    for name in ("prefix", "exec_prefix", "installed_base", "LIBDIR", "INCLUDEPY", "BINDIR", "LIBDEST"):
        if variables.get(name) is not None:
            values[f"sysconfig.get_config_var({name!r})"] = variables[name]
    new = _path(moved, moved.runner.translate(moved.root.resolve()))
    old = moved.runner.translate(subject.root)
    wrong = {
        name: f"is {value} when the interpreter is started {way}; the bundle is in {new}."
        for name, value in values.items()
        if not _path(moved, str(value)).is_relative_to(new)
    }
    for variable, value in variables.items():
        name = f"sysconfig.get_config_var({variable!r})"
        values.setdefault(name, value)
        if name not in wrong and old in str(value):
            wrong[name] = f"names the place that the bundle was moved from: {value}"
    fresh = [name for name in wrong if (name, str(values[name])) not in reported]
    reported.update((name, str(values[name])) for name in fresh)
    return [RULES["old-place"].about(name, wrong[name]) for name in fresh]


def _modules(subject: Subject, here: Isolation, moved: Isolation) -> Outcome:
    """Import what the check of imports does, without modules of tests, and parts of the standard library."""
    environment = Environment(contents=subject.contents)
    unfit = {module.name for module in subject.contents.modules if module.other}
    fitting = [target for target in targets_of(environment) if target.name not in unfit]
    targets = {target.name: target for target in fitting if not in_tests(target.name)}
    stdlib = [name for name in _STDLIB if name != "readline" or not moved.platform.is_windows]
    targets |= {name: Target(package=INTERPRETER, name=name, path="") for name in stdlib}
    try:
        failures = import_targets(moved, environment, tuple(targets.values()), jobs=subject.jobs)
        # What fails in its own place, too, is a finding of the check `imports`.
        suspects = [target for name, target in targets.items() if name in failures and name not in stdlib]
        broken = import_targets(here, environment, suspects, jobs=subject.jobs)
    except WorkError as error:
        return Outcome(findings=(no_interpreter(CHECK, error),))
    findings: list[Finding] = []
    for name, failure in sorted(failures.items()):
        named = f"{targets[name].package}: {name}"
        if name in broken:
            continue
        if name in _STDLIB and "ModuleNotFoundError" in failure.output:
            findings.append(RULES["module-absent"].about(named, "this interpreter was built without it."))
            continue
        finding = failure.finding("moved-import-fails", named, subject.skipped)
        if failure.emulator is None:
            finding = replace(finding, message=f"{finding.message} It was imported in another place.")
        findings.append(finding)
    return Outcome(findings=tuple(findings), checked=len(targets))


def _environment(moved: Isolation) -> Outcome:
    """Make a virtual environment with the bundle there, and use its pip."""
    folder = moved.scratch / "environment"
    python = folder / ("Scripts/python.exe" if moved.platform.is_windows else "bin/python")
    steps: list[tuple[str, list[str | Path]]] = [
        ("python -m venv", [moved.executable, *moved.options, "-m", "venv", "--without-pip", folder]),
        ("a virtual environment's python", [python, *moved.options, "-c", _BASE]),
        # Without options: an isolated one starts pip without the folder for compiled modules.
        ("a virtual environment's ensurepip", [python, "-c", _PIP, *_runner_of_pip(moved)]),
        ("a virtual environment's pip", [python, *moved.options, "-m", "pip", "--version"]),
    ]
    findings: list[Finding] = []
    if not moved.runner.children:
        # pip is installed by a program that the environment's Python starts.
        del steps[-2:]
        what = f"made without pip: {moved.runner.name} cannot start the program that installs it."
        findings.append(RULES["tried-in-part"].about("python -m venv", what))
    for subject, command in steps:
        try:
            completed = moved.run(command, timeout=_TIMEOUT)
        except WorkError as error:
            findings.append(RULES["venv-fails"].about(subject, error.what))
            break
        if completed.code or completed.timed_out:
            findings.append(_ended(moved, completed, "venv-fails", subject, "does not work"))
            break
        if command[-1] == _BASE:
            base = json.loads(completed.output)
            new = moved.runner.translate(moved.root.resolve())
            if not _path(moved, base).is_relative_to(new):
                findings.append(RULES["venv-fails"].about(subject, f"has the base {base}, not {new}."))
    return Outcome(findings=tuple(findings), checked=len(steps))


def _runner_of_pip(moved: Isolation) -> list[Path]:
    """Return the program by which the bundle's pip works for another interpreter, if it has one."""
    runner = Path(moved.platform.site_packages(moved.python), _PIP_RUNNER)
    return [moved.root / runner] if (moved.files / runner).is_file() else []


def _path(moved: Isolation, text: str) -> PurePath:
    """Return a path from the interpreter's output, normalised."""
    if moved.platform.is_windows:
        return PureWindowsPath(ntpath.normpath(text))
    return PurePosixPath(posixpath.normpath(text))


def _ended(moved: Isolation, completed: Tried, rule: str, subject: str, what: str) -> Finding:
    how = "it exceeded the time limit" if completed.timed_out else f"exit code {completed.code}"
    details = last_lines(completed.errors or completed.output)
    if words := moved.inconclusive(completed):
        return inconclusive(rule, subject, words, details, check=CHECK)
    return RULES[rule].about(subject, f"{what}: {how}.", details=details, check=CHECK)
