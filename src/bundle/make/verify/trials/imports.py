"""The import check: every native module of every package, each in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.make.verify.checks.contents import NativeModule
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.failure import Failure, no_interpreter, signal_name
from bundle.make.verify.trials.isolation import Isolation
from bundle.make.verify.trials.tracebacks import first_cause

CHECK = "imports"
TIMEOUT = 120.0
"""Seconds that one import may take."""

_PROBE = Path(__file__).with_name("import_probe.py")

_ENTRIES = 3
"""Entries of `verify.accept` that the remedy shows."""

_DONE = "imported: "

_PLAIN = f"import os, sys; name = sys.argv[1]; __import__(name); os.write(1, ('\\n{_DONE}' + name).encode())"
"""The name comes last: a module can end the process with exit code 0, and so can an emulator that gives up."""


def check_imports(subject: Subject, isolation: Isolation) -> Outcome:
    """Import every native module of a bundle."""
    modules = subject.contents.modules
    failures: dict[str, Failure] = {
        module.name: Failure(
            message=f"is built for another interpreter ({module.other}).",
            output=f"ImportError: {module.path} is built for another interpreter ({module.other})",
            acceptable=True,
        )
        for module in modules
        if module.other
    }
    names = [module.name for module in modules if not module.other]
    with subject.reporter.task("importing native modules", total=len(modules), unit="modules") as task:
        try:
            failures |= import_modules(isolation, names, jobs=subject.jobs, done=task.advance)
        except WorkError as error:
            return Outcome(findings=(no_interpreter(CHECK, error),))
    return Outcome(findings=tuple(_judge(subject, modules, failures)), checked=len(modules))


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

    pool = ThreadPoolExecutor(jobs)
    try:
        for _ in pool.map(import_one, [name for name in names if name not in passed]):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return failures


def _fork(isolation: Isolation, names: Iterable[str], jobs: int, timeout: float) -> set[str]:
    request = "\n".join((str(jobs), str(max(1, int(timeout))), *names))
    # A module that hangs is ended by an alarm; this is for one that blocks it.
    source = _PROBE.read_text(encoding="utf-8")
    completed = isolation.run_python(["-c", source], stdin=request.encode(), timeout=5 * timeout)
    return set(completed.output.splitlines())


def _import_afresh(isolation: Isolation, name: str, timeout: float) -> Failure | None:
    completed = isolation.run_python(["-X", "faulthandler", "-c", _PLAIN, name], timeout=timeout)
    if completed.timed_out:
        message = f"was not imported within {completed.seconds:.0f} s."
    elif completed.code < 0:
        message = f"crashes at import: killed by {signal_name(completed.code)}."
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
        emulator=isolation.inconclusive(completed),
    )


def _judge(subject: Subject, modules: Sequence[NativeModule], failures: Mapping[str, Failure]) -> Iterator[Finding]:
    failed = [(module, failures[module.name]) for module in modules if module.name in failures]
    remedy = _remedy(failed)
    for module, failure in failed:
        yield failure.finding(
            "import-fails" if failure.acceptable else "import-crashes",
            f"{module.package}: {module.name}",
            subject.skipped,
            file=module.path,
            remedy=remedy if failure.acceptable else None,
        )


def _remedy(failed: Sequence[tuple[NativeModule, Failure]]) -> str:
    """Return the remedy for errors that Python raised, with the entries that would accept the first few."""
    entries: list[str] = []
    acceptable = [(module, failure) for module, failure in failed if failure.acceptable]
    for module, failure in acceptable[:_ENTRIES]:
        cause = first_cause(failure.output) or failure.output
        files = f"*/{module.name.replace('.', '/')}.*"
        error = cause.partition(": ")[2] or cause
        entry = {"rule": "import-fails", "files": files, "error": error, "reason": "why it is harmless"}
        entries.append(json.dumps(entry, ensure_ascii=False))
    others = ", and so on for the others" if len(acceptable) > _ENTRIES else ""
    return f"{RULES['import-fails'].remedy} Entries for verify.accept: {', '.join(entries)}{others}"
