"""Keys that encrypt the secure values of jobs at rest: authenticated (Fernet), with rotation."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.base.errors import BundleError, ConfigError
from bundle.base.files import read_regular

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

VARIABLE = "BUNDLE_JOB_KEY"
"""Holds one key or several, separated by commas or blanks; the first one encrypts."""

_PREFIX = "encrypted:"
"""Of a token, so that it is told from a value in clear."""

TOKEN = re.compile(f"{_PREFIX}[A-Za-z0-9_=-]+")
"""A token within a text."""

_MOST = 2**16
"""Bytes of a file of keys."""


class SecretError(BundleError):
    """A secure value cannot be decrypted."""

    default_remedy = "Encrypt the value again with `bundle job encrypt`, or bring back the key that encrypted it."


@dataclass(frozen=True)
class Keys:
    """Keys that encrypt and decrypt; the first one encrypts. Usable by itself, from Python.

    Args:
        keys: each 32 bytes in URL-safe base64, as `new_key` makes them.
    """

    keys: tuple[str, ...] = field(default=(), repr=False)

    def encrypt(self, value: str) -> str:
        """Return a value as a token that only these keys decrypt.

        Raises:
            ConfigError: there is no key.
        """
        return _PREFIX + self._fernet().encrypt(value.encode("utf-8", "surrogatepass")).decode()

    def decrypt(self, token: str) -> str:
        """Return the value of a token.

        Raises:
            SecretError: it is no token, was changed, or none of the keys encrypted it.
            ConfigError: there is no key.
        """
        from cryptography.fernet import InvalidToken

        try:
            content = self._fernet().decrypt(token.strip().removeprefix(_PREFIX).encode())
            return content.decode("utf-8", "surrogatepass")
        except (InvalidToken, UnicodeError) as error:
            raise SecretError("The value is no token of `bundle job encrypt`, or none of the keys fits it.") from error

    def renewed(self, token: str) -> str:
        """Return a token under the first key; one that cannot be decrypted is returned as it is."""
        from cryptography.fernet import InvalidToken

        try:
            return _PREFIX + self._fernet().rotate(token.strip().removeprefix(_PREFIX).encode()).decode()
        except (InvalidToken, UnicodeError):
            return token

    def _fernet(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet

        if not self.keys:
            raise ConfigError(
                "There is no key for secure values.",
                remedy=f"`bundle job encrypt` makes one on first use; or set {VARIABLE}.",
            )
        return MultiFernet([Fernet(key) for key in self.keys])


def is_token(value: str) -> bool:
    """Return whether a value has the form of a token."""
    return value.strip().startswith(_PREFIX)


def new_key() -> str:
    """Return a new key."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def load_keys(file: Path, environ: Mapping[str, str]) -> Keys:
    """Return the keys of the variable, else those of a file, one in each line; none if there is neither.

    Raises:
        ConfigError: a key is malformed, or other users may read the file.
    """
    if named := environ.get(VARIABLE, "").replace(",", " ").split():
        return Keys(_checked(named, VARIABLE))
    try:
        content = read_regular(file, most=_MOST)
        status = file.stat()
    except FileNotFoundError:
        return Keys()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", remedy="Make it a file of your own.") from error
    if os.name == "posix" and (stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid not in (os.geteuid(), 0)):
        raise ConfigError(
            f"Other users may read the keys in {file}.",
            cause=f"Its mode is {stat.S_IMODE(status.st_mode):04o}, or another user owns it.",
            remedy=f"`chmod 600 {file}`; if others may have read it, add a new key with `bundle job rotate`.",
        )
    lines = (line.strip() for line in content.decode(errors="replace").splitlines())
    return Keys(_checked([line for line in lines if line and not line.startswith("#")], str(file)))


def add_key(file: Path, former: Keys) -> Keys:
    """Write a file with a new key in front of the former ones, readable by its owner alone.

    Returns:
        All its keys.
    """
    keys = Keys((new_key(), *former.keys))
    write_keys(file, keys)
    return keys


def write_keys(file: Path, keys: Keys) -> None:
    """Write a file of keys, readable by its owner alone at every moment."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="ascii") as target:
        target.write("".join(f"{key}\n" for key in keys.keys))
        target.flush()
        os.fsync(target.fileno())
    beside.replace(file)


def _checked(keys: list[str], place: str) -> tuple[str, ...]:
    from cryptography.fernet import Fernet

    try:
        for key in keys:
            Fernet(key)
    except ValueError as error:
        raise ConfigError(
            f"{place} holds something that is no key.",
            cause="A key is 32 bytes in URL-safe base64, 44 characters.",
            remedy="Bring back the keys; values that were encrypted with a lost key are lost.",
        ) from error
    return tuple(dict.fromkeys(keys))
