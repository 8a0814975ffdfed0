from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from bundle.artifacts.trust.keys import (
    FILES,
    KEYS,
    PASSPHRASE,
    Passphrases,
    find_keys,
    make_key,
    read_key,
    write_public_key,
)
from bundle.base.errors import ConfigError

WORDS = "correct horse battery"
GIVEN = {PASSPHRASE: WORDS}


def keyids(keys: list[CryptoSigner]) -> list[str]:
    return [key.public_key.keyid for key in keys]


@pytest.mark.parametrize("passphrase", [WORDS.encode(), None])
def test_a_key_is_kept_in_a_file_of_its_owner(tmp_path: Path, passphrase: bytes | None) -> None:
    made = make_key(tmp_path / "keys" / "online.pem", passphrase)
    assert stat.S_IMODE((tmp_path / "keys" / "online.pem").stat().st_mode) == 0o600
    content = (tmp_path / "keys" / "online.pem").read_bytes()
    assert (b"ENCRYPTED" in content) == (passphrase is not None)
    assert read_key(tmp_path / "keys" / "online.pem", Passphrases(GIVEN, None)).public_key == made.public_key
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "keys" / "online.pem", passphrase)
    assert (tmp_path / "keys" / "online.pem").read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    make_key(tmp_path / "key.pem", None)
    (tmp_path / "key.pem").chmod(mode)
    with pytest.raises(ConfigError, match="Other users may use the key"):
        read_key(tmp_path / "key.pem", Passphrases({}, None))


def test_the_public_part_of_a_key_signs_nothing(tmp_path: Path) -> None:
    made = make_key(tmp_path / "key.pem", None)
    write_public_key(tmp_path / "key.pem.pub", made.public_key)
    with pytest.raises(ConfigError, match="has the public part of a key"):
        read_key(tmp_path / "key.pem.pub", Passphrases({}, None))


def test_a_wrong_passphrase_and_none_are_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem", WORDS.encode())
    with pytest.raises(ConfigError, match="no Ed25519 key") as wrong:
        read_key(tmp_path / "key.pem", Passphrases({PASSPHRASE: "something-else"}, None))
    assert "something-else" not in wrong.value.as_text()
    with pytest.raises(ConfigError, match="nobody can be asked"):
        read_key(tmp_path / "key.pem", Passphrases({}, None))


def test_a_passphrase_is_asked_for_once_for_keys_that_share_it(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_key(tmp_path / name, WORDS.encode())
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return WORDS

    assert len(find_keys([tmp_path / "one", tmp_path / "two"], {}, ask)) == 2
    assert asked == [f"Passphrase of {tmp_path / 'one'}"]


def test_a_new_passphrase_is_long_and_said_twice() -> None:
    said = iter([WORDS, WORDS, WORDS, "other"])
    assert Passphrases({}, lambda _: next(said)).new("key") == WORDS.encode()
    with pytest.raises(ConfigError, match="differ"):
        Passphrases({}, lambda _: next(said)).new("key")
    with pytest.raises(ConfigError, match="shorter than"):
        Passphrases({PASSPHRASE: "short"}, None).new("key")


def test_keys_come_from_files_and_from_the_environment(tmp_path: Path) -> None:
    made = [make_key(tmp_path / name, WORDS.encode() if name == "b" else None) for name in "abcd"]
    text = "\n".join((tmp_path / name).read_text() for name in "bcd")
    environ = {**GIVEN, FILES: os.pathsep.join([str(tmp_path / "b"), ""]), KEYS: text}
    assert keyids(find_keys([tmp_path / "a"], environ, None)) == keyids(made)
    assert find_keys([], {}, None) == []


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff" * 70_000]
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    (tmp_path / "key.pem").chmod(0o600)
    with pytest.raises(ConfigError, match="no Ed25519 key"):
        read_key(tmp_path / "key.pem", Passphrases({}, None))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_key(tmp_path, Passphrases({}, None))
    with pytest.raises(ConfigError, match="holds no key"):
        find_keys([], {KEYS: "junk"}, None)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(CryptoSigner.generate_ecdsa().private_bytes)
    (tmp_path / "key.pem").chmod(0o600)
    with pytest.raises(ConfigError, match="no Ed25519 key"):
        read_key(tmp_path / "key.pem", Passphrases({}, None))
