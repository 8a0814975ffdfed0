"""The import check: every native module of every package, and every package that opens a library by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bundle.base.errors import WorkError
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.excuses import excuse_import
from bundle.make.verify.trials.failure import Failure, no_interpreter
from bundle.make.verify.trials.importing import Target, import_targets
from bundle.make.verify.trials.installed import Environment
from bundle.make.verify.trials.isolation import Isolation

CHECK = "imports"


def check_imports(subject: Subject, isolation: Isolation) -> Outcome:
    """Import every native module of a bundle, and the packages that may open a library by hand."""
    environment = Environment(contents=subject.contents)
    targets = targets_of(environment)
    failures: dict[str, Failure] = {
        module.name: Failure(
            message=f"is built for another interpreter ({module.other}).",
            output=f"ImportError: {module.path} is built for another interpreter ({module.other})",
            acceptable=True,
        )
        for module in subject.contents.modules
        if module.other
    }
    fitting = [target for target in targets if target.name not in failures]
    with subject.reporter.task("importing native modules", total=len(targets), unit="modules") as task:
        try:
            failures |= import_targets(isolation, environment, fitting, jobs=subject.jobs, done=task.advance)
        except WorkError as error:
            return Outcome(findings=(no_interpreter(CHECK, error),))
    return Outcome(findings=tuple(_judge(subject, environment, targets, failures)), checked=len(targets))


def targets_of(environment: Environment) -> tuple[Target, ...]:
    """Return the native modules of a bundle, and the names that users of packages with libraries import first."""
    modules = {
        module.name: Target(package=module.package, name=module.name, path=module.path)
        for module in environment.contents.modules
    }
    first = {
        name: Target(package=installed.name, name=name, path=path, native=False)
        for installed in environment.opens_libraries()
        for name, path in installed.top_level.items()
    }
    return tuple({**first, **modules}.values())


def _judge(
    subject: Subject, environment: Environment, targets: Sequence[Target], failures: Mapping[str, Failure]
) -> Iterator[Finding]:
    failed = [(target, failures[target.name]) for target in targets if target.name in failures]
    for target, failure in failed:
        raised = failure.acceptable or (failure.exited and not target.native)
        finding = failure.finding(
            "import-fails" if raised else "import-crashes",
            f"{target.package}: {target.name}",
            subject.skipped,
            file=target.path,
        )
        yield excuse_import(finding, failure, target, environment, subject.skipped)
