from __future__ import annotations

from bundle.model.acceptance import Acceptance

ENTRY = Acceptance(rule="import-fails", files="*/PIL/*", error="no Tk", reason="known")


def test_an_acceptance_concerns_the_files_of_one_rule() -> None:
    assert ENTRY.concerns("import-fails", "lib/python3.12/site-packages/PIL/_imagingtk.so")
    assert not ENTRY.concerns("script-fails", "lib/PIL/a")
    assert not ENTRY.concerns("import-fails", "lib/PILLOW/a")
    assert not Acceptance(rule="a", files="*", reason="known").concerns("a", "")


def test_an_entry_without_error_has_no_such_key() -> None:
    assert list(ENTRY.as_json()) == ["rule", "files", "error", "reason"]
    assert list(Acceptance(rule="a", files="b", reason="c").as_json()) == ["rule", "files", "reason"]
