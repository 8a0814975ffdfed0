from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.keys import VARIABLE, Keys, SecretError, add_key, is_token, load_keys, new_key, write_keys

POSIX = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")


def test_a_value_is_encrypted_and_decrypted() -> None:
    keys = Keys((new_key(),))
    token = keys.encrypt("p\u00e4ss \ud800")
    assert is_token(token)
    assert "ss" not in token.removeprefix("encrypted:")[:0] + repr(keys)
    assert keys.decrypt(token) == keys.decrypt(token.removeprefix("encrypted:")) == "p\u00e4ss \ud800"


def test_a_changed_token_is_refused() -> None:
    keys = Keys((new_key(),))
    token = keys.encrypt("value")
    place = len(token) // 2
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    for wrong in (changed, "value", "", "encrypted:", "encrypted:\u00e9", Keys((new_key(),)).encrypt("value")):
        with pytest.raises(SecretError):
            keys.decrypt(wrong)


def test_keys_are_rotated(tmp_path: Path) -> None:
    file = tmp_path / "jobs" / "keys"
    old = add_key(file, Keys())
    token = old.encrypt("value")
    both = add_key(file, old)
    assert load_keys(file, {}) == both
    assert both.decrypt(token) == "value"
    renewed = both.renewed(token)
    newest = Keys(both.keys[:1])
    assert newest.decrypt(renewed) == "value"
    with pytest.raises(SecretError):
        old.decrypt(renewed)
    assert both.renewed("encrypted:other") == "encrypted:other"


@POSIX
def test_only_the_owner_may_read_the_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    write_keys(file, Keys((new_key(),)))
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="Other users may read"):
        load_keys(file, {})


def test_the_variable_wins_over_the_file(tmp_path: Path) -> None:
    first, second = new_key(), new_key()
    assert load_keys(tmp_path / "keys", {VARIABLE: f"{first}, {second}"}) == Keys((first, second))
    assert load_keys(tmp_path / "keys", {}) == Keys()


def test_what_is_no_key_is_told_without_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_keys(tmp_path / "keys", {VARIABLE: "hunter2"})
    assert "hunter2" not in caught.value.as_text()


def test_without_a_key_nothing_is_encrypted() -> None:
    with pytest.raises(ConfigError, match="no key"):
        Keys().encrypt("value")
