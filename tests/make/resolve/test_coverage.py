from __future__ import annotations

from dataclasses import replace
from typing import Literal

from bundle.base.text import shortened
from bundle.make.resolve.coverage import PLAIN_WHEEL, Cell, Coverage, broken_skips, cells_of, losses
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage, SkippedPackage


def package(name: str, kind: Literal["wheel", "source"] = "wheel", reason: str = PLAIN_WHEEL) -> LockedPackage:
    file = LockedFile(name=f"{name}-1.0", sha256="a" * 64, size=1)
    return LockedPackage(name=name, version="1.0", kind=kind, file=file, reason=reason, required_by=("",))


def lock(*packages: LockedPackage, skipped: tuple[SkippedPackage, ...] = ()) -> Lock:
    return Lock(
        version="3.12.10", platform="windows-x64", python="3.12.10", inputs="", packages=packages, skipped=skipped
    )


WHEEL = Cell(decision="wheel", version="1.0", reason=PLAIN_WHEEL)
SKIPPED = Cell(decision="skipped", version=None, reason="no GPU there.")
MISSING = Cell(decision="missing", version="1.0", reason="no wheel fits", available=("cp312 win_amd64",))


def test_a_lock_tells_what_becomes_of_every_package() -> None:
    left_out = SkippedPackage(name="cuda", reason="no GPU there.", required_by=("a",), kind="skipped")
    cells = cells_of(lock(package("a"), package("b", "source", "it must"), skipped=(left_out,)))
    assert {name: (cell.decision, cell.reason) for name, cell in cells.items()} == {
        "a": ("wheel", PLAIN_WHEEL),
        "b": ("source", "it must"),
        "cuda": ("skipped", "no GPU there."),
    }


def test_what_was_there_and_is_left_out_now_is_lost_by_name_platform_and_reason() -> None:
    lost = losses(lock(package("a"), package("b"), package("c")), {"a": SKIPPED, "b": WHEEL, "c": MISSING})
    assert [str(loss) for loss in lost] == [
        "lost: a on windows-x64 (was wheel 1.0, now skipped: no GPU there)",
        "lost: c on windows-x64 (was wheel 1.0, now missing: no wheel fits)",
    ]
    assert lost[0].as_json()["was"]["version"] == "1.0"


def skipping(key: str, *askers: str, reason: str = "No wheel.") -> Lock:
    one = SkippedPackage(name="openmm", reason=reason, required_by=askers, kind="skipped")
    return replace(lock(package("pdbfixer"), package("viewer"), skipped=(one,)), platform=key)


def test_a_skip_that_breaks_what_stays_is_told_once_for_all_platforms() -> None:
    locks = [skipping("linux-aarch64", "", "pdbfixer"), skipping("windows-x64", "pdbfixer")]
    (told,) = broken_skips(locks)
    assert told == (
        "openmm is skipped for linux-aarch64, windows-x64 (No wheel), but pdbfixer, which stays, requires it there. "
        "Skip that as well (packages.skip), or install it without dependencies (packages.noDeps)."
    )
    (both,) = broken_skips([skipping("linux-x64", "pdbfixer", "viewer")])
    assert "but pdbfixer and viewer, which stay, require it there. Skip those" in both
    assert len(broken_skips([skipping("linux-x64", "viewer"), skipping("windows-x64", "viewer", reason="CPU")])) == 2


def test_a_skip_that_breaks_nothing_is_not_told() -> None:
    gone = SkippedPackage(name="x", reason="no wheel", required_by=("pdbfixer",), kind="missing")
    assert broken_skips([skipping("linux-x64", ""), skipping("windows-x64", "another-that-is-skipped")]) == ()
    assert broken_skips([lock(package("pdbfixer"), skipped=(gone,))]) == ()


def test_what_nothing_asks_for_any_more_and_what_was_left_out_before_is_not_lost() -> None:
    before = SkippedPackage(name="cuda", reason="", required_by=("a",), kind="skipped")
    assert losses(lock(package("a"), skipped=(before,)), {"cuda": SKIPPED}) == ()
    assert losses(None, {"a": SKIPPED}) == ()


def test_the_table_has_a_column_for_each_platform_and_a_footnote_for_each_reason() -> None:
    source = Cell(decision="source", version="1.0", reason="it must")
    table = Coverage(
        version="3.12.10",
        columns={
            "linux-x64": {"a": WHEEL, "cuda": WHEEL},
            "macosx-x64": {"a": source, "cuda": SKIPPED},
            "windows-x64": {"a": MISSING, "b": source},
            "linux-aarch64": None,
        },
    )
    heading, rows, notes = table.table()
    assert heading == ["package", "linux-x64", "macosx-x64", "windows-x64", "linux-aarch64"]
    assert rows == [
        ["a 1.0", "wheel", "source [1]", "missing [2]", "?"],
        ["b 1.0", "-", "-", "source [1]", "?"],
        ["cuda 1.0", "wheel", "skipped [3]", "-", "?"],
    ]
    assert notes == ["[1] it must", "[2] no wheel fits; wheels exist for: cp312 win_amd64", "[3] no GPU there."]
    assert table.as_json()["unresolved"] == ["linux-aarch64"]


def test_versions_that_differ_are_told_in_their_cells() -> None:
    other = Cell(decision="wheel", version="2.0", reason=PLAIN_WHEEL)
    _, rows, _ = Coverage(version="3", columns={"linux-x64": {"a": WHEEL}, "windows-x64": {"a": other}}).table()
    assert rows == [["a", "wheel 1.0", "wheel 2.0"]]


def test_a_wheel_that_was_handed_over_is_told() -> None:
    handed = Cell(decision="wheel", version="1.0", reason="handed over: wheels/a.whl")
    _, rows, notes = Coverage(version="3", columns={"linux-x64": {"a": handed}}).table()
    assert (rows, notes) == ([["a 1.0", "wheel [1]"]], ["[1] handed over: wheels/a.whl"])


def test_long_lists_of_tags_are_shortened() -> None:
    assert shortened([]) == "nothing"
    assert shortened(map(str, range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
