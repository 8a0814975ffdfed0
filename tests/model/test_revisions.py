from __future__ import annotations

from pathlib import Path

from bundle.model import revisions


def test_every_revision_is_a_number_with_its_meaning_below() -> None:
    values = revisions.revisions()
    lines = Path(revisions.__file__).read_text(encoding="utf-8").splitlines()
    assert values
    for name, value in values.items():
        assert value > 0
        assert lines[lines.index(f"{name} = {value}") + 1].startswith('"""')
