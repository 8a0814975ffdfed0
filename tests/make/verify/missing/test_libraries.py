from __future__ import annotations

from bundle.base.native.native import Need
from bundle.make.verify.audit.library_lookup import Answer, Link
from bundle.make.verify.missing.libraries import without


def link(file: str, name: str, answer: Answer, *, weak: bool = False) -> Link:
    return Link(file=file, need=Need(name=name, weak=weak), answer=answer, root=file)


def test_a_file_cannot_be_loaded_without_what_it_needs_through_others() -> None:
    links = [
        link("site/top.so", "libmiddle.so", Answer("inside", "site/libmiddle.so")),
        link("site/libmiddle.so", "libz.so.1", Answer("expected")),
        link("site/libmiddle.so", "libc.so.6", Answer("base")),
        link("site/other.so", "libc.so.6", Answer("base")),
        link("site/late.pyd", "libz.so.1", Answer("expected"), weak=True),
    ]
    assert without(links, ["libz.so.1"]) == {"site/top.so": "libz.so.1", "site/libmiddle.so": "libz.so.1"}


def test_libraries_that_need_each_other_are_followed_once() -> None:
    links = [
        link("a.so", "b.so", Answer("inside", "b.so")),
        link("b.so", "a.so", Answer("inside", "a.so")),
        link("b.so", "libGL.so.1", Answer("expected")),
    ]
    assert set(without(links, ["libGL.so.1"])) == {"a.so", "b.so"}
