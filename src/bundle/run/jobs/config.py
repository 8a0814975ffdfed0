"""The configuration of a job: JSON with `jobId`, `engineType`, `packageName` and what its script gets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bundle.base.errors import ConfigError, Problems
from bundle.base.filenames import portable_obstacle
from bundle.base.processes.supervised import Limits
from bundle.base.text import nearest
from bundle.model.config.json_source import Node, origin_of, parse, path_text, plain, read
from bundle.run.jobs.environment import JobEnvironment, read_environment

ENGINES = ("python",)

LONGEST_VALUE = 32_000
"""Characters of a variable's value; Windows has room for little more."""

_MOST_MACROS = 1000

_JOB = ("jobId", "engineType", "packageName", "runtimeConfig")

_RUNTIME = ("macros", "environment", "exitCodes", "timeout", "grace", "memoryLimit", "processLimit", "packageName")

Final = Literal["finished_ok", "finished_error"]


@dataclass(frozen=True, kw_only=True)
class Macro:
    """One variable of the script."""

    name: str
    value: str = field(repr=False)
    """In clear, or as a token of `bundle job encrypt` if it is secure."""
    secure: bool = False


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an exit code stands for."""

    state: Final
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class JobConfig:
    """What is known of a job before it starts; usable by itself, from Python."""

    job_id: str
    package: str
    """The script, relative to the job's folder, with `/` between its parts."""
    engine: str = "python"
    macros: tuple[Macro, ...] = ()
    """In order; of several with one name, the last counts."""
    environment: JobEnvironment = field(default_factory=JobEnvironment)
    """What its script finds installed."""
    exit_codes: Mapping[int, Meaning] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    warnings: tuple[str, ...] = ()
    """What was left out or is probably not meant."""


def read_job_config(path: Path) -> JobConfig:
    """Return the configuration in a JSON file.

    Raises:
        ConfigError: it cannot be read, or is wrong; all problems at once.
    """
    problems = Problems()
    node = read(path, path.name, problems)
    problems.raise_if_any(f"{path} has several problems.")
    assert node is not None  # noqa: S101 - otherwise there is a problem
    return _config(node, path.name)


def parse_job_config(text: str, file: str = "job.json", *, job_id: str | None = None) -> JobConfig:
    """Return the configuration in a JSON text.

    Args:
        file: its name in messages.
        job_id: stands in for a missing `jobId`.

    Raises:
        ConfigError: it is wrong; all problems at once.
    """
    problems = Problems()
    node = parse(text, file, problems)
    problems.raise_if_any(f"{file} has several problems.")
    return _config(node, file, job_id=job_id)


def script_name(package: str) -> str:
    """Return the file name of a script, given with or without `.py`.

    Raises:
        ConfigError: it leads out of the job's folder, or no system or not every system can have it.
    """
    name = package if package.endswith(".py") else f"{package}.py"
    obstacle = portable_obstacle(name)
    if obstacle or not all(part.strip(".") for part in name.removesuffix(".py").split("/")):
        raise ConfigError(
            f"{package!r:.80} names no script: it {obstacle or 'is empty'}.",
            remedy="Name a .py file of the job's folder, such as app.py.",
        )
    return name


