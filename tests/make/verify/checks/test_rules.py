from __future__ import annotations

import re

import pytest

from bundle.make.verify.checks.findings import Severity
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.verify import CHECKS


def test_every_rule_has_a_name_in_kebab_case_and_a_known_check() -> None:
    checks = {check.name for check in CHECKS} | {"", "acceptances"}
    assert {rule.check for rule in RULES.values()} == checks
    assert [name for name in RULES if not re.fullmatch(r"[a-z]+(-[a-z]+)+", name)] == []


def test_errors_say_what_to_do_and_notes_are_never_accepted() -> None:
    assert [rule.name for rule in RULES.values() if rule.severity == "error" and not rule.remedy] == []
    assert [rule.name for rule in RULES.values() if rule.severity == "note" and rule.acceptable] == []


def test_a_finding_about_a_file_has_it_as_its_subject() -> None:
    finding = RULES["build-path"].finding("a/b", "names a folder.", details=["at byte 1"], severity="warning")
    assert (finding.subject, finding.file, finding.check, finding.rule) == ("a/b", "a/b", "paths", "build-path")
    assert (finding.severity, finding.details) == ("warning", ("at byte 1",))


def test_a_rule_of_several_checks_names_the_one_that_ran() -> None:
    finding = RULES["interpreter-fails"].about("the interpreter", "does not start.", check="imports", remedy="Try.")
    assert (finding.check, finding.file, finding.remedy) == ("imports", "", "Try.")


@pytest.mark.parametrize(
    ("rule", "severity", "why"),
    [
        (
            "import-fails",
            "note",
            "it is a note where only a module is missing that the package does not require, or Tk",
        ),
        ("import-fails", "warning", "it is a warning in a package's tests"),
        ("requirement-missing", "warning", "it is a warning with an override or without dependencies"),
        ("requirement-missing", "note", "it is a note where it was skipped"),
        ("module-absent", "note", "the interpreter lacks a module of the standard library"),
        ("library-unreached", "note", "it is a note for libraries that no module needs"),
    ],
)
def test_a_rule_says_why_a_finding_is_no_error(rule: str, severity: Severity, why: str) -> None:
    assert RULES[rule].why(severity) == why
