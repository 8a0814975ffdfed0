"""Bytes on the wire when a bundle is published after another one, to S3 on loopback.

Run it from the repository: `.venv/bin/python -m benchmarks.publish [FIRST SECOND]`, where both versions are built and
in the catalogue; by default `3.12.10` and `3.12.10-atls`. Every byte that the client sends is counted, requests and
headers included, and compared with the compressed bytes of the layers that only the second one has.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

from tests.artifacts.remotes.stores import s3

MOST = 1.02
"""Bytes sent for each byte of the new layers."""


class Counter:
    """A relay on loopback that counts the bytes in each direction."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = self.received = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._target)
            for source, sink, name in ((client, server, "sent"), (server, client, "received")):
                threading.Thread(target=self._relay, args=(source, sink, name), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, name: str) -> None:
        try:
            while data := source.recv(2**16):
                setattr(self, name, getattr(self, name) + len(data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def main() -> None:
    """Print the bytes of both publications, and fail if the second one sends too many."""
    versions = sys.argv[1:3] or ["3.12.10", "3.12.10-atls"]
    with s3() as environ:
        counter = Counter(environ["AWS_ENDPOINT_URL"])
        variables = {**os.environ, **environ, "AWS_ENDPOINT_URL": counter.url}
        share = 0.0
        for version in versions:
            before, received = counter.sent, counter.received
            started = time.perf_counter()
            # The host's interpreter may be a substitute where no release can be downloaded.
            command = ["--quiet", "--json", "publish", version, "--to", "s3://runtimes/benchmark", "--allow-substitute"]
            done = subprocess.run(
                [sys.executable, "-m", "bundle", *command], env=variables, check=True, stdout=subprocess.PIPE
            )
            seconds = time.perf_counter() - started
            bundles = json.loads(done.stdout)["bundles"]
            new, sent = sum(one["bytesSent"] for one in bundles), counter.sent - before
            share = sent / new if new else float(sent > 2**20)
            layers = f"{sum(one['sent'] for one in bundles)} of {sum(one['layers'] for one in bundles)} layers"
            print(
                f"{version}: {layers} new, {new:,} bytes; on the wire {sent:,} sent ({share:.4f} times as many), "
                f"{counter.received - received:,} received, {seconds:.1f} s"
            )
    sys.exit(share > MOST)


if __name__ == "__main__":
    main()
