from __future__ import annotations

import json
from typing import Any

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.config import Macro, Meaning, parse_job_config, script_name, size_in_bytes
from bundle.run.jobs.environment import JobEnvironment

LEAST: dict[str, Any] = {"jobId": "1", "engineType": "python", "packageName": "app.py"}


def parsed(**runtime: Any) -> Any:
    return parse_job_config(json.dumps({**LEAST, "runtimeConfig": runtime}))


def test_three_keys_are_enough() -> None:
    found = parse_job_config(json.dumps(LEAST))
    assert (found.job_id, found.engine, found.package, found.macros) == ("1", "python", "app.py", ())


def test_all_missing_keys_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_job_config("{}")
    assert [name in str(caught.value.details) for name in ("jobId", "engineType", "packageName")] == [True] * 3


@pytest.mark.parametrize("package", ["app", "app.py"])
def test_a_package_has_its_suffix_or_not(package: str) -> None:
    assert parse_job_config(json.dumps({**LEAST, "packageName": package})).package == "app.py"


def test_macros_have_a_key_or_a_name() -> None:
    macros = [
        {"key": "A", "value": "1"},
        {"name": "B", "value": "", "secure": False},
        {"name": "C", "value": None},
        {"key": "D"},
        None,
        {"value": "lost"},
        {"key": "E", "value": True},
        {"key": "F", "value": 3, "description": "more", "token": "x"},
        {"key": "G", "value": "token", "secure": True},
    ]
    assert parsed(macros=macros).macros == (
        Macro(name="A", value="1"),
        Macro(name="B", value=""),
        Macro(name="E", value="true"),
        Macro(name="F", value="3"),
        Macro(name="G", value="token", secure=True),
    )


def test_of_two_macros_with_one_name_the_last_counts_and_is_told() -> None:
    found = parsed(macros=[{"key": "A", "value": "1"}, {"key": "A", "value": "2"}])
    assert [macro.value for macro in found.macros] == ["1", "2"]
    assert "A occurs again" in found.warnings[0]


@pytest.mark.parametrize("name", ["", " ", "A=B", "A\0", 1, "A\n", " A", "\ud800"])
def test_a_name_that_no_variable_can_have_is_refused(name: object) -> None:
    with pytest.raises(ConfigError, match=r"macros\[0\]|surrogate"):
        parsed(macros=[{"key": name, "value": "x"}])


@pytest.mark.parametrize("value", [["hunter2"], {"a": "hunter2"}, "hunter2\0", "hunter2" * 10_000])
def test_a_message_about_a_macro_does_not_hold_its_value(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(macros=[{"key": "A", "value": value, "secure": True}])
    assert "hunter2" not in caught.value.as_text()


def test_a_value_stands_in_no_representation() -> None:
    assert "hunter2" not in repr(parsed(macros=[{"key": "A", "value": "hunter2", "secure": True}]))


def test_keys_of_other_programs_are_left_alone_and_likely_ones_told() -> None:
    found = parse_job_config(json.dumps({**LEAST, "tags": [], "runtimeConfig": {"macro": [], "logLevel": "INFO"}}))
    assert len(found.warnings) == 1
    assert "macros would be" in found.warnings[0]


def test_limits_and_exit_codes() -> None:
    found = parsed(
        timeout=5,
        grace=0,
        memoryLimit="1.5 GiB",
        processLimit=10,
        exitCodes={"3": "finished_ok", "4": "no input", "5": {"state": "ok", "text": "nothing new"}},
        environment="bundle:3.12.10",
    )
    assert (found.limits.timeout, found.limits.grace, found.limits.memory) == (5, 0, 3 * 2**29)
    assert found.limits.processes == 10
    assert found.exit_codes == {
        3: Meaning(state="finished_ok"),
        4: Meaning(state="finished_error", text="no input"),
        5: Meaning(state="finished_ok", text="nothing new"),
    }
    assert found.environment == JobEnvironment(python="bundle:3.12.10")


@pytest.mark.parametrize(
    "runtime",
    [
        {"macros": {}},
        {"macros": [1]},
        {"macros": [{"key": "A", "value": "1", "secure": "yes"}]},
        {"timeout": 0},
        {"timeout": "soon"},
        {"timeout": True},
        {"memoryLimit": "much"},
        {"exitCodes": {"x": "finished_ok"}},
        {"exitCodes": {"1": {"state": "fine"}}},
        {"exitCodes": []},
        {"environment": "conda"},
    ],
)
def test_a_wrong_value_is_an_error_with_its_place(runtime: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"job.json:1: runtimeConfig\."):
        parsed(**runtime)


@pytest.mark.parametrize("change", [{"engineType": "dataflow"}, {"jobId": ""}, {"jobId": []}, {"packageName": "../x"}])
def test_a_wrong_key_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        parse_job_config(json.dumps({**LEAST, **change}))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"jobId": NaN}', '{"jobId": 1, "jobId": 2}', "1e999"])
def test_what_is_no_configuration_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_job_config(text)


@pytest.mark.parametrize("name", ["../app", "/app", "a/../../app", "con", "a\\b", "nul.py", "a:b", "", "C:/app", "."])
def test_a_script_stays_in_its_folder(name: str) -> None:
    with pytest.raises(ConfigError):
        script_name(name)


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("1kB", None), ("1KB", 1000), ("512 MiB", 2**29), ("2G", 2 * 10**9), ("-1", None)]
)
def test_sizes(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="no size"):
            size_in_bytes(text)
    else:
        assert size_in_bytes(text) == size
