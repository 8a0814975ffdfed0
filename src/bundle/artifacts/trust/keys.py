"""Keys that sign (Ed25519): made, kept in files as PKCS #8, found again in files or in the environment.

No key and no passphrase is ever a part of a message.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, Key, SSlibKey
from tuf.api.metadata import Root

from bundle.base.errors import ConfigError
from bundle.base.files import open_regular, read_regular
from bundle.base.http.urls import conceal
from bundle.base.staging import write_atomically

PASSPHRASE = "BUNDLE_TRUST_PASSPHRASE"  # noqa: S105 - the name of a variable
KEYS = "BUNDLE_TRUST_KEYS"
"""The variable with keys themselves, as PEM, for pipelines."""
FILES = "BUNDLE_TRUST_KEY_FILES"
"""The variable with the paths of key files, separated as in PATH."""

SHORTEST = 12
"""Characters of a passphrase: PKCS #8 makes guessing cheap."""

_LARGEST = 2**16
_PUBLIC = b"-----BEGIN PUBLIC KEY-----"
_PEM = re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.DOTALL)

Ask = Callable[[str], str]
"""Asks a person for a passphrase, by a text that names what it is for."""


@dataclass
class Passphrases:
    """Passphrases of keys, from the environment or from the person at the terminal.

    Args:
        ask: None if there is no terminal.
    """

    environ: Mapping[str, str]
    ask: Ask | None
    _given: list[bytes] = field(default_factory=list)

    def of(self, name: str) -> Iterable[bytes]:
        """Yield the passphrases to be tried for a key, those that fitted others first."""
        if named := self.environ.get(PASSPHRASE):
            conceal(named, "")
            yield named.encode()
            return
        yield from self._given
        if self.ask is None:
            raise ConfigError(
                f"{name} is encrypted, and nobody can be asked for its passphrase.",
                remedy=f"Set {PASSPHRASE}, or run this on a terminal.",
            )
        said = self.ask(f"Passphrase of {name}").encode()
        self._given.append(said)
        yield said

    def new(self, name: str) -> bytes:
        """Return the passphrase for a new key.

        Raises:
            ConfigError: it is too short, or nobody can be asked.
        """
        said = next(iter(self.of(f"the new key {name}")))
        if len(said.decode()) < SHORTEST:
            raise ConfigError(f"The passphrase is shorter than {SHORTEST} characters.", remedy="Choose a longer one.")
        if PASSPHRASE not in self.environ and self.ask is not None and self.ask("The same again").encode() != said:
            raise ConfigError("The two passphrases differ, so no key was made.", remedy="Run the command again.")
        return said


def make_key(path: Path, passphrase: bytes | None) -> CryptoSigner:
    """Make a key and its file, which only its owner may read; there may be none yet.

    Args:
        passphrase: None to leave it unencrypted.
    """
    key = Ed25519PrivateKey.generate()
    encryption: serialization.KeySerializationEncryption = (
        serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    )
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return CryptoSigner(key)


def write_public_key(path: Path, key: Key) -> None:
    """Write the public part of a key, for those who give it a role."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    write_atomically(path, public.public_bytes(serialization.Encoding.PEM, form))


def read_public_key(path: Path) -> Key | None:
    """Return the public key in a file; None if it holds something else, or is not there.

    Raises:
        ConfigError: it is a public key that is not Ed25519.
    """
    try:
        content = read_regular(path, most=_LARGEST)
    except OSError:
        return None
    if not content.startswith(_PUBLIC):
        return None
    with suppress(ValueError, UnsupportedAlgorithm):
        key = serialization.load_pem_public_key(content)
        if isinstance(key, Ed25519PublicKey):
            return SSlibKey.from_crypto(key)
    raise ConfigError(f"{path} holds no Ed25519 key.", remedy="Name the file that `bundle trust make-key` wrote.")


def read_key(path: Path, passphrases: Passphrases) -> CryptoSigner:
    """Return the key in a file.

    Raises:
        ConfigError: there is none that can be used, others may read it, or the passphrase is wrong.
    """
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST)
    except OSError as error:
        raise ConfigError(
            f"The key file {path} cannot be read: {error.strerror}.", remedy="Name the file that holds the key."
        ) from error
    if content.startswith(_PUBLIC):
        raise ConfigError(
            f"{path} has the public part of a key, which signs nothing.",
            remedy="Name the file of the key itself, which has that name without `.pub`.",
        )
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"Other users may use the key in {path}: its mode is {stat.S_IMODE(mode):04o}.",
            remedy=f"`chmod 600 {path}`; if others could read it, replace the key (`bundle trust rotate`).",
        )
    return _signer(content, str(path), passphrases)


def find_keys(files: Sequence[Path], environ: Mapping[str, str], ask: Ask | None) -> list[CryptoSigner]:
    """Return the keys at hand: of the files that are named, and of those and the keys in the environment.

    Raises:
        ConfigError: one of them cannot be used.
    """
    passphrases = Passphrases(environ, ask)
    named = [Path(text) for text in environ.get(FILES, "").split(os.pathsep) if text]
    found = [read_key(path, passphrases) for path in dict.fromkeys((*files, *named))]
    text = environ.get(KEYS, "")
    blocks = [match[0] for match in _PEM.finditer(text)]
    if text.strip() and not blocks:
        raise ConfigError(f"{KEYS} holds no key.", remedy="Put the content of key files into it (PEM).")
    for number, block in enumerate(blocks, 1):
        for line in block.splitlines()[1:-1]:
            conceal(line, "")
        found.append(_signer(block.encode(), f"key {number} of {KEYS}", passphrases))
    return list({signer.public_key.keyid: signer for signer in found}.values())


def signers_of(roots: Iterable[Root], role: str, keys: Iterable[CryptoSigner]) -> list[CryptoSigner]:
    """Return those of some keys that a role has by one of some roots."""
    known = [root.keys[keyid] for root in roots for keyid in root.roles[role].keyids if keyid in root.keys]
    return [one for one in keys if one.public_key in known]


def require_signers(root: Root, roles: Iterable[str], keys: Sequence[CryptoSigner]) -> None:
    """Refuse to sign if keys are missing for some roles.

    Raises:
        ConfigError: a role has fewer keys than it needs.
    """
    missing = []
    for role in roles:
        at_hand = signers_of([root], role, keys)
        if len(at_hand) < root.roles[role].threshold:
            names = ", ".join(keyid[:16] for keyid in root.roles[role].keyids)
            missing.append(f"{role}: {len(at_hand)} of {root.roles[role].threshold}; its keys are {names}")
    if missing:
        raise ConfigError(
            "Keys are missing, so the metadata cannot be signed.",
            remedy=f"Name key files with --key or in {FILES}, or put keys into {KEYS}.",
            details=missing,
        )


def _signer(content: bytes, name: str, passphrases: Passphrases) -> CryptoSigner:
    tried: Iterable[bytes | None] = (None,)
    if b"ENCRYPTED" in content:
        tried = passphrases.of(name)
    for passphrase in tried:
        key = None
        with suppress(ValueError, TypeError, UnsupportedAlgorithm):
            key = serialization.load_pem_private_key(content, passphrase)
        if isinstance(key, Ed25519PrivateKey):
            return CryptoSigner(key)
    raise ConfigError(
        f"{name} is no Ed25519 key that can be used (PKCS #8, PEM).",
        cause="The passphrase is wrong, or it is another kind of file.",
        remedy=f"Give its passphrase ({PASSPHRASE}), or name the file that `bundle trust` made.",
    )
