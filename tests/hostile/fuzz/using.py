"""The readers of the using side: application files, jobs and what is uploaded for them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bundle.base.errors import ConfigError
from bundle.run.environments.application import read_commands
from bundle.run.jobs.command import env_file_entries
from bundle.run.jobs.config import parse_job_config, read_job_config
from bundle.run.jobs.keys import Keys
from bundle.run.jobs.outcome import RESULT_FILE, read_result
from bundle.run.jobs.properties import read_properties
from bundle.run.jobs.provisioning import named_files
from bundle.run.jobs.service.store import JobStore
from bundle.run.jobs.service.uploads import Upload, accept
from tests.hostile.fuzz import samples
from tests.hostile.fuzz.harness import Target
from tests.hostile.fuzz.mutations import changed_bytes, changed_json, changed_lines, changed_text

KEY = Keys(("MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",))

APPLICATION = """\
# app.yml
defaults: &general {type: python_env, pylock: pylock.toml}
commands:
  process:
    <<: *general
    type: python_env
    pylock: pylock.toml
    command: -m my_app.process "two words"
    python_version: "3.12"
    local_extra_deps: [my_app-1.0.0-py3-none-any.whl]
    env: {DATA_PATH: /data}
    prepend_paths: [/opt/tools/bin]
    refresh: false
"""

PROPERTIES = """\
# of the service
python.enabled=true
python.installPath = /opt/python3.13 \\
    /more
other: C:\\\\Python313\\u0041
"""

ENV_FILE = "# of the script\nexport NAME='a ${OTHER} b'\nOTHER=\"x\\ny\" # why\nPLAIN=a#b c\n"

JOB: dict[str, Any] = {
    "jobId": "1",
    "engineType": "python",
    "packageName": "app",
    "runtimeConfig": {
        "macros": [{"key": "A", "value": "hunter2", "secure": True}, {"name": "B", "value": 1}, None],
        "exitCodes": {"3": "ok", "4": {"state": "finished_error", "text": "none"}},
        "timeout": 3,
        "grace": 0.5,
        "memoryLimit": "1 GiB",
        "environment": {"python": "3.12", "requirements": ["numpy>=2; python_version > '3'", "x[y] @ https://a/b"]},
    },
}

FILE_NAMES = ("data/a.csv", "b.txt", ".env", "result.json", "CON", "nul.txt", "a.", "..\\x", "C:x", "COM1.log")


def application(content: bytes, folder: Path) -> None:
    """Read an application file."""
    (folder / "app.yml").write_bytes(content)
    read_commands(folder / "app.yml")


def job_config(content: bytes, folder: Path) -> None:
    """Read the configuration of a job."""
    (folder / "job.json").write_bytes(content)
    read_job_config(folder / "job.json")


def properties(content: bytes, folder: Path) -> None:
    """Read application.properties."""
    (folder / "application.properties").write_bytes(content)
    read_properties(folder / "application.properties")


def env_file(content: bytes, folder: Path) -> None:
    """Read a .env."""
    (folder / ".env").write_bytes(content)
    env_file_entries(folder / ".env", {"OTHER": "1"})


def result(content: bytes, folder: Path) -> None:
    """Read what a script left."""
    (folder / RESULT_FILE).write_bytes(content)
    read_result(folder)


def job_lock(content: bytes, _: Path) -> None:
    """Read the files that the lock of a job names."""
    list(named_files(content))


def upload(parts: tuple[str, str, str, bytes], folder: Path) -> None:
    """Accept an upload, or refuse it and keep nothing; what is kept lies in the job's folder."""
    script, first, second, config = parts
    store = JobStore(folder / "service")
    files = [(name, io.BytesIO(b"x")) for name in (first, second)]
    text = config.decode(errors="replace")
    try:
        row = accept(Upload(script=(script, io.BytesIO(b"")), config=text, files=files), store, KEY)
        kept = [path for path in store.files(row.id).rglob("*") if path.is_file()]
        assert len(kept) == 3
        parse_job_config(row.config, job_id=row.id)
    except ConfigError:
        assert not [path for path in (folder / "service" / "jobs").rglob("*") if path.is_file()]
        raise
    finally:
        store.close()
    assert sorted(path.name for path in folder.iterdir()) == ["service"]


TARGETS: Mapping[str, Target] = {
    "application": Target(inputs=changed_lines([APPLICATION]), feed=application, weight=4),
    "job-config": Target(inputs=changed_json([JOB]), feed=job_config),
    "properties": Target(inputs=changed_lines([PROPERTIES]), feed=properties),
    "env-file": Target(inputs=changed_lines([ENV_FILE]), feed=env_file),
    "job-result": Target(inputs=changed_json([JOB]), feed=result),
    "job-lock": Target(inputs=changed_lines([samples.TAKEN_LOCK, samples.VENDORED_LOCK]), feed=job_lock),
    "upload": Target(
        inputs=st.tuples(
            st.just("app.py") | changed_text(["app.py"]),
            changed_text(FILE_NAMES),
            changed_text(FILE_NAMES),
            st.just(b"") | changed_json([{**JOB, "packageName": "app.py"}]) | changed_bytes([b"{}"]),
        ),
        feed=upload,
        weight=20,
    ),
}
