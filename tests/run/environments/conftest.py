from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.environments.apps import App, simple


@pytest.fixture
def app(tmp_path: Path) -> App:
    return simple(tmp_path)
