from __future__ import annotations

from tests.run.install.conftest import machine, shop

__all__ = ["machine", "shop"]
