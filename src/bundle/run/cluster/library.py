"""The library Dask, imported late: its absence, its settings, the encryption of its connections."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bundle.base.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Security

LOCAL = "local"
"""Stands for workers on this machine in place of an address, with their number as in `local:2`."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def require() -> None:
    """Check that Dask is there, and give it settings that fit a program: no pages, few messages, short waits.

    Raises:
        ConfigError: it is not installed.
    """
    if find_spec("distributed") is None:
        raise ConfigError(
            "Work on other machines needs Dask, which is not installed.",
            remedy="pip install 'bundle-toolchain[cluster]'",
        )
    import dask

    dask.config.set(
        {
            "distributed.worker.http.routes": [],
            "distributed.scheduler.http.routes": [],
            "distributed.comm.timeouts.connect": "10s",
            # Its messages speak of its parts; what a person can act on is said here.
            "logging": dict.fromkeys(("distributed", "distributed.client", "tornado"), "critical"),
        }
    )


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The files that encrypt connections, as Dask has them; none: they are in clear, and anybody may connect."""

    ca_file: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def security(self) -> Security:
        """Return Dask's form of them.

        Raises:
            ConfigError: only some are given, or one is not there.
        """
        from distributed import Security

        files = {"--tls-ca-file": self.ca_file, "--tls-cert": self.cert, "--tls-key": self.key}
        given = {name: path for name, path in files.items() if path is not None}
        if not given:
            return Security()
        if missing := [name for name in files if name not in given]:
            raise ConfigError(f"Encryption needs all three files; {missing[0]} is not given.", remedy="Name all three.")
        for name, path in given.items():
            if not path.is_file():
                raise ConfigError(f"{name}: there is no file {path}.", remedy="Name the file in PEM format.")
        ca, cert, key = map(str, given.values())
        roles = {
            f"tls_{role}_{kind}": path for role in ("client", "worker") for kind, path in (("cert", cert), ("key", key))
        }
        return Security(require_encryption=True, tls_ca_file=ca, **roles)

    def connection(self) -> dict[str, Any]:
        """Return how a client connects, as Dask has it.

        Raises:
            ConfigError: as `security`, or a file holds something else.
        """
        found = self.security()
        try:
            return dict(found.get_connection_args("client"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"The files for encryption cannot be used: {error}.",
                remedy="Give certificates and their key in PEM format, those of --tls-cert and --tls-key of one pair.",
            ) from error


def checked_address(address: str, tls: Tls) -> str:
    """Return the address of a scheduler, once it is known to have its form.

    Raises:
        ConfigError: it is no `tcp://HOST:PORT` or `tls://HOST:PORT`, or the latter comes without files.
    """
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not port or parts.path or "@" in parts.netloc:
        raise ConfigError(
            f"{address} is no address of a Dask scheduler.",
            remedy="Write it as tcp://HOST:PORT, or tls://HOST:PORT with the three --tls options.",
        )
    if (parts.scheme == "tls") != (tls.ca_file is not None):
        raise ConfigError(
            f"{address} needs the files of its certificates."
            if parts.scheme == "tls"
            else f"{address} is not encrypted, and --tls-ca-file is for addresses that are.",
            remedy="Use tls://HOST:PORT together with --tls-ca-file, --tls-cert and --tls-key.",
        )
    return address


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach an address."""
    return urlsplit(address).hostname in _LOOPBACK


def local_workers(address: str) -> int | None:
    """Return the number of workers that `local` or `local:N` asks for, 0 if it does not say; None for an address.

    Raises:
        ConfigError: the number is none.
    """
    name, _, count = address.partition(":")
    if name != LOCAL:
        return None
    if count and not (count.isdecimal() and 0 < int(count) <= 1024):
        raise ConfigError(f"{address} names no number of workers.", remedy="Write local, or local:4 for four workers.")
    return int(count or 0)
