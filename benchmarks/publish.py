"""Bytes on the wire when a bundle is published after another one, to S3 on loopback.

Run it from the repository: `.venv/bin/python -m benchmarks.publish [FIRST SECOND]`, where both versions are built and
in the catalogue; by default `3.12.10` and `3.12.10-atls`. Every byte that the client sends is counted, requests and
headers included, and compared with the compressed bytes of the layers that only the second one has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from tests.artifacts.remotes.stores import s3
from tests.base.relay import Counter

MOST = 1.02
"""Bytes sent for each byte of the new layers."""


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