def size_in_bytes(text: str) -> int:
    """Return the bytes of a size such as `512 MiB`, `2GB` or `1000000`.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?) ?(?:([KMGT]?)(i?)B?)", text.strip())
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"{text!r:.40} is no size such as 512 MiB")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2] or " "))


def _config(node: Node, file: str, *, job_id: str | None = None) -> JobConfig:
    reader = _Reader(node, file)
    document = reader.table(plain(node), (), _JOB)
    runtime = reader.table(document.get("runtimeConfig"), ("runtimeConfig",), _RUNTIME)
    if document.get("packageName") is None and runtime.get("packageName") is not None:
        document["packageName"] = runtime["packageName"]
    if document.get("jobId") is None and job_id is not None:
        document["jobId"] = job_id
    texts = {key: reader.text(document, key) for key in _JOB[:3]}
    engine = texts["engineType"].lower()
    if engine and engine not in ENGINES:
        reader.problem(("engineType",), f"there is no engine {texts['engineType']!r:.40}; one of {', '.join(ENGINES)}.")
    script = ""
    if texts["packageName"]:
        with reader.problems.collecting():
            script = script_name(texts["packageName"])
    found = JobConfig(
        job_id=texts["jobId"],
        engine=engine,
        package=script,
        macros=tuple(reader.macros(runtime.get("macros"))),
        environment=reader.environment(runtime.get("environment")),
        exit_codes=reader.exit_codes(runtime.get("exitCodes")),
        limits=reader.limits(runtime),
        warnings=tuple(reader.warnings),
    )
    reader.problems.raise_if_any(f"{file} has several problems.")
    return found


class _Reader:
    """Takes values out of a document; messages tell places, and no values of macros, which may be secret."""

    def __init__(self, node: Node, file: str) -> None:
        self._node = node
        self._file = file
        self.problems = Problems()
        self.warnings: list[str] = []

    def problem(self, path: tuple[str | int, ...], message: str) -> None:
        self.problems.add(ConfigError(self._located(path, message), remedy="Correct the job's configuration."))

    def table(self, value: Any, path: tuple[str | int, ...], known: tuple[str, ...]) -> dict[str, Any]:
        if value is None and path:
            return {}
        if not isinstance(value, dict):
            self.problem(path, "must be a table {…}.")
            return {}
        for key in value.keys() - set(known):
            # Other keys are for other programs, and are left alone.
            if near := nearest(key, known):
                self.warnings.append(self._located((*path, key), f"is not read; {near[0]} would be."))
        return dict(value)

    def text(self, document: Mapping[str, Any], key: str) -> str:
        value = document.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip() and "\0" not in value and len(value) <= 1000:
            return value.strip()
        missing = "is missing." if value is None else "must be a text of 1 to 1000 characters."
        self.problem((key,) if key in document else (), missing if key in document else f'"{key}" is missing.')
        return ""

    def macros(self, value: Any) -> Iterator[Macro]:
        if value is None:
            return
        if not isinstance(value, list) or len(value) > _MOST_MACROS:
            self.problem(("runtimeConfig", "macros"), f"must be a list of at most {_MOST_MACROS} macros.")
            return
        seen: set[str] = set()
        for place, item in enumerate(value):
            path = ("runtimeConfig", "macros", place)
            if item is None:
                continue
            if not isinstance(item, dict):
                self.problem(path, "must be a table with key and value.")
                continue
            name = item.get("key") if item.get("key") is not None else item.get("name")
            held = item.get("value")
            if name is None or held is None:
                continue
            macro = self._macro(path, name, held, item.get("secure"))
            if macro is not None:
                if macro.name in seen:
                    self.warnings.append(self._located(path, f"{macro.name} occurs again; the last one counts."))
                seen.add(macro.name)
                yield macro

    def _macro(self, path: tuple[str | int, ...], name: Any, value: Any, secure: Any) -> Macro | None:
        if (obstacle := name_obstacle(name)) is not None:
            self.problem(path, f"its name {obstacle}.")
        elif secure not in (None, True, False):
            self.problem((*path, "secure"), "must be true or false.")
        elif isinstance(value, (dict, list)):
            self.problem((*path, "value"), "must be a text.")
        else:
            text = value if isinstance(value, str) else _as_text(value)
            if "\0" not in text and len(text) <= LONGEST_VALUE:
                return Macro(name=name, value=text, secure=bool(secure))
            self.problem((*path, "value"), f"holds a zero byte, or more than {LONGEST_VALUE} characters.")
        return None

    def environment(self, value: Any) -> JobEnvironment:
        try:
            return read_environment(value)
        except ValueError as error:
            self.problem(("runtimeConfig", "environment"), f"{error}.")
            return JobEnvironment()

    def exit_codes(self, value: Any) -> dict[int, Meaning]:
        path = ("runtimeConfig", "exitCodes")
        if value is not None and not isinstance(value, dict):
            self.problem(path, "must be a table {…}.")
        found = {}
        for key, item in value.items() if isinstance(value, dict) else ():
            meaning = _meaning(key, item)
            if meaning is None:
                states = "finished_ok, finished_error, a text, or a table with state and text"
                self.problem((*path, key), f"must map a whole number to {states}.")
            else:
                found[int(key)] = meaning
        return found

    def limits(self, runtime: Mapping[str, Any]) -> Limits:
        default = Limits()
        timeout = self._number(runtime, "timeout")
        grace = self._number(runtime, "grace", zero=True)
        processes = self._number(runtime, "processLimit")
        memory = runtime.get("memoryLimit")
        if isinstance(memory, str):
            try:
                memory = size_in_bytes(memory)
            except ValueError as error:
                self.problem(("runtimeConfig", "memoryLimit"), f"{error}.")
                memory = None
        else:
            memory = self._number(runtime, "memoryLimit")
        return Limits(
            timeout=timeout,
            memory=None if memory is None else int(memory),
            processes=default.processes if processes is None else int(processes),
            grace=default.grace if grace is None else min(grace, 3600.0),
        )

    def _number(self, runtime: Mapping[str, Any], key: str, *, zero: bool = False) -> float | None:
        value = runtime.get(key)
        if value is None:
            return None
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if fits and math.isfinite(value) and (value > 0 or (zero and value == 0)) and value < 1e15:
            return float(value)
        self.problem(("runtimeConfig", key), "must be a number above zero.")
        return None

    def _located(self, path: tuple[str | int, ...], message: str) -> str:
        return f"{origin_of(self._node, path)}: {path_text(path) or 'the file'}: {message}"


def name_obstacle(name: object) -> str | None:
    """Return why no system can have a variable of a name, None if all can."""
    if not isinstance(name, str) or not name.strip():
        return "must be a text that is not empty"
    if len(name) > 1000 or re.search(r"[=\x00-\x1f\x7f]", name) or any("\ud800" <= sign <= "\udfff" for sign in name):
        return "holds a sign that no variable can have, such as =, or is too long"
    return "begins or ends with a blank" if name != name.strip() else None


def _as_text(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else str(value)


def _meaning(key: str, item: Any) -> Meaning | None:
    if not re.fullmatch(r"-?\d{1,10}", key):
        return None
    usual: Final = "finished_ok" if int(key) == 0 else "finished_error"
    state, text = (item.get("state", usual), item.get("text", "")) if isinstance(item, dict) else (item, "")
    if not isinstance(state, str) or not isinstance(text, str) or len(state) + len(text) > 2000:
        return None
    if state in ("finished_ok", "ok"):
        return Meaning(state="finished_ok", text=text)
    if state in ("finished_error", "error"):
        return Meaning(state="finished_error", text=text)
    return None if isinstance(item, dict) else Meaning(state=usual, text=state)
