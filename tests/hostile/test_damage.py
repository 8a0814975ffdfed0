"""Random changes to a small bundle, the same in every run; `benchmarks/damage.py` makes them in real ones."""

from __future__ import annotations

from random import Random

import pytest

from bundle.base.report import Reporter
from bundle.make.verify.known import known_of
from tests.artifacts.trees import File, Link, Tree
from tests.make.verify.built import PACKAGE, SITE, Built, build
from tests.make.verify.damage import Damage

RECORD = "tool/__init__.py,sha256=x,1\ntool-1.0.dist-info/METADATA,sha256=x,1\ntool-1.0.dist-info/RECORD,,\n"

MORE: Tree = {
    f"{SITE}/tool-1.0.dist-info/RECORD": File(RECORD.encode()),
    f"{SITE}/tool/__pycache__/__init__.cpython-312.pyc": File(b"magi\1\0\0\0" + bytes(range(40))),
    f"{SITE}/tool/empty": File(b""),
    f"{SITE}/tool/_native.so": File(bytes(range(256)) * 50),
    f"{SITE}/tool/link": Link("empty"),
    "bin/tool": File(b"#!/bin/sh\n", executable=True),
    "share/tool/data": File(b"data"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("damage"), {**PACKAGE, **MORE})


KINDS = ("flip", "truncate", "remove", "add", "mode", "link", "record", "compiled", "folder", "manifest", "forge")


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_is_found_and_the_unchanged_bundle_passes(built: Built, kind: str) -> None:
    known = known_of(built.folder, built.manifest, None, built="", reporter=Reporter())
    damage = Damage(built.folder, Random(kind), known)
    assert set(damage.kinds) == set(KINDS)
    assert damage.found() == []
    missed = []
    for _ in range(30):
        with damage.changed(kind) as what:
            if not damage.found():
                missed.append(what)
    assert missed == []
    assert damage.found() == []


def test_without_a_catalogue_only_a_forged_list_is_not_found(built: Built) -> None:
    damage = Damage(built.folder, Random(1))
    assert set(KINDS) - set(damage.kinds) == {"manifest", "forge"}
    for kind in damage.kinds:
        with damage.changed(kind):
            assert damage.found() != []
