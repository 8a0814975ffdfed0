from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from bundle.base.errors import ConfigError
from bundle.make.verify.acceptance import accept
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.known_findings import known_findings
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.rules import RULES
from bundle.model.acceptance import Acceptance, package_and_versions
from bundle.model.config.project import Project
from bundle.model.config.schema import schema
from bundle.model.platforms import PLATFORMS
from tests.base.nativemaker import elf
from tests.make.audited import PYTHON, Made, good, rules

REASON = "Nobody loads it."


def broken(folder: Path) -> Made:
    made = good(folder, "linux-x64")
    made.install("more", {"more/_a.abi3.so": elf(needed=["libno.so"]), "more/_b.abi3.so": elf(needed=["libno.so"])})
    return made


def accepted(made: Made, rule: str, files: str) -> Acceptance:
    return Acceptance(rule=rule, files=files, reason=REASON)


def test_a_finding_is_accepted_by_rule_and_files_and_stays_in_the_report(tmp_path: Path) -> None:
    made = broken(tmp_path)
    report = made.verify(acceptances=[accepted(made, "library-missing", "lib/*/more/_a.*")])
    assert [finding.file for finding in report.of("error")] == [f"{made.site}/more/_b.abi3.so"]
    assert [(one.file, one.accepted) for one in report.accepted] == [(f"{made.site}/more/_a.abi3.so", REASON)]
    everything = made.verify(acceptances=[accepted(made, "library-missing", "*/more/*")])
    assert everything.ok
    values = [finding["accepted"] for finding in everything.as_json()["findings"]]
    assert values == [REASON, REASON]


def test_another_rule_or_another_file_is_not_accepted(tmp_path: Path) -> None:
    made = broken(tmp_path)
    entries = [accepted(made, "library-foreign", "*/more/*"), accepted(made, "library-missing", "more/_a.abi3.so")]
    assert len(made.verify(acceptances=entries).of("error")) == 2


def test_an_acceptance_that_is_of_no_use_is_reported(tmp_path: Path) -> None:
    made = good(tmp_path, "linux-x64")
    report = made.verify(
        acceptances=[accepted(made, "library-missing", "*/sums/*"), accepted(made, "library-missing", "*/other/*")]
    )
    assert [(one.rule, one.severity, one.subject) for one in report.findings] == [
        ("unused-acceptance", "warning", "library-missing: */sums/*"),
        ("unused-acceptance", "note", "library-missing: */other/*"),
    ]
    assert rules(report, "error") == []


def test_an_entry_holds_on_its_platforms_and_is_not_judged_elsewhere(tmp_path: Path) -> None:
    made = broken(tmp_path)
    entry = Acceptance(rule="library-missing", package="more", platforms=("macosx-x64",), reason=REASON)
    report = made.verify(acceptances=[entry])
    assert (len(report.of("error")), rules(report, "warning", "note")) == (2, [])
    assert made.verify(acceptances=[replace(entry, platforms=("macosx-x64", "linux-x64"))]).ok


def test_one_of_several_texts_is_enough(tmp_path: Path) -> None:
    made = broken(tmp_path)
    entry = Acceptance(rule="library-missing", package="more", error=("libyes.so", "libno.so"), reason=REASON)
    assert made.verify(acceptances=[entry]).ok
    (first, _) = made.verify(acceptances=[replace(entry, error=("libx.so", "liby.so"))]).of("error")
    assert first.message.endswith('verify.accept expects "libx.so" or "liby.so".')


def test_an_error_that_can_be_accepted_has_the_entry_for_it(tmp_path: Path) -> None:
    made = broken(tmp_path)
    report = made.verify(acceptances=[accepted(made, "library-missing", "lib/*/more/_a.*")])
    (error,) = report.of("error")
    assert error.entry == Acceptance(rule="library-missing", files="*/more/_b.*", package="more", reason="")
    again = made.verify(acceptances=[accepted(made, "library-missing", "*/_a.*"), replace(error.entry, reason=REASON)])
    assert again.ok
    assert {finding.entry for finding in again.findings} == {None}


