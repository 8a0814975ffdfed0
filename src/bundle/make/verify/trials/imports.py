"""The import check: every native module of every package, each in a process of its own."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bundle.base.errors import WorkError
from bundle.make.verify.checks.contents import NativeModule
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.isolation import Isolation
from bundle.make.verify.trials.tracebacks import evidence, explained, first_cause
from bundle.model.config.allowlist import Allowed

CHECK = "imports"
TIMEOUT = 120.0
"""Seconds that one import may take."""

_PROBE = Path(__file__).with_name("import_probe.py")

_ENTRIES = 3
"""Entries for the allow-list that the remedy shows."""

_DONE = "imported: "

_PLAIN = f"import os, sys; name = sys.argv[1]; __import__(name); os.write(1, ('\\n{_DONE}' + name).encode())"
"""It says so in the end: a module can end a process with exit code 0, and so can an emulator that gives up."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a module could not be imported."""

    message: str
    """One sentence."""
    output: str
    """All that the interpreter said."""
    acceptable: bool
    """Whether it is an error that Python itself raised, so that an allow-list may accept it; a crash never is."""
    emulator: str | None = None
    """The emulator's own words, if it is the emulator that failed."""


def check_imports(subject: Subject, isolation: Isolation) -> Outcome:
    """Import every native module of a bundle, and hold what fails against the allow-list."""
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
    findings, used = _judge(subject, modules, failures)
    findings += [_unused(entry) for entry in _idle(subject, used)]
    return Outcome(findings=tuple(findings), checked=len(modules))


def import_modules(
    isolation: Isolation,
    names: Sequence[str],
    *,
    jobs: int,
    timeout: float = TIMEOUT,
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Failure]:
    """Import modules, each in a process of its own.

    Where processes can fork, one pass imports them all (see import_probe.py). What did not pass there is asked again
    in a fresh interpreter, and that answer counts.

    Args:
        isolation: how to start the interpreter.
        names: dotted names.
        jobs: how many at once.
        timeout: seconds that one import may take.
        done: told how many more modules are done.

    Returns:
        what went wrong, by the module's name; empty if all is well.

    Raises:
        WorkError: the interpreter cannot be started at all.
    """
    passed: set[str] = set()
    if isolation.platform.system == "linux" and len(names) > 1:
        # macOS forbids much after a fork, and Windows has none.
        passed = _fork(isolation, names, jobs, timeout)
        done(len(passed))
    failures: dict[str, Failure] = {}

    def ask(name: str) -> None:
        failure = _import_afresh(isolation, name, timeout)
        if failure is not None:
            failures[name] = failure
        done(1)

    pool = ThreadPoolExecutor(jobs)
    try:
        for _ in pool.map(ask, [name for name in names if name not in passed]):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return failures


def no_interpreter(check: str, error: WorkError) -> Finding:
    """Return the finding that a bundle's interpreter cannot be started."""
    return Finding(
        check=check,
        severity="error",
        subject="the interpreter",
        message=error.what,
        remedy="Build the bundle anew; `bundle interpreters` shows where its interpreter comes from.",
    )


def inconclusive(check: str, subject: str, words: str, details: Sequence[str] = ()) -> Finding:
    """Return the finding that an emulator's failure says nothing of the bundle.

    Args:
        check: the check's name.
        subject: what was tried.
        words: the emulator's own.
        details: the evidence.
    """
    return Finding(
        check=check,
        severity="inconclusive",
        subject=subject,
        message=f"nothing can be told here: {words}",
        remedy="Run `bundle verify` on a machine of the bundle's platform, or where what is lacking is there.",
        details=tuple(details) or (words,),
    )


def signal_name(code: int) -> str:
    """Return the name of the signal that ended a process, given its exit code (negative)."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _fork(isolation: Isolation, names: Iterable[str], jobs: int, timeout: float) -> set[str]:
    request = "\n".join((str(jobs), str(max(1, int(timeout))), *names))
    # A module that hangs is ended by its own alarm; this is for one that will not be.
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
    python_said = "Traceback (most recent call last)" in completed.errors
    return Failure(
        message=message,
        output=completed.errors or completed.output,
        acceptable=completed.code > 0 and not completed.timed_out and python_said,
        emulator=isolation.runner.inconclusive(completed),
    )


def _judge(
    subject: Subject, modules: Sequence[NativeModule], failures: Mapping[str, Failure]
) -> tuple[list[Finding], set[Allowed]]:
    findings: list[Finding] = []
    used: set[Allowed] = set()
    remedy = _remedy(subject, modules, failures)
    for module in modules:
        failure = failures.get(module.name)
        if failure is None:
            continue
        named = f"{module.package}: {module.name}"
        # Whether they accept it or not, the error speaks of them.
        used.update(subject.allowlist.about(module.package, module.name))
        entry = subject.allowlist.accepting(module.package, module.name, failure.output)
        if entry is not None and failure.acceptable:
            findings.append(
                Finding(
                    check=CHECK,
                    severity="note",
                    subject=named,
                    message=f"accepted ({entry.origin}): {entry.reason}",
                    details=evidence(failure.output)[-1:],
                )
            )
            continue
        if failure.emulator is not None:
            findings.append(inconclusive(CHECK, named, failure.emulator, evidence(failure.output)))
            continue
        findings.append(
            Finding(
                check=CHECK,
                severity="error",
                subject=named,
                message=explained(failure.message, failure.output, subject.skipped)
                + _why_not_accepted(subject, module, failure),
                remedy=remedy,
                details=evidence(failure.output),
            )
        )
    return findings, used


def _remedy(subject: Subject, modules: Sequence[NativeModule], failures: Mapping[str, Failure]) -> str:
    """Return what to do about all that failed, with the entries that would accept the first few."""
    entries: dict[str, dict[str, dict[str, str]]] = {}
    acceptable = [module for module in modules if module.name in failures and failures[module.name].acceptable]
    for module in acceptable[:_ENTRIES]:
        cause = first_cause(failures[module.name].output) or failures[module.name].output
        text = cause.partition(": ")[2] or cause
        entries.setdefault(module.package, {})[module.name] = {"error": text, "reason": "why it does no harm"}
    other = "Choose another version or build of the package."
    if not entries:
        return f"{other} No allow-list accepts a crash or a module that hangs."
    ready = json.dumps(entries, ensure_ascii=False)
    others = ", and so on for the others" if len(acceptable) > _ENTRIES else ""
    return (
        f"{other} Or, if nobody needs that module, accept its error in {subject.allowlist.home} "
        f"(docs/verification.md says how): {ready}{others}"
    )


def _why_not_accepted(subject: Subject, module: NativeModule, failure: Failure) -> str:
    entries = subject.allowlist.about(module.package, module.name)
    if not entries:
        return ""
    if not failure.acceptable:
        return f" An allow-list ({entries[0].origin}) accepts only what Python raises."
    return f' The allow-list ({entries[0].origin}) accepts another error: "{entries[0].error}".'


def _idle(subject: Subject, used: set[Allowed]) -> list[Allowed]:
    packages = {module.package for module in subject.contents.modules}
    packages |= {distribution.name for distribution in subject.contents.distributions}
    unused = subject.allowlist.unused(used, packages=packages, absent=subject.skipped)
    # Scripts are not imported; the check that starts them speaks of them.
    return [entry for entry in unused if "/" not in entry.module]


def _unused(entry: Allowed) -> Finding:
    return Finding(
        check=CHECK,
        severity="warning",
        subject=f"{entry.package}: {entry.module}",
        message=f"the allow-list entry ({entry.origin}) accepts nothing: the module imports, or is not there.",
        remedy="Remove the entry.",
    )
