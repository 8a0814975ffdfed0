from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import zstandard

from bundle.artifacts.documents.page.index import Index, IndexMaker
from tests.artifacts.documents.page.made import described, index_of, many

BUNDLES = [
    described(),
    described("3.12.10"),
    described("3.12.10", "windows-x64"),
    described("3.9.1", packages=()),
]


def test_the_index_does_not_depend_on_an_order() -> None:
    index = index_of(BUNDLES)
    assert index_of(reversed(BUNDLES)) == index
    assert [one.name for one in index.bundles] == [
        ("3.9.1", "linux-x64"),
        ("3.12.10", "linux-x64"),
        ("3.12.10", "windows-x64"),
        ("3.12.10-atls", "linux-x64"),
    ]


def test_an_index_is_read_back() -> None:
    index = index_of(BUNDLES, revision="r")
    assert Index.from_bytes(index.to_bytes()) == index


def test_a_bundle_is_taken_over_from_an_earlier_index() -> None:
    earlier = index_of(BUNDLES)
    maker = IndexMaker(revision="")
    for summary in earlier.bundles[1:]:
        maker.keep(earlier, summary)
    maker.add(BUNDLES[3], {})
    assert maker.made() == earlier
    maker = IndexMaker(revision="")
    maker.keep(earlier, earlier.bundles[0])
    assert maker.made() == index_of(BUNDLES[3:])


def test_numbers_of_a_bundle() -> None:
    bundle = BUNDLES[0]
    (one,) = index_of([bundle]).bundles
    assert (one.packages, one.from_source, one.left_out) == (21, 2, 0)
    assert one.compressed == sum(bundle.compressed.values())
    (unknown,) = index_of([replace(bundle, compressed={})]).bundles
    assert unknown.compressed == 0


def test_what_bundles_share() -> None:
    index = index_of(BUNDLES)
    holders = {
        (index.layers[place].name, len(bundles)): [one.version for one in bundles]
        for place, bundles in index.holders().items()
    }
    assert holders["numpy", 2] == ["3.12.10", "3.12.10-atls"]
    assert ("bundle.json", 2) not in holders
    told = {one.summary.name: one for one in index.sharing()}
    own = told["3.12.10-atls", "linux-x64"]
    assert own.nearest is not None
    assert own.nearest.name == ("3.12.10", "linux-x64")
    assert own.missing == (10_250 // 3) + (4_300 // 3)
    alone = told["3.12.10", "windows-x64"]
    assert alone.nearest is None or alone.nearest.version == "3.12.10"


def test_one_bundle_shares_nothing() -> None:
    (one,) = index_of(BUNDLES[:1]).sharing()
    assert (one.nearest, one.shared, one.missing) == (None, 0, sum(BUNDLES[0].compressed.values()))


def test_what_scripts_read_of_many_bundles_stays_small() -> None:
    index = index_of(many(80))
    assert len(index.bundles) == 400
    assert len(index.to_search()) < 200_000
    assert len(index.to_sharing()) < 400_000
    assert len(index.to_bytes()) < 500_000


def extract(text: str, name: str) -> Any:
    begin = f"bundlePage.take('{name}', '"
    assert text.startswith(begin)
    return json.loads(text.removeprefix(begin).removesuffix("');\n"))


def test_scripts_read_which_bundles_have_a_package_and_a_layer() -> None:
    index = index_of(BUNDLES)
    search, sharing = extract(index.to_search(), "search"), extract(index.to_sharing(), "sharing")
    titles = ["3.9.1/linux-x64", "3.12.10/linux-x64", "3.12.10/windows-x64", "3.12.10-atls/linux-x64"]
    assert search["bundles"] == sharing["bundles"] == titles
    assert ["numpy 1.0", 1, 2, 3] in search["packages"]
    assert not [name for name, *_ in search["packages"] if name.startswith(("python", "bundle.json"))]
    (numpy,) = (one for one in BUNDLES[0].entry.layers if one.name == "numpy")
    assert sharing["layers"][numpy.digest[:16]] == [1, 3]
    (own,) = (one for one in BUNDLES[0].entry.layers if one.kind == "manifest")
    assert own.digest[:16] not in sharing["layers"]


def changed(before: str, after: str) -> bytes:
    content = zstandard.decompress(index_of(BUNDLES).to_bytes()).decode()
    assert before in content
    return zstandard.compress(content.replace(before, after).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        zstandard.compress(b""),
        index_of(BUNDLES).to_bytes()[:-9],
        zstandard.compress(b'{"layers":5}'),
        zstandard.compress(b"[]"),
        zstandard.compress(b"[" * 100_000),
        zstandard.compress(b"\xff\xfe"),
        zstandard.compress(b" " * (2**26 + 1)),
        changed('"layers":[0,', '"layers":[99999,'),
        changed('"layers":[0,', '"layers":[-1,'),
        changed('"size":', '"size":-'),
        changed('"size":', '"size":1' + 30 * "0"),
    ],
    ids=[
        "empty",
        "not-compressed",
        "nothing",
        "cut",
        "no-layers",
        "a-list",
        "deep",
        "bytes",
        "without-end",
        "no-such-layer",
        "negative",
        "sizes-below-zero",
        "sizes-without-end",
    ],
)
def test_a_malformed_index_is_none(content: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        Index.from_bytes(content)