def project(folder: Path, shared: object, version: object) -> Project:
    (folder / "versions" / "3.12.10").mkdir(parents=True)
    (folder / "shared-config.json").write_text(json.dumps({"verify": {"accept": shared}}))
    (folder / "versions" / "3.12.10" / "config.json").write_text(json.dumps({"verify": {"accept": version}}))
    return Project(folder)


@pytest.mark.parametrize(("key", "judged"), [("linux-x64", True), ("macosx-x64", False), ("windows-x64", False)])
def test_an_acceptance_for_another_system_is_not_judged(tmp_path: Path, key: str, judged: bool) -> None:
    made = good(tmp_path, key)
    report = made.verify(acceptances=[accepted(made, "glibc-above-floor", "*")])
    assert [rule for rule, _ in rules(report)] == (["unused-acceptance"] if judged else [])


def test_the_versions_acceptances_are_added_to_the_shared_ones(tmp_path: Path) -> None:
    first = {"rule": "build-path", "files": "a", "reason": "known"}
    second = {"rule": "case-clash", "files": "b/*", "reason": "known, too"}
    config = project(tmp_path, [first], [second]).load("3.12.10", {}).config
    assert [entry.as_json() for entry in config.verify.accept] == [first, second]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"rule": "library-mising", "files": "a", "reason": "b"}, 'Did you mean "library-missing"?'),
        ({"rule": "build-path", "files": "a"}, '"reason" is missing'),
        ({"rule": "import-fails", "files": "a", "reason": "b"}, '"error" is missing'),
        ({"rule": "import-crashes", "files": "a", "error": "x", "reason": "b"}, 'Did you mean "import-fails"?'),
        ({"rule": "build-path", "files": "a", "reason": " "}, "reason"),
    ],
)
def test_an_acceptance_without_a_known_rule_or_a_reason_is_refused(
    tmp_path: Path, entry: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        project(tmp_path, [], [entry]).load("3.12.10", {})
    assert problem in caught.value.what + "".join(caught.value.details)


def test_the_schema_knows_just_the_rules_that_can_be_accepted() -> None:
    accept = schema()["properties"]["verify"]["properties"]["accept"]
    acceptable = [name for name, rule in RULES.items() if rule.acceptable]
    assert accept["items"]["properties"]["rule"]["enum"] == acceptable


def test_every_rule_is_explained_in_the_documentation() -> None:
    page = Path(__file__).parents[3] / "docs" / "verification.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.count(" | ") == 4]
    assert [row for row in rows if row.startswith("| `")] == [rule.row for rule in RULES.values()]


def test_an_error_is_looked_for_in_the_whole_output(tmp_path: Path) -> None:
    contents = read_contents(broken(tmp_path).root, python=PYTHON, platform=PLATFORMS["linux-x64"])
    finding = RULES["import-fails"].about("a: a.b", "cannot be imported.", file="lib/a/b.so", details=["shown"])
    finding = replace(finding, output="No module named '_tkinter'\nshown")
    entry = Acceptance(rule="import-fails", files="*/a/*", error="_tkinter", reason=REASON)
    (found,) = accept([finding], Policy(acceptances=(entry,)), {"": contents}, ran=["imports"])
    assert found.accepted == REASON
    assert "output" not in found.as_json()
    policy = Policy(acceptances=(replace(entry, error="libGL"),))
    (other,) = accept([finding], policy, {"": contents}, ran=["imports"])
    assert other.accepted is None
    assert other.message == 'cannot be imported. verify.accept expects "libGL".'


def test_a_finding_is_accepted_by_its_package_version_and_module(tmp_path: Path) -> None:
    made = broken(tmp_path)

    def errors(**entry: str) -> list[str]:
        acceptance = Acceptance(rule="library-missing", reason=REASON, **entry)  # type: ignore[arg-type]
        return [one.file for one in made.verify(acceptances=[acceptance]).of("error")]

    assert errors(package="more") == errors(package="m*<2") == errors(files="more._*", package="more==1.0") == []
    assert errors(files="more._a") == [f"{made.site}/more/_b.abi3.so"]
    assert len(errors(package="more<1")) == len(errors(package="sums")) == 2


def test_a_known_finding_is_none_unless_the_configuration_says_otherwise(tmp_path: Path) -> None:
    contents = read_contents(broken(tmp_path).root, python=PYTHON, platform=PLATFORMS["linux-x64"])
    finding = RULES["library-missing"].finding(contents.modules[0].path, "needs libno.so.")
    entry = Acceptance(rule="library-missing", package="more", platforms=("linux-x64",), reason=REASON)
    (known,) = accept([finding], Policy(harmless=(entry,)), {"": contents}, ran=["binaries"])
    assert (known.known, known.accepted, known.severity) == (REASON, None, "error")
    report = Report(findings=(known,), checked={"binaries": 1}, seconds=0)
    assert (report.ok, report.known, report.answers) == (True, (known,), {"binaries": "pass"})
    elsewhere = replace(entry, platforms=("windows-x64",))
    for policy in (
        Policy(harmless=()),
        Policy(harmless=(elsewhere,)),
        Policy(harmless=(replace(entry, package="more<1"),)),
    ):
        assert accept([finding], policy, {"": contents}, ran=["binaries"]) == (finding,)
    both = Policy(harmless=(entry,), acceptances=(replace(entry, reason="Mine."),))
    (own,) = accept([finding], both, {"": contents}, ran=["binaries"])
    assert (own.accepted, own.known) == ("Mine.", None)


def test_known_findings_are_written_as_acceptances_are() -> None:
    described = schema()["properties"]["verify"]["properties"]["accept"]["items"]
    for entry in known_findings():
        if entry.rule == "import-crashes":  # Accepted by this table alone, and by the words of the crash.
            assert entry.error
            entry = replace(entry, rule="import-fails")
        assert set(entry.platforms) <= PLATFORMS.keys()
        jsonschema.validate(replace(entry, platforms=()).as_json(), {**described, "$defs": schema()["$defs"]})
        assert len(package_and_versions(entry.package)[1]) > 0, f"{entry.subject} is about all versions"


@pytest.mark.parametrize(("version", "known"), [("0.68.1", True), ("0.49.1", False), ("1.0", False), ("1.0rc1", False)])
def test_a_finding_is_known_in_the_versions_of_its_entry_alone(tmp_path: Path, version: str, known: bool) -> None:
    made = good(tmp_path, "linux-x64")
    pool = "numba/np/ufunc/tbbpool.cpython-312-x86_64-linux-gnu.so"
    made.install("numba", {pool: elf(needed=["libtbb.so.12"])}, version=version)

    report = made.verify()

    assert (report.ok, [one.rule for one in report.known]) == (known, ["library-missing"] if known else [])


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"rule": "build-path", "reason": "a"}, "it names neither files nor a package"),
        ({"rule": "build-path", "package": "a<", "reason": "b"}, '"a<" is not a package with versions'),
    ],
)
def test_an_acceptance_of_everything_or_of_no_versions_is_refused(
    tmp_path: Path, entry: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        project(tmp_path, [], [entry]).load("3.12.10", {})
    assert problem in caught.value.what + "".join(caught.value.details)


def test_an_acceptance_holds_for_the_versions_of_each_set(tmp_path: Path) -> None:
    contents = read_contents(broken(tmp_path).root, python=PYTHON, platform=PLATFORMS["linux-x64"])
    newer = replace(
        contents,
        distributions=tuple(replace(one, record=one.record.replace("1.0", "2.0")) for one in contents.distributions),
    )
    finding = RULES["library-missing"].finding(contents.modules[0].path, "needs libno.so.")
    entry = Acceptance(rule="library-missing", package="more<2", reason=REASON)
    found = accept(
        [replace(finding, set_name=name) for name in ("old", "new")],
        Policy(acceptances=(entry,), harmless=()),
        {"old": contents, "new": newer},
        ran=["binaries"],
    )
    assert [one.accepted for one in found] == [REASON, None]
