"""Runs cases in the format of the public conformance suite of Open Job Description with `bundle-openjd`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).parent / "cases"

Execute = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command line and returns its exit code, and what it printed."""

_SYSTEM = "windows" if os.name == "nt" else "posix"


def problem_of(path: Path, folder: Path, execute: Execute) -> str | None:
    """Return what a case expected and did not get, None if it got all.

    Args:
        folder: takes the files of the case.
    """
    invalid = ".invalid." in path.name
    if path.parent.name != "jobs":
        code, output = execute(["check", str(path)])
        return None if (code != 0) == invalid and code in (0, 1) else f"exit code {code}\n{output}"
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    if _SYSTEM not in case.get("runOn", [_SYSTEM]):
        return None
    code, output = execute(["run", *_arguments(case, folder)])
    if invalid:
        return None if code == 1 else f"exit code {code}\n{output}"
    missing = _missing(case["expected"], code, output)
    return f"{missing}\n{output}" if missing else None


def _arguments(case: dict[str, Any], folder: Path) -> list[str]:
    def write(name: str, value: Any) -> str:
        # JSON is YAML, too.
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
        return str(folder / name)

    words = [write("template.yaml", case["template"])]
    if "parameters" in case:
        words += ["-p", f"file://{write('parameters.yaml', case['parameters'])}"]
    for number, environment in enumerate(case.get("environments", ())):
        words += ["--env", write(f"environment-{number}.yaml", environment)]
    if "pathMapping" in case:
        rules = {"version": "pathmapping-1.0", "path_mapping_rules": case["pathMapping"]}
        words += ["--path-mapping-rules", f"file://{write('rules.json', rules)}"]
    return words


def _missing(expected: dict[str, Any], code: int, output: str) -> str | None:
    failure = expected.get("taskFailure")
    if (failure is None) != (code == 0):
        return f"exit code {code}"
    if failure and (found := re.findall(r"exited with code:\s*(-?[1-9]\d*)", output)[:1]) != [str(failure["exitCode"])]:
        return f"the first failure has the exit code {found}"
    for text in expected.get("output", ()):
        if text not in output:
            return f"missing: {text}"
    for text in expected.get("forbidden", ()):
        if text in output:
            return f"forbidden: {text}"
    return None
