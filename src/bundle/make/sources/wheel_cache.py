"""The cache of wheels built from source, each kept under everything that shaped it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from bundle.artifacts.store.scratch import touch
from bundle.base.files import canonical_json, locked, pretty_json, sha256_of, staged_folder, sweep_staging

if TYPE_CHECKING:
    from bundle.base.report import Reporter
    from bundle.make.sources.backend import BuildSpec
    from bundle.model.platforms import Platform

_FORMAT = 2
"""Raised when the way that wheels are built or rewritten changes what comes out."""


def built_key(
    spec: BuildSpec,
    *,
    source: str,
    interpreter: str,
    wheels: Iterable[str],
    compiler: str,
    repairer: str,
    platform: Platform,
    epoch: int,
) -> Mapping[str, Any]:
    """Return everything that shapes a wheel built from source, as JSON.

    Args:
        spec: package, version and settings.
        source: sha256 of the sdist, or the commit of a source tree.
        interpreter: digest of the interpreter's layer.
        wheels: sha256 of each build requirement.
        compiler: see `buildenv.compiler_identity`; counts always, for nobody knows beforehand what a build compiles.
        repairer: see `portable.repairer_identity`; counts always, for the same reason.
        platform: the machine's own platform.
        epoch: the time that stands in the wheel.
    """
    return {
        "format": _FORMAT,
        "name": canonicalize_name(spec.name),
        "version": spec.version,
        "configSettings": {
            name: value if isinstance(value, str) else list(value) for name, value in spec.config_settings.items()
        },
        "buildRequires": sorted(spec.build_requires),
        "source": source,
        "interpreter": interpreter,
        "wheels": sorted(wheels),
        "compiler": compiler,
        "repairer": repairer,
        "platform": platform.key,
        "epoch": epoch,
    }


class BuiltCache:
    """A folder of built wheels, each under the digest of its key; many processes may share it.

    Args:
        folder: made when something is put there.
        reporter: told of damaged entries, and of waiting for another process.
    """

    def __init__(self, folder: Path, *, reporter: Reporter) -> None:
        self._folder = folder
        self._reporter = reporter

    def get(self, key: Mapping[str, Any]) -> Path | None:
        """Return the wheel of a key, its hash verified; None if it was not built yet or is damaged.

        Args:
            key: see `built_key`.
        """
        entry = self._entry(key)
        try:
            about = json.loads((entry / "built.json").read_bytes())
            wheel = entry / Path(about["file"]).name
            if sha256_of(wheel) == about["sha256"] and about["key"] == json.loads(canonical_json(key)):
                touch(entry / "built.json")
                return wheel
        except FileNotFoundError:
            if not entry.exists():
                return None
        except (ValueError, KeyError, TypeError):
            pass  # Damaged like any other that does not match.
        self._reporter.warning(f"a wheel in the cache is damaged and will be built again: {entry}")
        return None

    def put(self, key: Mapping[str, Any], wheel: Path) -> Path:
        """Keep a wheel, replacing a damaged one, and return where it is kept.

        Args:
            key: see `built_key`.
            wheel: copied, under its own name.
        """
        entry = self._entry(key)
        sweep_staging(entry.parent)
        with staged_folder(entry) as staging:
            shutil.copyfile(wheel, staging / wheel.name)
            about = {"key": key, "file": wheel.name, "sha256": sha256_of(staging / wheel.name)}
            (staging / "built.json").write_text(pretty_json(about), encoding="utf-8")
        return entry / wheel.name

    @contextmanager
    def claimed(self, key: Mapping[str, Any]) -> Iterator[None]:
        """Keep other processes from building the same while the block runs.

        Args:
            key: see `built_key`.
        """
        lock = self._folder / "locks" / f"{_digest(key)}.lock"
        with locked(lock, reporter=self._reporter, what=f"the source build of {key['name']}"):
            yield

    def obtain(self, key: Mapping[str, Any], build: Callable[[], Path]) -> Path:
        """Return the wheel of a key, built now if nobody did before or does at this moment.

        Args:
            key: see `built_key`.
            build: makes the wheel; called once at most, in no other process at the same time.
        """
        if found := self.get(key):
            return found
        with self.claimed(key):
            return self.get(key) or self.put(key, build())

    def _entry(self, key: Mapping[str, Any]) -> Path:
        digest = _digest(key)
        return self._folder / digest[:2] / digest


def _digest(key: Mapping[str, Any]) -> str:
    return sha256(canonical_json(key)).hexdigest()
