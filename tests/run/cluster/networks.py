"""Network namespaces joined by a bridge, as machines of a network whose links can be cut."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Host:
    """One namespace."""

    namespace: str
    link: str
    """Its link to the bridge, as it is called at the bridge."""

    def enter(self) -> list[str]:
        """Return what begins the command line of a program in it."""
        return ["ip", "netns", "exec", self.namespace]

    def cut(self) -> None:
        """Cut the link."""
        _ip("link", "set", self.link, "down")

    def join(self) -> None:
        """Join the link again."""
        _ip("link", "set", self.link, "up")


@dataclass(frozen=True)
class Network:
    """A bridge and what it joins."""

    address: str
    """Of this machine."""
    hosts: tuple[Host, ...]


@contextmanager
def network(count: int) -> Iterator[Network]:
    """Make a network while the block runs; skip the test where that is not permitted."""
    tag, part = secrets.token_hex(3), secrets.randbelow(200)
    bridge, subnet = f"b{tag}", f"10.213.{part}"
    with ExitStack() as stack:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            stack.callback(_ip, "link", "del", bridge)
            _ip("addr", "add", f"{subnet}.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            hosts = []
            for number in range(count):
                host = Host(f"n{tag}-{number}", f"v{tag}{number}")
                _ip("netns", "add", host.namespace)
                stack.callback(_ip, "netns", "del", host.namespace)
                _ip("link", "add", host.link, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
                _ip("link", "set", host.link, "master", bridge, "up")
                _ip("-n", host.namespace, "addr", "add", f"{subnet}.{number + 2}/24", "dev", "eth0")
                for one in ("lo", "eth0"):
                    _ip("-n", host.namespace, "link", "set", one, "up")
                hosts.append(host)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces cannot be made here: {getattr(error, 'stderr', None) or error}")
        yield Network(f"{subnet}.1", tuple(hosts))


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
