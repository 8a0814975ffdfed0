"""What every test is held to."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from typing import NoReturn

import pytest
import requests
from hypothesis import settings

from tests import examples


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples property tests get, and let tests interrupt this process and programs."""
    settings.load_profile("thorough" if examples.MARK in config.option.markexpr else "quick")
    # A shell starts its background jobs with SIGINT ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark property tests, so that the thorough run finds them."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(examples.MARK)


def _refuse(*arguments: object, **options: object) -> NoReturn:
    raise AssertionError("unit tests need no network and no subprocess; mark the test `real` if it does")


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of a container registry; each test takes a repository of its own."""
    from tests.artifacts.remotes.stores import registry

    with registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


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
