from __future__ import annotations

from bundle.run.sessions.summary import summary_of
from tests.run.sessions.templates import environment, job, numbers, script, step


def test_a_job_is_told_in_the_order_in_which_it_runs() -> None:
    found = summary_of(
        job(
            step("Last", script(""), needs=["First"], stepEnvironments=[environment("own")]),
            step("First", script(""), space=numbers("1-5")),
            jobEnvironments=[environment("all")],
            parameterDefinitions=[{"name": "A", "type": "INT", "default": 3}],
        )
    )
    assert [(one.name, one.tasks, one.needs) for one in found.steps] == [("First", 5, ()), ("Last", 1, ("First",))]
    assert found.tasks == 6
    assert found.as_json()["parameters"] == {"A": "3"}
    text = found.as_text()
    for part in ("A: 3", "Total tasks: 6", "1. 'First' (5 total Tasks)", "depends on: First", "environments: own"):
        assert part in text
