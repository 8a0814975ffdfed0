from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.difference import Change, Difference, LeftOut, Licence, Package, Side, Transfer, difference
from bundle.model.manifest import LayerRecord, PythonRecord

NAMES = st.sampled_from(["app", "lib", "tool"])
SETS = st.sampled_from(["", "gpu"])
TEXTS = st.sampled_from(["", "a", "b"])
RELEASES = st.sampled_from(["1.0", "2.0"])


def package(
    name: str, version: str = "1.0", *, decision: str = "wheel", reason: str = "fits", set_: str = ""
) -> Package:
    file = f"{name}-{version}-py3-none-any.whl"
    return Package(
        name=name, set=set_, version=version, decision=decision, reason=reason, file=file, sha256=version * 20
    )


def layer(name: str, size: int = 100, *, kind: str = "wheel") -> LayerRecord:
    return LayerRecord(digest=f"digest of {name}", kind=kind, name=name, version="1.0", size=size)


BARE = Side(
    title="one",
    version="3.12.10",
    platform="linux-x64",
    python=PythonRecord(requested="3.12.10", actual="3.12.10", source="host"),
    packages=(package("app"), package("lib")),
    left_out=(LeftOut(name="gpu", kind="skipped", reason="too large"),),
    layers=(layer("app"), layer("lib")),
    compressed={"digest of app": 10, "digest of lib": 20},
    floor={"glibc": "2.17"},
    licences={"app": ("MIT",), "lib": ("BSD-3-Clause",)},
)

LOCK = replace(
    BARE,
    kind="lock",
    python=PythonRecord(requested="3.12.10", actual=""),
    layers=None,
    compressed={},
    floor=None,
    licences=None,
)


@st.composite
def sides(draw: st.DrawFn) -> Side:
    keys = draw(st.lists(st.tuples(SETS, NAMES), unique=True))
    lock, chosen = draw(st.booleans()), draw(SETS)
    if lock:
        keys = [key for key in keys if key[0] == chosen]
    one = replace(
        BARE,
        platform=draw(st.sampled_from(["linux-x64", "windows-x64"])),
        python=PythonRecord(requested=draw(RELEASES), actual=draw(RELEASES), source=draw(TEXTS)),
        packages=tuple(
            package(
                name, draw(RELEASES), reason=draw(TEXTS), decision=draw(st.sampled_from(["wheel", "source"])), set_=s
            )
            for s, name in keys
        ),
        left_out=tuple(LeftOut(name=f"no-{name}", set=s, kind="skipped", reason=draw(TEXTS)) for s, name in keys),
        sets=frozenset({chosen} if lock else {"", "gpu"}),
    )
    if lock:
        return replace(one, kind="lock", layers=None, compressed={}, floor=None, licences=None)
    kinds = st.sampled_from(["wheel", "manifest"])
    return replace(
        one,
        layers=tuple(layer(name, kind=draw(kinds)) for name in draw(st.lists(NAMES, unique=True))),
        compressed=draw(st.dictionaries(NAMES.map("digest of {}".format), st.integers(1, 9))),
        floor=draw(st.none() | st.dictionaries(st.sampled_from(["glibc", "macos"]), RELEASES)),
        licences=draw(st.none() | st.dictionaries(NAMES, st.lists(TEXTS, unique=True).map(tuple))),
    )


@given(sides())
def test_nothing_differs_from_itself(side: Side) -> None:
    found = difference(side, side)
    assert found.same
    assert found.to_json()["same"] is True
    assert found.transfer in (None, Transfer(layers=0, size=0, compressed=True))


