"""Small packages that carry wheels, made by tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.artifacts.vendored.lock import LockedWheel, VendoredLock, write_lock
from bundle.base.files import sha256_of
from bundle.model.wheeltags import parse_wheel_name
from tests.artifacts.wheelmaker import make_wheel


@dataclass(frozen=True)
class Packages:
    """A folder of packages."""

    root: Path

    def package(self, name: str, /, *requirements: str, minimum: str | None = None, **others: Any) -> Path:
        """Write a package; returns its folder."""
        asked: dict[str, Any] = {"pipPackages": list(requirements)}
        if minimum is not None:
            asked["minPythonVersion"] = minimum
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        document = {"name": name, "version": "1.0.0", "requirements": asked, **others}
        (folder / "package.json").write_text(json.dumps(document, indent=1))
        return folder

    def wheel(
        self, package: str, name: str, version: str = "1.0", requires: Iterable[str] = (), **options: Any
    ) -> Path:
        """Put a wheel into a package; its module holds its version."""
        metadata = "".join(f"Requires-Dist: {one}\n" for one in requires) + options.pop("metadata", "")
        files = {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n"}
        return make_wheel(self.root / package / "wheels", name, version, metadata=metadata, files=files, **options)

    def module(self, package: str, name: str, text: str = "") -> Path:
        """Write a module of a package."""
        path = self.root / package / "python_modules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"OWNER = {package!r}\n")
        return path

    def lock(self, package: str, platform: str, *pythons: str) -> VendoredLock:
        """Lock all wheels of a package for some Pythons."""
        folder = self.root / package / "wheels"
        asked = json.loads((self.root / package / "package.json").read_text())["requirements"]["pipPackages"]
        wheels = tuple(sorted(locked(path) for path in folder.glob("*.whl")))
        lock = VendoredLock(
            platform=platform, pythons=dict.fromkeys(pythons, wheels), requirements=tuple(sorted(asked))
        )
        write_lock(lock, folder)
        return lock


def locked(path: Path) -> LockedWheel:
    """Return a wheel as a lock names it."""
    name, version, _, _ = parse_wheel_name(path.name)
    return LockedWheel(
        name=name, version=str(version), filename=path.name, sha256=sha256_of(path), size=path.stat().st_size
    )
