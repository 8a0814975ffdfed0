"""Locks of other tools: a PEP 751 lock as it is, and a `uv.lock` as uv itself exports it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from packaging.pylock import Package, Pylock, PylockUnsupportedVersionError, PylockValidationError

from bundle.artifacts.registries.default_index import built_in_index
from bundle.base.errors import ConfigError
from bundle.base.filenames import LONGEST_NAME, text_obstacle
from bundle.base.processes.run import run
from bundle.base.text import last_lines
from bundle.make.inputs.gathered import Gathered, toml
from bundle.make.inputs.pyproject import Parts
from bundle.model.config.config import TakenLock
from bundle.model.config.json_source import Array, Leaf, Origin, Table

_TIMEOUT = 120.0


def read_taken_lock(path: Path, parts: Parts, gathered: Gathered) -> TakenLock | None:
    """Return a lock that is to be taken as it is; what cannot be used becomes a problem.

    The addresses of its repositories, files and folders are added to the requirements, and its indexes to the
    registries, as if a configuration named them.
    """
    text = gathered.read(path)
    if text is None:
        return None
    origin = Origin(gathered.shown(path))
    exported = text
    if path.name == "uv.lock":
        exported = _exported(path, parts)
        parts = Parts()
    try:
        lock = Pylock.from_dict(toml(exported))
    except (ValueError, TypeError, AttributeError, PylockValidationError, PylockUnsupportedVersionError) as error:
        gathered.refuse(origin, f"it is no lock as PEP 751 describes it: {error}.", "Make it again with its own tool.")
        return None
    indexes: dict[str, list[str]] = {}
    for package in lock.packages:
        if len(package.name) > LONGEST_NAME or text_obstacle(package.name):
            gathered.refuse(origin, f"{package.name[:LONGEST_NAME]!r} is no name of a package.", "Make the lock again.")
        if package.index:
            indexes.setdefault(package.index, []).append(package.name)
        for address in _addresses(package, path.parent):
            gathered.dependencies.append(Leaf(f"{package.name} @ {address}", origin))
        for wheel in package.wheels or ():
            if wheel.path and not wheel.url and (path.parent / wheel.path).is_file():
                gathered.wheels.append(Leaf(wheel.path, origin))
    _add_indexes(indexes, origin, gathered)
    digest = hashlib.sha256(exported.encode()).hexdigest()
    return TakenLock(lock=lock, shown=path.name, digest=digest, extras=parts.extras, groups=parts.groups)


def _add_indexes(indexes: dict[str, list[str]], origin: Origin, gathered: Gathered) -> None:
    built_in = built_in_index(os.environ).rstrip("/") if indexes else ""
    for index, names in indexes.items():
        if index.rstrip("/") != built_in:
            packages = Array(origin, [Leaf(name, origin) for name in sorted(set(names))])
            gathered.additional.append(Table(origin, [("url", Leaf(index, origin)), ("packages", packages)]))


def _addresses(package: Package, base: Path) -> Iterator[str]:
    """Yield the address of a package that comes from none of the registries."""
    if package.vcs is not None:
        place = package.vcs.url or (base / (package.vcs.path or "")).resolve().as_uri()
        below = f"#subdirectory={package.vcs.subdirectory}" if package.vcs.subdirectory else ""
        yield f"{package.vcs.type}+{place}@{package.vcs.commit_id}{below}"
    elif package.directory is not None:
        folder = Path(package.directory.path, package.directory.subdirectory or "").as_posix()
        yield quote(folder if folder.startswith("../") else f"./{folder}")
    elif package.archive is not None:
        place = package.archive.url or (base / (package.archive.path or "")).resolve().as_uri()
        yield f"{place}#sha256={package.archive.hashes.get('sha256', '')}"


def _exported(path: Path, parts: Parts) -> str:
    """Return a `uv.lock` as a PEP 751 lock; uv resolves nothing for it, and needs the project's pyproject.toml."""
    from uv import find_uv_bin

    if not (path.parent / "pyproject.toml").is_file():
        raise ConfigError(
            f"{path} has no pyproject.toml beside it.", remedy="Name the uv.lock in its project's folder."
        )
    command = [find_uv_bin(), "export", "--frozen", "--offline", "--no-header", "--format", "pylock.toml"]
    command += ["--project", str(path.parent), "--no-default-groups", "--no-python-downloads"]
    command += [word for extra in parts.extras for word in ("--extra", extra)]
    command += [word for group in parts.groups for word in ("--group", group)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    done = run(command, env={**environ, "NO_COLOR": "1"}, cwd=path.parent, timeout=_TIMEOUT)
    if done.code != 0:
        raise ConfigError(
            f"uv cannot read {path}.",
            cause="It does not belong to the pyproject.toml beside it, or another release of uv wrote it.",
            remedy="Run `uv lock` there, and build again.",
            details=last_lines(done.errors),
        )
    return done.output
