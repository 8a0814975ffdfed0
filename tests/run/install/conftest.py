from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.install.shipped import Machine, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "dist")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")
