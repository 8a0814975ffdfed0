from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.sessions import arguments

KNOWN = ("EXPR", "TASK_CHUNKING")


def test_later_parameters_win_whatever_their_form(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("A: 2\nB: [1, 2]\n")
    given = ["A=1", f"file://{tmp_path}/p.yaml", '{"C": true}', " D=x=y ", "E=", "B=3"]
    assert arguments.parameters(given) == {"A": 2, "B": "3", "C": True, "D": "x=y", "E": ""}


def test_a_value_may_have_several_lines() -> None:
    assert arguments.parameters(["A=1\n2"]) == {"A": "1\n2"}


@pytest.mark.parametrize("given", ["A", "=1", "{A: 1}", "file:///nonexistent.json", '{"A": NaN}', ""])
def test_other_forms_of_parameters_are_refused(given: str) -> None:
    with pytest.raises(ConfigError):
        arguments.parameters([given])


def test_tasks_become_texts(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"N": 1, "F": 2.5}, {"N": "1-3"}]')
    expected = [{"N": "1", "F": "2.5"}, {"N": "1-3"}]
    assert arguments.tasks(f"file://{tmp_path}/t.json") == expected
    assert arguments.tasks(json.dumps(expected)) == expected
    assert arguments.task_parameters(["N=1", " F=2.5"]) == {"N": "1", "F": "2.5"}


@pytest.mark.parametrize("given", ["{}", "[1]", '[{"N": [1]}]', '[{"N": null}]', "["])
def test_what_is_no_list_of_tasks_is_refused(given: str) -> None:
    with pytest.raises(ConfigError):
        arguments.tasks(given)


def test_a_task_parameter_is_given_once() -> None:
    with pytest.raises(ConfigError, match="twice"):
        arguments.task_parameters(["N=1", "N=2"])


def test_path_rules_have_a_version() -> None:
    rule = {"source_path_format": "POSIX", "source_path": "/a", "destination_path": "/b"}
    document = {"version": "pathmapping-1.0", "path_mapping_rules": [rule]}
    assert arguments.path_rules(json.dumps(document)) == (rule,)
    assert arguments.path_rules(None) == ()
    for wrong in ({**document, "version": "2"}, {**document, "path_mapping_rules": {}}, [document]):
        with pytest.raises(ConfigError):
            arguments.path_rules(json.dumps(wrong))


def test_extensions_are_known() -> None:
    assert arguments.extensions(None, KNOWN) == KNOWN
    assert arguments.extensions("expr, expr,", KNOWN) == ("EXPR",)
    assert arguments.extensions("", KNOWN) == ()
    with pytest.raises(ConfigError, match="NEWER"):
        arguments.extensions("EXPR,newer", KNOWN)
