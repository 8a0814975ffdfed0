"""Object stores and registries on loopback, run by their real servers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pytest

SECRET = "planted-SECRET-9f8e7d"

_HASHED = "$2b$05$ZLZCEdTBEFKYMLMPX9n7AOCbLEjWyUolgI7tViOkoMt6FHtaPAjBe"
"""The secret as the registry keeps it (bcrypt)."""


@contextmanager
def served(command: Sequence[str], port: int) -> Iterator[None]:
    """Run a server until the block ends; it is there when the block begins."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def registry(folder: Path, *, locked: bool = False) -> Iterator[str]:
    """Run a container registry that keeps its files in a folder, and give its host with the port.

    Args:
        locked: whether only the user `publisher` may use it, whose password is `SECRET`.
    """
    port = free_port()
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if locked:
        (folder / "users").write_text(f"publisher:{_HASHED}\n")
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "users")}}
    (folder / "config.yml").write_text(json.dumps(config))
    with served(["docker-registry", "serve", str(folder / "config.yml")], port):
        yield f"127.0.0.1:{port}"


def free_port() -> int:
    """Return a port of the loopback that no server listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def s3() -> Iterator[Mapping[str, str]]:
    """Run an S3 server with the bucket `runtimes`, and give the environment that its clients need."""
    port = free_port()
    environ = {
        "AWS_ACCESS_KEY_ID": "publisher",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    with served([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"PUT /runtimes HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            answer = connection.recv(100)
            if b" 200 " not in answer:
                raise RuntimeError(answer.decode())
        yield environ


@contextmanager
def gcs() -> Iterator[Mapping[str, str]]:
    """Run a server of Google Cloud Storage with the bucket `runtimes`, and give the environment of its clients."""
    port = free_port()
    start = ["start", "--host", "127.0.0.1", "--port", str(port), "--in-memory", "--default-bucket", "runtimes"]
    with served([sys.executable, "-m", "gcp_storage_emulator", *start], port):
        yield {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}


@contextmanager
def address(kind: str, folder: Path) -> Iterator[str]:
    """Give the address of a new remote, whose credentials are in the environment while the block runs.

    Args:
        kind: `folder`, `s3`, `gs` or `oci`.
        folder: for what it holds, where that is no server of its own.
    """
    if kind == "folder":
        yield str(folder / "remote")
    elif kind == "oci":
        (folder / "registry").mkdir()
        with registry(folder / "registry") as host:
            yield f"oci://{host}/team/runtimes"
    else:
        with {"s3": s3, "gs": gcs}[kind]() as environ, pytest.MonkeyPatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            yield f"{kind}://runtimes/{token_hex(4)}"
