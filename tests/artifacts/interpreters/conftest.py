import os
import platform as system
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.host import Host
from bundle.artifacts.interpreters.portable.facts import About
from bundle.artifacts.interpreters.source import Offer, Request, Tools
from bundle.artifacts.store.store import Store
from bundle.base.http.client import Downloader
from bundle.base.report import Reporter
from bundle.model.config.config import Interpreter
from bundle.model.platforms import PLATFORMS, Platform, platform_of

MINORS = ("3.12", "3.13", "3.11", "3.10")
"""The versions that the tests with a real interpreter try to find, best first."""


@dataclass(frozen=True, kw_only=True)
class Portable:
    """A CPython of this machine, made portable once for all tests; they must not change it."""

    tree: Path
    about: About
    offer: Offer
    request: Request

    @property
    def platform(self) -> Platform:
        return self.request.platform


MakeTools = Callable[..., Tools]


@pytest.fixture
def make_tools(tmp_path: Path) -> MakeTools:
    """Return a maker of real tools with a cache and scratch of their own."""

    def make(name: str = "tools", *, offline: bool = False, reporter: Reporter | None = None) -> Tools:
        root = tmp_path / name
        (root / "work").mkdir(parents=True)
        told = reporter or Reporter()
        downloader = Downloader(
            reporter=told, offline=offline, environ=dict(os.environ), retries=3, timeout=1.0, backoff=0.01
        )
        return Tools(downloader=downloader, files=Store(root, reporter=told).files, reporter=told, work=root / "work")

    return make


def request_for(python: str, *, platform: Platform | None = None, config: Interpreter | None = None) -> Request:
    """Return a request on this machine."""
    machine = platform_of(system.system(), system.machine())
    return Request(
        python=python,
        platform=platform or machine or PLATFORMS["linux-x64"],
        config=config or Interpreter(),
        machine=machine,
        environ=dict(os.environ),
    )


@pytest.fixture(scope="session")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Portable:
    """Return a real interpreter; without a suitable one on the machine, skip, but fail where CI promises one."""
    folder = tmp_path_factory.mktemp("portable")
    reporter = Reporter()
    for minor in MINORS:
        request = request_for(f"{minor}.0")
        offers = [offer for offer in Host().offers(request) if isinstance(offer, Offer)]
        if not offers:
            continue
        tree = folder / "python"
        tree.mkdir()
        (folder / "work").mkdir()
        tools = Tools(
            downloader=Downloader(reporter=reporter, environ=dict(os.environ)),
            files=Store(folder / "store", reporter=reporter).files,
            reporter=reporter,
            work=folder / "work",
        )
        about = Host().make(offers[0], request, tree, tools)
        return Portable(tree=tree, about=about, offer=offers[0], request=request)
    message = f"this machine has no CPython that can be made portable ({', '.join(MINORS)})"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
