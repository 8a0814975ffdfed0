"""Templates that tests write."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.run.sessions.job import Job, JobInput, load

SPEC, ENVIRONMENT_SPEC = "jobtemplate-2023-09", "environment-2023-09"


def script(code: str, *arguments: str, **action: Any) -> dict[str, Any]:
    """An action that runs a Python program."""
    return {"command": sys.executable, "args": ["-c", code, *arguments], **action}


def step(name: str, on_run: Mapping[str, Any], *, needs: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """A step; `space` is the definitions of its tasks' parameters."""
    found: dict[str, Any] = {"name": name, "script": {"actions": {"onRun": on_run}}}
    if needs:
        found["dependencies"] = [{"dependsOn": one} for one in needs]
    if space := more.pop("space", None):
        found["parameterSpace"] = {"taskParameterDefinitions": space}
    return {**found, **more}


def numbers(values: str | Sequence[int], name: str = "N") -> list[dict[str, Any]]:
    """The definition of one parameter of tasks."""
    return [{"name": name, "type": "INT", "range": values}]


def environment(name: str, enter: Mapping[str, Any] | None = None, leave: Mapping[str, Any] | None = None) -> Any:
    """An environment with actions, or with a variable where it has none."""
    actions = {key: value for key, value in (("onEnter", enter), ("onExit", leave)) if value is not None}
    return {"name": name, "script": {"actions": actions}} if enter else {"name": name, "variables": {"OWN": name}}


def template(*steps: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A job template."""
    return {"specificationVersion": SPEC, "name": "Test", "steps": list(steps), **more}


def job(*steps: Mapping[str, Any], parameters: Mapping[str, Any] | None = None, **more: Any) -> Job:
    """A job."""
    return load(JobInput(template=template(*steps, **more), folder="/", cwd="/", parameters=parameters or {}))


def written(folder: Path, *steps: Mapping[str, Any], **more: Any) -> Path:
    """The file of a job template."""
    path = folder / "template.json"
    path.write_text(json.dumps(template(*steps, **more)))
    return path
