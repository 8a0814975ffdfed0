from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundle.base.errors import BundleError, ConfigError, IntegrityError, NetworkError, WorkError
from bundle.base.report import Reporter
from bundle.run.environments.installer import Installer, find_installer
from bundle.run.environments.making import installer_variables


def fake(tmp_path: Path, script: str) -> Installer:
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n{script}\n')
    program.chmod(0o755)
    return Installer(program=str(program), environ=dict(os.environ), folder=tmp_path, inherited=(), reporter=Reporter())


@pytest.mark.real
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("error: Failed to download x\n  cause: Hash mismatch for x", IntegrityError),
        ("error: In `--require-hashes` mode, all requirements must have a hash", IntegrityError),
        ("error: No space left on device (os error 28)", WorkError),
        ("error: Package x can't be installed because it has no wheel for the current platform", ConfigError),
        ("error: The target environment is not supported by the lockfile", ConfigError),
        ("error: Failed to fetch: error sending request for url (https://u:secret-token@host/x)", NetworkError),
        ("error: Failed to build x\n  boom", WorkError),
    ],
)
def test_a_failure_is_of_its_kind_in_the_words_of_uv(tmp_path: Path, said: str, kind: type[BundleError]) -> None:
    installer = fake(tmp_path, f"cat >&2 <<'END'\n{said}\nEND\nexit 2")
    with pytest.raises(BundleError) as caught:
        installer.install(tmp_path, ["x"], offline=False, subject="x")
    assert type(caught.value) is kind
    assert "secret-token" not in caught.value.as_text()
    assert said.split()[1] in caught.value.as_text()
    assert (tmp_path / "asked").read_text().count("\n") == 1


@pytest.mark.real
def test_the_network_is_asked_only_for_what_the_cache_lacks(tmp_path: Path) -> None:
    script = 'case "$*" in *--offline*) echo "Network connectivity is disabled, but" >&2; exit 2;; esac'
    installer = fake(tmp_path, script)
    installer.install(tmp_path, ["x"], offline=False, subject="x")
    with pytest.raises(NetworkError):
        installer.install(tmp_path, ["x"], offline=True, subject="x")
    assert [line.endswith("--offline") for line in (tmp_path / "asked").read_text().splitlines()] == [True, False, True]


def test_uv_is_there() -> None:
    assert Path(find_installer()).is_file()


def test_the_persons_features_of_uv_stay() -> None:
    found = installer_variables({"UV_PREVIEW_FEATURES": "a", "UV_PYTHON_DOWNLOADS": "automatic"})
    assert (found["UV_PREVIEW_FEATURES"], found["UV_PYTHON_DOWNLOADS"]) == ("a,pylock", "never")
