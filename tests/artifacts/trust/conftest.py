from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifacts.remotes.made import document, publish
from tests.artifacts.trust.publisher import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """A signed folder with the bundle 3.12.10."""
    publisher = Publisher(str(tmp_path / "remote"), tmp_path / "publisher")
    publish(publisher.remote, document())
    publisher.start()
    return publisher
