"""Layers of wheels, made several at once and from the moment that a wheel has arrived."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from bundle.artifacts.store.layers import Layer
from bundle.make.assemble.layers import Layering
from bundle.model.locks.lock import LockedPackage


class LayerPool:
    """Makes layers of wheels while others are downloaded; leaving it drops those that did not begin.

    Args:
        finish: what is done with each new layer at once, so that it is not left for the end: measuring, compressing.
    """

    def __init__(self, layering: Layering, *, finish: Callable[[Layer], object]) -> None:
        self._layering = layering
        self._finish = finish
        self._pool = ThreadPoolExecutor(os.cpu_count())
        self._started: dict[str, Future[Layer]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, package: LockedPackage, wheel: Path, *, sha256: str) -> None:
        """Begin a layer, unless it has begun; threads may call this at once for different wheels.

        Args:
            sha256: the wheel's hash, already verified.
        """
        if sha256 not in self._started:
            self._started[sha256] = self._pool.submit(self._make, package, wheel, sha256)

    def layers(
        self,
        packages: Sequence[LockedPackage],
        *,
        known: Mapping[str, Layer],
        wheels: Mapping[str, Path],
        hashes: Mapping[str, str],
    ) -> list[Layer]:
        """Return the layers of packages in their order, those that did not begin included.

        Args:
            known: layers that the store already has, by package name.
            wheels: the other packages' wheels, by package name.
            hashes: the wheels' sha256, by package name.

        Raises:
            BundleError: of the first package that fails.
        """
        for package in packages:
            if package.name not in known:
                self.start(package, wheels[package.name], sha256=hashes[package.name])
        return [known.get(package.name) or self._started[hashes[package.name]].result() for package in packages]

    def _make(self, package: LockedPackage, wheel: Path, sha256: str) -> Layer:
        with self._layering.reporter.task(f"unpacking {package.name} {package.version}"):
            layer = self._layering.wheel(wheel, sha256=sha256, package=package)
        self._finish(layer)
        return layer
