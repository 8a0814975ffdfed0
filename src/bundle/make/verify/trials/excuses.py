"""Failures that do not make a bundle unfit: missing optional packages, extras that were not asked for, tests."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace

from packaging.utils import canonicalize_name

from bundle.make.verify.checks.findings import Finding, Severity
from bundle.make.verify.trials.failure import Failure
from bundle.make.verify.trials.importing import Target
from bundle.make.verify.trials.installed import Environment, Installed, in_tests
from bundle.make.verify.trials.tracebacks import WITHOUT_TK, explanation, missing_module

_PROVIDED = {"distutils": "setuptools", "pkg_resources": "setuptools"}
"""Distributions whose modules have other names, and that the standard library or pip once brought."""


_DROPPED = {"pkg_resources": ("setuptools", "82")}
"""Modules that a distribution brought until a version, although many packages ask for any version of it."""


def excuse_import(
    finding: Finding, failure: Failure, target: Target, environment: Environment, left_out: Mapping[str, str]
) -> Finding:
    """Return the finding about a module that cannot be imported, with the severity that it deserves.

    Args:
        left_out: as in `explanation`.
    """
    if finding.severity != "error":
        return finding
    if explanation(failure.output, left_out) == WITHOUT_TK:
        return _milder(finding, "note")
    if missing := _optional(environment, target.package, failure.output, left_out):
        return _milder(finding, "note" if target.native else "warning", _without(missing, target.package))
    if in_tests(target.name):
        return _milder(finding, "warning", "It belongs to the tests of its package.")
    if not target.native and (failure.exited or failure.timed_out):
        return _milder(finding, "warning", "Programs that import it must expect that.")
    return _advised(finding, failure.output, environment, left_out)


def excuse_script(
    finding: Finding, output: str, script: str, package: str, environment: Environment, left_out: Mapping[str, str]
) -> Finding:
    """Return the finding about a script that stops with an import error, with the severity that it deserves.

    Args:
        script: its name, without `.exe`.
        left_out: as in `explanation`.
    """
    if finding.severity != "error":
        return finding
    _, extras = environment.installed.get(package, Installed()).scripts.get(script, ("", ()))
    for extra in extras:
        if environment.lacks(package, extra):
            return _milder(finding, "note", f"It belongs to the extra {extra}, which was not asked for.")
    if explanation(output, left_out) == WITHOUT_TK:
        return _milder(finding, "note")
    if missing := _optional(environment, package, output, left_out):
        return _milder(finding, "note", _without(missing, package))
    if _dropped(environment, output):
        finding = replace(finding, severity="warning")
    return _advised(finding, output, environment, left_out)


def _advised(finding: Finding, output: str, environment: Environment, left_out: Mapping[str, str]) -> Finding:
    """Return a finding with the way out where a module is missing that no package of the bundle brings."""
    if dropped := _dropped(environment, output):
        name, version = _DROPPED[dropped]
        message = f"{finding.message} {name} has no {dropped} from version {version} on."
        remedy = (
            f'Add "{name}<{version}" to packages.dependencies, or take a version of this package that does without it.'
        )
        return replace(finding, message=message, remedy=remedy)
    module = missing_module(output).partition(".")[0]
    known = module in environment.roots or module in sys.stdlib_module_names or canonicalize_name(module) in left_out
    if not module or known:
        return finding
    remedy = f"No package of the bundle has the module {module}; add one that has it to packages.dependencies."
    return replace(finding, remedy=remedy)


def _dropped(environment: Environment, output: str) -> str:
    """Return the missing module that an installed distribution no longer brings; empty if it is another one."""
    module = missing_module(output).partition(".")[0]
    return module if module in _DROPPED and _DROPPED[module][0] in environment.installed else ""


def _optional(environment: Environment, package: str, output: str, left_out: Mapping[str, str]) -> str:
    """Return the module for whose absence something failed, if no distribution that was asked for brings it.

    It is none of the bundle's own, none of the standard library, and no private part of a package.
    """
    module = missing_module(output).partition(".")[0]
    brought = _PROVIDED.get(module)
    if not module.isidentifier() or module.startswith("_") or package not in environment.installed:
        return ""
    if environment.lacks(package) or canonicalize_name(brought or module) in left_out:
        return ""
    if brought:
        return "" if brought in environment.installed else module
    return "" if module in environment.roots or module in sys.stdlib_module_names else module


def _without(module: str, package: str) -> str:
    return f"It needs the module {module}, which is not in the bundle, and which {package} does not require."


def _milder(finding: Finding, severity: Severity, why: str = "") -> Finding:
    return replace(finding, severity=severity, message=f"{finding.message} {why}".strip(), remedy="")
