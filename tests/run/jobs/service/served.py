"""A service in a process of its own, and clients of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

_CODE = "import sys; from bundle.cli.main import main; main(sys.argv[1:])"

FINAL = ("finished_ok", "finished_error", "cancelled", "aborted")


class Served:
    """`bundle serve` with a folder of its own.

    Args:
        words: further words of its command line.
        environ: further variables.
    """

    def __init__(self, root: Path, *words: str, environ: dict[str, str] | None = None) -> None:
        self.root = root
        self.data = root / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._words = ("--python", sys.executable, *words)
        own = {"BUNDLE_DATA_DIR": str(self.data), "BUNDLE_CACHE_DIR": str(root / "cache")}
        self.environ = {**os.environ, **own, **(environ or {})}
        self.client = requests.Session()
        self.client.trust_env = False
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = self.launch()
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            try:
                self.client.get(f"{self.url}/health", timeout=10)
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return

    def launch(self) -> subprocess.Popen[bytes]:
        """Start a process of it."""
        command = [sys.executable, "-c", _CODE, "serve", "--port", str(self.port), *self._words]
        with (self.root / "service.log").open("ab") as log:
            return subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        self.process.send_signal(number)
        self.process.wait(60)

    def upload(self, script: str, *, status: int = 201, **fields: Any) -> dict[str, Any]:
        """Upload a script; `config` may be a table."""
        files = {"script": (fields.pop("name", "app.py"), script), **fields.pop("files", {})}
        config = fields.pop("config", None)
        if isinstance(config, dict):
            config = json.dumps({"engineType": "python", "packageName": "app.py", **config})
        data = {**fields, **({"config": config} if config else {})}
        answer = self.client.post(f"{self.url}/api/jobs", files=files, data=data, timeout=60)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, id: str) -> dict[str, Any]:  # noqa: A002
        """Return a job."""
        found: dict[str, Any] = self.client.get(f"{self.url}/api/jobs/{id}", timeout=30).json()
        return found

    def log(self, id: str) -> bytes:  # noqa: A002
        """Return the log of a job."""
        return self.client.get(f"{self.url}/api/jobs/{id}/log", timeout=60).content

    def wait(self, id: str, *states: str, seconds: float = 120) -> dict[str, Any]:  # noqa: A002
        """Wait for a state, the end by default."""
        deadline = time.monotonic() + seconds
        while (found := self.job(id))["state"] not in (states or FINAL):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def events(self, id: str, offset: int = 0) -> Iterator[tuple[str, int, Any]]:  # noqa: A002
        """Yield kind, place and data of the events of a job."""
        url = f"{self.url}/api/jobs/{id}/events"
        with self.client.get(url, params={"offset": offset}, stream=True, timeout=60) as answer:
            kind, place = "", 0
            for line in answer.iter_lines(chunk_size=1):
                key, _, value = line.decode().partition(": ")
                if key == "event":
                    kind = value
                elif key == "id":
                    place = int(value)
                elif key == "data":
                    yield kind, place, json.loads(value)
