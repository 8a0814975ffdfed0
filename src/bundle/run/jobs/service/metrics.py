"""The state of a service in the text format of Prometheus."""

from __future__ import annotations

import psutil

from bundle.run.jobs.service.runner import Runner


def metrics_of(runner: Runner) -> str:
    """Return all metrics."""
    lines = ["# HELP bundle_jobs Jobs that are kept, by state.", "# TYPE bundle_jobs gauge"]
    lines += (f'bundle_jobs{{state="{state}"}} {count}' for state, count in runner.store.counts().items())
    memory = psutil.Process().memory_info().rss
    for name, text, value in (
        ("bundle_jobs_running", "Jobs that run.", runner.running),
        ("bundle_jobs_at_once", "Jobs that may run beside each other.", runner.at_once),
        ("process_resident_memory_bytes", "Memory of the service itself.", memory),
    ):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {value}"]
    return "\n".join(lines) + "\n"
