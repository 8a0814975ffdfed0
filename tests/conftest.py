"""What every test is held to."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import NoReturn

import pytest
import requests
from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Let tests interrupt this process and programs: a shell starts its background jobs with SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _refuse(*arguments: object, **options: object) -> NoReturn:
    raise AssertionError("unit tests need no network and no subprocess; mark the test `real` if it does")


@pytest.fixture(autouse=True)
def closed_world(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let only tests marked `real` start programs and open connections."""
    if request.node.get_closest_marker("real") is not None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", _refuse)
        patch.setattr(requests.Session, "send", _refuse)
        patch.setattr(socket.socket, "connect", _refuse)
        patch.setattr(socket.socket, "connect_ex", _refuse)
        yield
