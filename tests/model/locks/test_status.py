from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, IntegrityError
from bundle.model.config.config import Config, PlatformPackages
from bundle.model.locks.lock import Lock, input_checksum
from bundle.model.locks.pylock import write_lock
from bundle.model.locks.status import status_of
from bundle.model.platforms import PLATFORMS

LINUX = PLATFORMS["linux-x64"]


@pytest.fixture
def config() -> Config:
    rules = PlatformPackages(dependencies=("numpy",))
    return Config(
        version="3.12.10-demo", python="3.12.10", folder=Path("versions"), packages=dict.fromkeys(PLATFORMS, rules)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pylock.linux-x64.toml"


def lock_of(config: Config) -> Lock:
    return Lock(
        version=config.version,
        platform="linux-x64",
        python=config.python,
        inputs=input_checksum(config, "linux-x64", ()),
        packages=(),
    )


def test_a_lock_is_fresh_for_its_own_configuration_and_platform(config: Config, path: Path) -> None:
    lock = lock_of(config)
    write_lock(lock, path)

    status = status_of(path, config, LINUX)

    assert (status.state, status.lock, status.problem) == ("fresh", lock, None)
    assert status.digest == sha256(path.read_bytes()).hexdigest()
    assert status.existing() == lock


def test_a_lock_of_another_configuration_or_platform_is_stale_and_still_there(config: Config, path: Path) -> None:
    write_lock(lock_of(config), path)

    for status in (
        status_of(path, replace(config, python="3.12.9"), LINUX),
        status_of(path, config, PLATFORMS["windows-x64"]),
    ):
        assert status.state == "stale"
        assert status.existing().packages == ()


def test_a_missing_lock_is_no_problem_until_it_is_needed(config: Config, path: Path) -> None:
    status = status_of(path, config, LINUX)

    assert (status.state, status.problem, status.digest) == ("missing", None, None)
    with pytest.raises(ConfigError, match="There is no lock"):
        status.existing()


def test_an_edited_lock_is_told_from_one_that_cannot_be_read(config: Config, path: Path) -> None:
    write_lock(lock_of(config), path)
    path.write_text(path.read_text().replace(config.python, "3.12.9"))

    edited = status_of(path, config, LINUX)
    assert edited.state == "edited"
    assert "edited by hand" in (edited.problem or "")
    with pytest.raises(IntegrityError):
        edited.existing()

    path.write_text("<<<<<<<")
    assert status_of(path, config, LINUX).state == "unreadable"
