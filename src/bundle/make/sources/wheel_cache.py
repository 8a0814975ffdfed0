"""The cache of wheels that were built from source, by everything that shaped them; those of other machines as well.

A machine hands its native wheels over in a folder, each with the key that another machine asks for. That folder is
not trusted: a wheel is taken in if its bytes, its name and its key agree, and used only where a lock asks for its key.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import InvalidVersion, Version

from bundle.artifacts.store.json_cache import JsonCache
from bundle.artifacts.store.paths import checked
from bundle.base.errors import IntegrityError
from bundle.base.files import canonical_json, locked, pretty_json, read_regular, sha256_of
from bundle.base.reflink import place_file
from bundle.base.staging import staged_file, staged_folder
from bundle.model import revisions
from bundle.model.platforms import PLATFORMS
from bundle.model.wheeltags import parse_wheel_name

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store
    from bundle.base.report import Reporter
    from bundle.make.sources.backend import BuildSpec
    from bundle.model.locks.lock import LockedPackage

_DESCRIPTION = "wheel.json"
"""The file beside a wheel that is handed over."""

_FORMAT = 1

_MOST_HANDED = 5000
"""Wheels in one folder."""

_LARGEST_DESCRIPTION = 2**20

_LARGEST_WHEEL = 2**32


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


@dataclass(frozen=True, kw_only=True)
class HandedWheel:
    """A wheel that a machine of another platform built."""

    path: Path
    isolation: str
    """How its build was kept apart from that machine."""


def handed_key(spec: BuildSpec, package: LockedPackage, *, platform: str, python: str, epoch: int) -> dict[str, Any]:
    """Return everything that shapes a wheel built natively, as far as a machine of another platform knows it.

    Args:
        package: as the lock of the platform has it.
        platform: the key of the platform that it is for.
    """
    return {
        **spec.own_inputs,
        "name": canonicalize_name(spec.name),
        "version": spec.version,
        "configSettings": dict(spec.config_settings),
        "buildRequires": sorted(spec.build_requires),
        "source": package.key,
        "wheels": sorted(one.file.sha256 for one in package.build),
        "platform": platform,
        "python": python,
        "epoch": epoch,
        "rules": revisions.SOURCE_WHEEL,
    }


class HandedCache:
    """The wheels that were taken in from other machines."""

    def __init__(self, store: Store) -> None:
        self._wheels = JsonCache(store.folder("built"), _handed, rules=revisions.SOURCE_WHEEL)
        self._files = store.files

    def get(self, key: Mapping[str, Any]) -> HandedWheel | None:
        """Return the wheel of a key, its hash verified."""
        found = self._wheels.find({"handed": key})
        path = self._files.get(found[1], filename=found[0]) if found else None
        return HandedWheel(path=path, isolation=found[2]) if found and path else None

    def put(self, key: Mapping[str, Any], wheel: Path, *, sha256: str, isolation: str) -> None:
        """Keep a copy of a wheel.

        Raises:
            IntegrityError: it has other bytes.
        """
        kept = self._files.add(wheel, sha256=sha256)
        self._wheels.put({"handed": key}, {"file": kept.name, "sha256": sha256, "isolation": isolation})


def hand_over(wheel: Path, key: Mapping[str, Any], isolation: str, folder: Path) -> Path:
    """Put a wheel into a folder, with its key, for `take_in` on another machine; return its path there."""
    place = folder / sha256(canonical_json(key)).hexdigest()
    with staged_folder(place) as staging:
        with staged_file(staging / wheel.name) as copy:
            place_file(wheel, copy)
        value = {"format": _FORMAT, "wheel": wheel.name, "sha256": sha256_of(wheel), "isolation": isolation, "key": key}
        (staging / _DESCRIPTION).write_text(pretty_json(value), encoding="utf-8")
    return place / wheel.name


def take_in(folder: Path, store: Store, *, reporter: Reporter) -> list[str]:
    """Copy the wheels that other machines handed over into the store, and return their names.

    Raises:
        IntegrityError: one of them is not what its description says; none behind it is taken in.
    """
    places = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(places) > _MOST_HANDED:
        raise _refused(folder, f"it has more than {_MOST_HANDED} folders")
    cache = HandedCache(store)
    taken = []
    for place in places:
        value = _described(place)
        wheel = place / str(value["wheel"])
        cache.put(value["key"], wheel, sha256=value["sha256"], isolation=value["isolation"])
        reporter.detail(f"{wheel.name} taken in from {place}")
        taken.append(wheel.name)
    return taken


def _described(place: Path) -> dict[str, Any]:
    """Return the description of a wheel that was handed over, checked against its name, its key and its folder."""
    try:
        value = json.loads(read_regular(place / _DESCRIPTION, most=_LARGEST_DESCRIPTION))
        key, wheel = value["key"], value["wheel"]
        if value["format"] != _FORMAT:
            raise ValueError(f"its format is {value['format']!r:.40}, not {_FORMAT}")
        if value["isolation"] not in ("bubblewrap", "none"):
            raise ValueError(f"{value['isolation']!r:.40} is no isolation")
        if sha256(canonical_json(key)).hexdigest() != place.name:
            raise ValueError("its key is not that of its folder")
        if key["platform"] not in PLATFORMS:
            raise ValueError(f"{key['platform']!r:.40} is no platform")
        name, version, _, _ = parse_wheel_name(wheel)
        if (name, version) != (key["name"], Version(key["version"])) or Path(wheel).name != wheel:
            raise ValueError(f"{wheel!r:.80} is not the wheel of {key['name']!r:.80} {key['version']!r:.40}")
        status = (place / wheel).lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_WHEEL:
            raise ValueError(f"{wheel!r:.80} is no regular file of a sane size")
        checked(value["sha256"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(place, str(error) or type(error).__name__) from error
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise _refused(place, str(error)) from error
    return dict(value)


def _refused(place: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"{place} holds no wheel that can be taken in: {why}.",
        cause="It was changed or cut short on its way, or another program made it.",
        remedy="Build it again where it comes from: `bundle wheel VERSION --hand-over DIR`.",
    )


def _handed(value: dict[str, str]) -> tuple[str, str, str]:
    return value["file"], checked(value["sha256"]), value["isolation"]


def _file(value: dict[str, str]) -> tuple[str, str]:
    return value["file"], checked(value["sha256"])
