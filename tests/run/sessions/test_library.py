from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions import library
from tests.run.sessions.templates import ENVIRONMENT_SPEC, environment, script, step, template


def test_both_kinds_of_templates_are_known() -> None:
    assert library.kind_of(template()) == library.JOB
    assert library.kind_of({"specificationVersion": ENVIRONMENT_SPEC}) == library.ENVIRONMENT


@pytest.mark.parametrize("version", [None, "2023-09", "UNDEFINED", 1, [], {"a": 1}, "x" * 10_000])
def test_other_versions_are_refused(version: object) -> None:
    with pytest.raises(ConfigError) as raised:
        library.kind_of({"specificationVersion": version})
    assert len(raised.value.as_text()) < 1000


def test_a_template_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="no environment template"):
        library.decode(template(step("S", script(""))), library.ENVIRONMENT, ())
    outer = {"specificationVersion": ENVIRONMENT_SPEC, "environment": environment("e")}
    with pytest.raises(ConfigError, match="no job template"):
        library.decode(outer, library.JOB, ())


def test_extensions_that_are_not_allowed_are_refused() -> None:
    document = template(step("S", script("")), extensions=["EXPR"])
    library.decode(document, library.JOB, ("EXPR",))
    with pytest.raises(ConfigError, match="not valid"):
        library.decode(document, library.JOB, ())


def test_path_rules_are_checked() -> None:
    rule = {"source_path_format": "POSIX", "source_path": "/a", "destination_path": "/b"}
    assert len(library.path_rules([rule])) == 1
    for wrong in ({}, {**rule, "source_path_format": "VMS"}, {**rule, "more": 1}):
        with pytest.raises(ConfigError, match="rule"):
            library.path_rules([wrong])


def test_a_missing_library_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openjd.sessions", None)
    with pytest.raises(ConfigError) as raised:
        library._load.__wrapped__()
    assert "bundle-toolchain[jobs]" in raised.value.as_text()


def test_only_the_adapter_imports_the_library() -> None:
    house = Path(library.__file__).parents[3]
    importing = [
        path.name
        for path in house.rglob("*.py")
        if any(line.strip().startswith(("import openjd", "from openjd")) for line in path.read_text().splitlines())
    ]
    assert importing == ["library.py"]
