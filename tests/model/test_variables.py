from __future__ import annotations

import pytest

from bundle.model.variables import OF_BUILDS, OF_PROGRAMS, obstacle


@pytest.mark.parametrize("name", ["A", "_a1", "ProgramFiles(x86)", "LD_LIBRARY_PATH"])
def test_a_usual_variable_can_be_set(name: str) -> None:
    assert obstacle(name, "{bundle}/x {a: 1}", placeholders=("{bundle}",), reserved=OF_PROGRAMS) is None


@pytest.mark.parametrize("name", ["path", "PYTHONPATH", "Pip_Index_Url", "UV_INDEX", "SOURCE_DATE_EPOCH"])
def test_what_a_build_sets_itself_cannot_be_set(name: str) -> None:
    assert obstacle(name, "", placeholders=(), reserved=OF_BUILDS) == f"{name} is set by the program itself"
