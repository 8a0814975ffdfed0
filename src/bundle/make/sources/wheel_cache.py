"""The cache of wheels that were built from source, by everything that shaped them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from bundle.artifacts.store.json_cache import JsonCache
from bundle.artifacts.store.paths import checked
from bundle.base.files import canonical_json, locked
from bundle.model import revisions

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store
    from bundle.base.report import Reporter
    from bundle.make.sources.backend import BuildSpec


def built_key(
    spec: BuildSpec,
    *,
    source: str,
    interpreter: str,
    wheels: Iterable[str],
    machine: Mapping[str, str],
    epoch: int,
) -> Mapping[str, Any]:
    """Return everything that shapes a wheel built from source, as JSON.

    Args:
        source: sha256 of the sdist, or the commit of a source tree.
        interpreter: digest of the interpreter's layer.
        wheels: sha256 of each build requirement.
        machine: `platform` key, `compiler` (see `environment.compiler_identity`), `repairer` (see
            `repair.repairer_identity`) and `isolation` of this machine; whether a build compiles is not known
            beforehand.
        epoch: the time that stands in the wheel.
    """
    return {
        **spec.own_inputs,
        "name": canonicalize_name(spec.name),
        "version": spec.version,
        "configSettings": dict(spec.config_settings),
        "buildRequires": sorted(spec.build_requires),
        "network": bool(spec.network),
        "source": source,
        "interpreter": interpreter,
        "wheels": sorted(wheels),
        "machine": dict(machine),
        "epoch": epoch,
    }


class BuiltCache:
    """The wheels that were built, by their keys (see `built_key`); many processes may share it."""

    def __init__(self, store: Store, *, reporter: Reporter) -> None:
        self._folder = store.folder("built")
        self._wheels = JsonCache(self._folder, _file, rules=revisions.SOURCE_WHEEL)
        self._files = store.files
        self._reporter = reporter

    def get(self, key: Mapping[str, Any]) -> Path | None:
        """Return the wheel of a key, its hash verified; None if it was not built yet or is damaged."""
        built = self._wheels.find(key)
        return self._files.get(built[1], filename=built[0]) if built else None

    def put(self, key: Mapping[str, Any], wheel: Path) -> Path:
        """Keep a copy of a wheel under its own name, and return its path."""
        kept = self._files.add(wheel)
        self._wheels.put(key, {"file": kept.name, "sha256": kept.parent.name})
        return kept

    def obtain(self, key: Mapping[str, Any], build: Callable[[], Path]) -> Path:
        """Return the wheel of a key, built now unless another process did before or does at this moment.

        Args:
            build: makes the wheel; called once at most, in no other process at the same time.
        """
        if found := self.get(key):
            return found
        lock = self._folder / "locks" / f"{sha256(canonical_json(key)).hexdigest()}.lock"
        with locked(lock, reporter=self._reporter, what=f"the source build of {key['name']}"):
            return self.get(key) or self.put(key, build())


def _file(value: dict[str, str]) -> tuple[str, str]:
    return value["file"], checked(value["sha256"])
