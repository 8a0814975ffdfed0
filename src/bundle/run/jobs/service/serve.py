"""Runs the service until it is asked to end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bundle.base.errors import ConfigError, WorkError
from bundle.base.report import Reporter
from bundle.run.jobs.engine import Surroundings
from bundle.run.jobs.log import MOST_LOG

_NEEDED = ("fastapi", "jinja2", "multipart", "uvicorn")

_CLEAN = 60.0
"""Seconds between two looks at what is kept."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the person who starts the service decides."""

    root: Path
    host: str = "127.0.0.1"
    port: int = 8400
    token: str = ""
    at_once: int = 4
    most_upload: int = 100 * 2**20
    most_log: int = MOST_LOG
    keep_seconds: float = 30 * 86400.0
    keep_bytes: int = 10 * 2**30


def require_libraries() -> None:
    """Check that the libraries of the service are there.

    Raises:
        ConfigError: one is missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The service needs libraries that are not installed: {', '.join(missing)}.",
            remedy="pip install 'bundle-toolchain[service]'",
        )


def serve(
    settings: Settings,
    surroundings: Surroundings,
    runtimes: Callable[[], list[dict[str, str]]],
    reporter: Reporter,
) -> None:
    """Run the service until a signal ends it; jobs that run then are aborted, and queued ones wait for the next.

    Raises:
        ConfigError: a library is missing, another service uses the folder or the address, or others could connect
            without a token.
    """
    require_libraries()
    import uvicorn

    from bundle.run.jobs.service.api import service
    from bundle.run.jobs.service.guard import Access
    from bundle.run.jobs.service.runner import Runner
    from bundle.run.jobs.service.store import JobStore
    from bundle.run.jobs.service.uploads import encrypted

    access = Access(host=settings.host, token=settings.token, most_bytes=settings.most_upload)
    with JobStore(settings.root) as store:
        for row in store.jobs(limit=-1):
            store.renew(row.id, encrypted(row.config, surroundings.keys))
        runner = Runner(store, surroundings, reporter, at_once=settings.at_once, most_log=settings.most_log)
        ended = threading.Event()

        def clean() -> None:
            while True:
                store.retain(seconds=settings.keep_seconds, size=settings.keep_bytes)
                if ended.wait(_CLEAN):
                    return

        cleaner = threading.Thread(target=clean, daemon=True)
        cleaner.start()
        config = uvicorn.Config(
            service(runner, access, runtimes),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=30,
            limit_concurrency=500,
        )
        server = uvicorn.Server(config)
        try:
            with _listening(settings) as listening, suppress(KeyboardInterrupt):  # It ends by that, too.
                reporter.info(f"bundle serves jobs on http://{settings.host}:{listening.getsockname()[1]}")
                server.run(sockets=[listening])
        finally:
            ended.set()
            cleaner.join()
    if not server.started:
        raise WorkError("The service did not start.", remedy="Read what stands above.")


def _listening(settings: Settings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"Nothing can listen on {settings.host}, port {settings.port}: {why}.",
            cause="Another program uses the port, or this machine does not have the address.",
            remedy="Name another one with --port or --host.",
        ) from error
