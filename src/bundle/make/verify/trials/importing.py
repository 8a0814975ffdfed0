"""Importing the modules of a bundle: each afresh, and those that fail also in the order of their users."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.base.threads import all_of, in_parallel
from bundle.make.verify.trials.failure import Failure, signal_name
from bundle.make.verify.trials.installed import Environment, Installed
from bundle.make.verify.trials.isolation import Isolation

TIMEOUT = 120.0
"""Seconds that one import may take."""

_FORKS = Path(__file__).with_name("import_probe.py")
_USES = Path(__file__).with_name("use_probe.py")

_EACH = 5.0
"""Seconds more for each module that one process imports after the others."""

_DONE = "imported: "
_EXITED = "exited: "

_PLAIN = f"""import os, sys
name = sys.argv[1]
try:
    __import__(name)
    done = '\\n{_DONE}' + name
except SystemExit as error:
    done = '\\n{_EXITED}' + repr(error.code)
os.write(1, done.encode(errors='replace'))"""
"""The name comes last: a module can end the process with exit code 0, and so can an emulator that gives up."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A module to import."""

    package: str
    """Normalised name of its distribution."""
    name: str
    """Dotted."""
    path: str
    """Relative to the bundle's root."""
    native: bool = True
    """Whether it is a native module; if not, users of the distribution import it first."""


def import_targets(
    isolation: Isolation,
    environment: Environment,
    targets: Sequence[Target],
    *,
    jobs: int,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Failure]:
    """Import modules afresh; those that fail count as imported if they are when their package is used.

    Returns:
        failures by module name.

    Raises:
        WorkError: the interpreter cannot be started at all.
    """
    failures = import_modules(isolation, [target.name for target in targets], jobs=jobs, done=done)
    prefix = f"{isolation.platform.site_packages(isolation.python)}/"
    again: defaultdict[str, list[Target]] = defaultdict(list)
    for target in targets:
        failure = failures.get(target.name)
        if failure is not None and target.native and target.path.startswith(prefix) and not failure.timed_out:
            again[target.package].append(target)

    def use(package: str) -> set[str]:
        installed = environment.installed.get(package, Installed())
        modules = {target.name: target.path.removeprefix(prefix) for target in again[package]}
        starts = dict.fromkeys((*installed.top_level, *(module for module, _ in installed.scripts.values())))
        return _use(isolation, [name for name in starts if name not in failures], modules)

    for loaded in all_of(in_parallel(use, again, threads=jobs)):
        for name in loaded:
            del failures[name]
    return failures


def import_modules(
    isolation: Isolation,
    names: Sequence[str],
    *,
    jobs: int,
    timeout: float = TIMEOUT,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Failure]:
    """Import modules, each in a process of its own.

    Where processes can fork, one pass imports them all (see import_probe.py). Modules that fail there are imported
    again by a fresh interpreter, and that result counts.

    Args:
        jobs: how many at once.
        timeout: seconds that one import may take.
        done: called with the number of further modules that are done.

    Returns:
        failures by module name.

    Raises:
        WorkError: the interpreter cannot be started at all.
    """
    passed: set[str] = set()
    if isolation.platform.system == "linux" and len(names) > 1:
        # A fork limits macOS programs, and Windows has none.
        passed = _fork(isolation, names, jobs, timeout)
        done(len(passed))
    failures: dict[str, Failure] = {}

    def import_one(name: str) -> None:
        failure = _import_afresh(isolation, name, timeout)
        if failure is not None:
            failures[name] = failure
        done(1)

    all_of(in_parallel(import_one, [name for name in names if name not in passed], threads=jobs))
    return failures


def _fork(isolation: Isolation, names: Iterable[str], jobs: int, timeout: float) -> set[str]:
    request = "\n".join((str(jobs), str(max(1, int(timeout))), *names))
    # A module that hangs is ended by an alarm; this is for one that blocks it.
    source = _FORKS.read_text(encoding="utf-8")
    completed = isolation.run_python(["-c", source], stdin=request.encode(), timeout=5 * timeout)
    return set(completed.output.splitlines())


def _use(isolation: Isolation, first: Sequence[str], modules: dict[str, str]) -> set[str]:
    """Return which modules of a distribution load when it is used; see use_probe.py.

    Args:
        first: the modules that its users begin with.
        modules: paths inside site-packages by name.
    """
    source = _USES.read_text(encoding="utf-8")
    site = isolation.root / isolation.platform.site_packages(isolation.python)
    loaded: set[str] = set()
    left = [*first, *modules]
    while any(name in modules for name in left):
        request = {
            "site": isolation.runner.translate(site),
            "first": [name for name in first if name in left],
            "modules": [(name, modules[name]) for name in modules if name in left],
        }
        limit = TIMEOUT + _EACH * len(left)
        completed = isolation.run_python(["-c", source], stdin=json.dumps(request).encode(), timeout=limit)
        lines = [line.split(" ", 1) for line in completed.output.splitlines()]
        tried = [name for word, name in lines if word == "try"]
        loaded |= {name for word, name in lines if word == "pass"}
        if not tried or tried[-1] == left[-1]:
            break
        # The last one ended the process; the others have their turn without it.
        left = [name for name in left if name != tried[-1] and not (name in modules and name in tried)]
    return loaded


def _import_afresh(isolation: Isolation, name: str, timeout: float) -> Failure | None:
    completed = isolation.run_python(["-X", "faulthandler", "-c", _PLAIN, name], timeout=timeout)
    exited = completed.output.rpartition("\n")[2].startswith(_EXITED)
    if completed.timed_out:
        message = f"was not imported within {completed.seconds:.0f} s."
    elif completed.code < 0:
        message = f"crashes at import: killed by {signal_name(completed.code)}."
    elif exited:
        message = f"ends the interpreter at import: sys.exit({completed.output.rpartition(_EXITED)[2]})."
    elif completed.code:
        message = "cannot be imported."
    elif not completed.output.endswith(_DONE + name):
        message = "ends the interpreter at import, with exit code 0."
    else:
        return None
    raised = "Traceback (most recent call last)" in completed.errors
    return Failure(
        message=message,
        output=completed.errors or completed.output,
        acceptable=completed.code > 0 and not completed.timed_out and raised,
        timed_out=completed.timed_out,
        exited=exited,
        emulator=isolation.inconclusive(completed),
    )
