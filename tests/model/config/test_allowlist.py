from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.model.config.allowlist import load_allowlist, schema

ENTRY = {"error": "needs a display", "reason": "Only the viewer uses it."}


def write(project: Path, shared: Any = None, version: Any = None) -> Path:
    for path, content in ((project, shared), (project / "versions" / "3.12.10-atls", version)):
        path.mkdir(parents=True, exist_ok=True)
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content, indent=2)
            (path / "import-allowlist.json").write_text(text)
    return project


def test_files_that_do_not_exist_hold_no_entries(tmp_path: Path) -> None:
    assert load_allowlist(write(tmp_path), "3.12.10-atls").entries == ()


def test_the_entries_of_both_files_apply(tmp_path: Path) -> None:
    project = write(tmp_path, {"scipy": {"scipy.a": ENTRY}}, {"numpy": {"numpy.b": ENTRY}})
    found = load_allowlist(project, "3.12.10-atls")
    assert [(entry.package, entry.module, entry.shared) for entry in found.entries] == [
        ("numpy", "numpy.b", False),
        ("scipy", "scipy.a", True),
    ]
    assert str(found.entries[0].origin) == "versions/3.12.10-atls/import-allowlist.json:3"


def test_the_versions_entry_wins_over_the_shared_one(tmp_path: Path) -> None:
    own = {"error": "another text", "reason": "Because."}
    project = write(tmp_path, {"Sci_Py": {"scipy.a": ENTRY}}, {"sci-py": {"scipy.a": own}})
    found = load_allowlist(project, "3.12.10-atls")
    assert [entry.error for entry in found.entries] == ["another text"]
    assert [entry.error for entry in load_allowlist(project, None).entries] == ["needs a display"]


def test_an_entry_accepts_only_an_error_that_holds_its_text(tmp_path: Path) -> None:
    found = load_allowlist(write(tmp_path, {"sci*": {"scipy.a": ENTRY}}), None)
    entry = found.accepting("scipy", "scipy.a", "ImportError: this needs a display")
    assert entry is not None
    assert entry.reason == "Only the viewer uses it."
    assert found.accepting("scipy", "scipy.a", "ImportError: libgfortran.so") is None
    assert found.accepting("scipy", "scipy.b", "this needs a display") is None
    assert found.accepting("numpy", "scipy.a", "this needs a display") is None


def test_unused_entries_are_those_that_could_have_been_used(tmp_path: Path) -> None:
    shared = {"scipy": {"scipy.a": ENTRY}, "torch": {"torch.c": ENTRY}}
    own = {"numpy": {"numpy.b": ENTRY}, "gone": {"gone.x": ENTRY}, "skipped": {"skipped.x": ENTRY}}
    found = load_allowlist(write(tmp_path, shared, own), "3.12.10-atls")
    used = found.about("numpy", "numpy.b")
    unused = found.unused(used, packages=["numpy", "scipy"], absent={"skipped"})
    assert [entry.module for entry in unused] == ["gone.x", "scipy.a"]


def test_a_schema_for_the_editor_may_be_named(tmp_path: Path) -> None:
    project = write(tmp_path, {"$schema": "schemas/allowlist.json", "scipy": {"scipy.a": ENTRY}})
    assert len(load_allowlist(project, None).entries) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "import-allowlist.json:1"),
        ("[]", "import-allowlist.json:1: the file: [] is not of type 'object'."),
        ('{"scipy": {"scipy.a": "text"}}', "scipy[\"scipy.a\"]: 'text' is not of type 'object'."),
        ('{"scipy": {"scipy.a": {"error": "x"}}}', "scipy[\"scipy.a\"]: 'reason' is missing."),
        ('{"scipy": {"scipy.a": {"error": " ", "reason": "y"}}}', 'scipy["scipy.a"].error: is empty.'),
        ('{"scipy": {"scipy/a": {"error": "x", "reason": "y"}}}', 'scipy: "scipy/a" is no module or script name.'),
        (
            '{"scipy": {"scipy.a": {"error": "x", "reasn": "y", "reason": "y"}}}',
            'scipy["scipy.a"]: unknown key "reasn". Did you mean "reason"?',
        ),
        ('{"scipy": {}, "scipy": {}}', "scipy"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_place(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_allowlist(write(tmp_path, content), None)
    assert expected in "\n".join((caught.value.what, *caught.value.details))


def test_the_problems_of_both_files_come_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_allowlist(write(tmp_path, "{", '{"a": 1}'), "3.12.10-atls")
    text = "\n".join(caught.value.details)
    assert "versions/3.12.10-atls/import-allowlist.json:1" in text
    assert "\nimport-allowlist.json:1" in text


def test_the_schema_is_one() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