@given(sides(), sides())
def test_what_one_way_adds_the_other_way_removes(one: Side, other: Side) -> None:
    there, back = difference(one, other), difference(other, one)
    json.dumps(there.to_json())
    assert there.same == back.same
    assert there.not_compared == back.not_compared
    for before, after in ((there.platform, back.platform), (there.python, back.python)):
        assert (before is None) == (after is None)
    for name in ("packages", "left_out", "layers", "floor", "licences"):
        mine, theirs = getattr(there, name), getattr(back, name)
        if mine is None:
            assert theirs is None
            continue
        assert (mine.added, mine.removed) == (theirs.removed, theirs.added)
        assert mine.changed == tuple(Change(before=one.after, after=one.before) for one in theirs.changed)


def diff(**changes: object) -> Difference:
    return difference(BARE, replace(BARE, **changes))  # type: ignore[arg-type]


def test_packages_are_added_removed_and_changed() -> None:
    found = diff(packages=(package("app", "2.0", decision="source", reason="no wheel fits"), package("tool"))).packages
    assert [one.name for one in found.added] == ["tool"]
    assert [one.name for one in found.removed] == ["lib"]
    (changed,) = found.changed
    assert (changed.before.version, changed.after.version) == ("1.0", "2.0")
    assert (changed.before.decision, changed.after.decision) == ("wheel", "source")


def test_another_file_of_the_same_version_is_a_change() -> None:
    other = replace(package("lib"), sha256="f" * 64)
    assert [one.after for one in diff(packages=(package("app"), other)).packages.changed] == [other]


def test_what_has_no_file_in_a_lock_is_compared_without_it() -> None:
    folder = replace(package("lib"), file="", sha256="")
    found = difference(replace(LOCK, packages=(package("app"), folder)), BARE)
    assert found.same
    assert found.not_compared == ("layers", "floor", "licences")


def test_a_lock_is_compared_with_its_own_set() -> None:
    both = replace(BARE, packages=(*BARE.packages, package("torch", set_="gpu")), sets=frozenset({"", "gpu"}))
    assert difference(LOCK, both).same
    of_set = replace(LOCK, packages=(package("torch", set_="gpu"),), left_out=(), sets=frozenset({"gpu"}))
    assert difference(of_set, both).same
    assert [one.name for one in difference(LOCK, of_set).packages.added] == ["torch"]


def test_bytes_to_move_are_compressed_only_if_all_are_known() -> None:
    new = (layer("app"), layer("big", 5000), layer("tool", 300))
    sizes = {"digest of big": 700, "digest of tool": 30}
    assert diff(layers=new, compressed=sizes).transfer == Transfer(layers=2, size=730, compressed=True)
    assert diff(layers=new, compressed={"digest of big": 700}).transfer == Transfer(
        layers=2, size=5300, compressed=False
    )


def test_the_layer_of_the_documents_counts_where_both_sides_know_theirs() -> None:
    own, other = layer("bundle.json", kind="manifest"), replace(layer("bundle.json", kind="manifest"), digest="other")
    archive = replace(BARE, layers=(*(BARE.layers or ()), own))
    assert difference(BARE, archive).same
    assert difference(archive, BARE).same
    assert not difference(archive, replace(BARE, layers=(*(BARE.layers or ()), other))).same


def test_floors_and_platforms_are_told() -> None:
    found = diff(platform="macosx-x64", floor={"macos": "11.0"})
    assert found.platform == Change(before="linux-x64", after="macosx-x64")
    assert found.floor is not None
    assert [one.release for one in (*found.floor.added, *found.floor.removed)] == ["11.0", "2.17"]
    raised = diff(floor={"glibc": "2.28"}).floor
    assert raised is not None
    assert [(one.before.release, one.after.release) for one in raised.changed] == [("2.17", "2.28")]


def test_a_licence_appears_for_a_component_that_had_another() -> None:
    found = diff(licences={"app": ("BSD-3-Clause",), "lib": ("BSD-3-Clause",), "new": ("BSD-3-Clause",)}).licences
    assert found is not None
    assert found.added == (Licence(name="BSD-3-Clause", components=("app",)),)
    assert found.removed == (Licence(name="MIT", components=("app",)),)
