"""Importing the modules of a bundle: in the order of their users, and those that fail each afresh."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle.base.threads import all_of, in_parallel
from bundle.make.verify.trials.failure import Failure, signal_name
from bundle.make.verify.trials.installed import Environment
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
    """Import modules as users of their packages do, else afresh; what was imported in a copy elsewhere has passed.

    Returns:
        failures by module name.

    Raises:
        WorkError: the interpreter cannot be started at all.
    """
    known = {name: failure for (root, name), failure in isolation.failed.items() if root == isolation.root}
    failures = {target.name: known[target.name] for target in targets if target.name in known}
    passed = {name for root, name in isolation.imported if root == isolation.origin} - known.keys()
    untried = [target for target in targets if target.name not in failures and target.name not in passed]
    done(len(targets) - len(untried))
    failures |= _failures(isolation, environment, untried, jobs, done)
    isolation.failed.update({(isolation.root, name): failure for name, failure in failures.items()})
    isolation.imported.update((isolation.origin, one.name) for one in untried if one.name not in failures)
    return failures


def _failures(
    isolation: Isolation,
    environment: Environment,
    targets: Sequence[Target],
    jobs: int,
    done: Callable[[int], None],
) -> dict[str, Failure]:
    packages = _packages(isolation, targets)
    # What others require comes first, and what is imported alone beside it, so that modules are compiled once for all.
    ordered: list[str | None] = [*sorted(packages, key=environment.required)]
    alone = [target.name for target in targets if target.package not in packages]
    ordered.insert(1, None)

    def load(package: str | None) -> set[str]:
        if package is None:
            return _fork(isolation, alone, 1, TIMEOUT)
        # Nearly all load with their package; a process for each would import what they share over and over.
        return _use(isolation, list(environment.of(package).top_level), packages[package])

    loaded = set().union(*all_of(in_parallel(load, ordered, threads=jobs)))
    names = [target.name for target in targets if target.name not in loaded]
    done(len(targets) - len(names))
    failures = import_modules(isolation, names, jobs=jobs, done=done)
    fatal = {name for name, failure in failures.items() if not failure.acceptable}
    again = [
        target
        for target in targets
        if target.name in failures and not failures[target.name].timed_out and fatal.isdisjoint(_parents(target.name))
    ]
    for name in _as_users_of_scripts(isolation, environment, again, jobs, failures):
        del failures[name]
    return failures


def _packages(isolation: Isolation, targets: Iterable[Target]) -> Mapping[str, dict[str, str]]:
    """Return the native modules of each package, with their paths in site-packages."""
    prefix = f"{isolation.platform.site_packages(isolation.python)}/"
    packages: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for target in targets:
        if target.native and target.path.startswith(prefix):
            packages[target.package][target.name] = target.path.removeprefix(prefix)
    return packages


def _as_users_of_scripts(
    isolation: Isolation, environment: Environment, targets: Iterable[Target], jobs: int, without: Collection[str]
) -> set[str]:
    """Return the native modules that load when their packages' scripts are used.

    Args:
        without: modules that cannot be imported, with which no user begins.
    """
    packages = _packages(isolation, targets)

    def use(package: str) -> set[str]:
        installed = environment.of(package)
        scripts = {module for module, _ in installed.scripts.values()} - installed.top_level.keys()
        if not scripts:
            return set()  # No other beginning than the first time.
        starts = [name for name in (*installed.top_level, *sorted(scripts)) if name not in without]
        return _use(isolation, starts, packages[package]) & packages[package].keys()

    return set().union(*all_of(in_parallel(use, packages, threads=jobs)))


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
    again by a fresh interpreter, and that result counts. A module whose package fails has the package's failure.

    Args:
        jobs: how many at once.
        timeout: seconds that one import may take.
        done: called with the number of further modules that are done.

    Returns:
        failures by module name.

    Raises:
        WorkError: the interpreter cannot be started at all.
    """
    passed = _fork(isolation, names, jobs, timeout)
    done(len(passed))
    return _import_each(isolation, [name for name in names if name not in passed], jobs, timeout, done)


def _import_each(
    isolation: Isolation, names: Sequence[str], jobs: int, timeout: float, done: Callable[[int], None]
) -> dict[str, Failure]:
    failures: dict[str, Failure] = {}

    def import_one(name: str) -> None:
        failure = _import_afresh(isolation, name, timeout)
        if failure is not None:
            failures[name] = failure
        done(1)

    left = list(names)
    while left:
        tried = [name for name in left if not any(parent in left for parent in _parents(name))]
        for name in tried:
            if parent := next((parent for parent in _parents(name) if parent in failures), None):
                failures[name] = failures[parent]
                done(1)
        all_of(in_parallel(import_one, [name for name in tried if name not in failures], threads=jobs))
        left = [name for name in left if name not in tried]
    return failures


def _forks(isolation: Isolation) -> bool:
    """Return whether processes can fork: that limits macOS programs, and Windows has none."""
    return isolation.platform.system == "linux"


def _parents(name: str) -> list[str]:
    """Return the packages that an import of a module imports before it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _fork(isolation: Isolation, names: Sequence[str], jobs: int, timeout: float) -> set[str]:
    """Return the modules that can be imported by processes that fork; none where processes cannot."""
    if not _forks(isolation) or len(names) < 2:
        return set()
    request = "\n".join((str(jobs), str(max(1, int(timeout))), *names))
    # A module that hangs is ended by an alarm; this is for one that blocks it.
    source = _FORKS.read_text(encoding="utf-8")
    completed = isolation.run_python(["-c", source], stdin=request.encode(), timeout=5 * timeout)
    return set(completed.output.splitlines())


def _use(isolation: Isolation, first: Sequence[str], modules: dict[str, str]) -> set[str]:
    """Return which modules of a distribution load when it is used, and its first name if that does; see use_probe.py.

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
            "seconds": int(TIMEOUT * isolation.runner.patience),
        }
        limit = TIMEOUT + _EACH * len(left)
        completed = isolation.run_python(["-c", source], stdin=json.dumps(request).encode(), timeout=limit)
        lines = [line.split(" ", 1) for line in completed.output.splitlines()]
        tried = [name for word, name in lines if word == "try"]
        loaded |= {name for word, name in lines if word == "pass"}
        if not tried or tried[-1] == left[-1]:
            break
        # The last one ended the process; the others have their turn without it, and without what it would begin with.
        fatal = tried[-1]
        left = [
            name for name in left if fatal not in (name, *_parents(name)) and not (name in modules and name in tried)
        ]
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
