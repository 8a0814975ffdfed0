"""The inputs of a bundle as digests that every machine gives alike, unlike the stamps by which a build finds changes.

A remote's catalogue keeps them, so that `bundle release` knows on a machine that has built nothing which bundles are
up to date there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.base.files import canonical_json, sha256_of
from bundle.base.folders import listing
from bundle.base.http.urls import redacted
from bundle.model.config.version_files import version_files
from bundle.model.own_folder import own_files
from bundle.model.revisions import revisions

if TYPE_CHECKING:
    from bundle.artifacts.context import Context
    from bundle.make.build_request import BuildRequest
    from bundle.model.config.config import Config

_TOLD_ELSEWHERE = ("interpreter", "platforms", "registries")
"""Keys of the configuration whose effect on a bundle is in its lock, or in the identity of its interpreter."""

_SHAPELESS = ("enableLogging", "parallelDownloads", "timeout")
"""Keys of `build` that change no byte of a bundle."""


def own_inputs(config: Config, platform_key: str) -> Iterator[tuple[str, Path]]:
    """Yield the user's own files that a build reads besides configuration and locks, each with a name for it."""
    for member in config.members:
        for name, folder in sorted(member.packages_for(platform_key).folders.items()):
            yield from ((f"folder {name}: {path}", folder / path) for path in own_files(folder))
    packages = config.packages_for(platform_key)
    for rule in packages.copy_files:
        source = rule.base / rule.source
        yield f"copy {rule.source}", source
        inside = sorted(listing(source)) if source.is_dir() else ()
        yield from ((f"copy {rule.source}: {path}", source / path) for path in inside if _counts(path))
    for name, build in packages.build_wheel.items():
        yield from ((f"build {name}: {path}", place) for path, place in version_files(config.folder, build).items())


def portable_inputs(request: BuildRequest, context: Context) -> dict[str, str]:
    """Return the digests of a build's configuration, with the files that it names, and of the rules of results.

    A value is left out where it shapes no result, and so are credentials in addresses.
    """
    config, key = request.config, request.platform.key
    tree = redacted(context.project.load(config.version, context.environ).tree.folded(key).value)
    values = {
        "configuration": _shaping(tree),
        "python": config.python,
        "epoch": context.store.epoch,
        "files": [[what, _content(path)] for what, path in own_inputs(config, key)],
    }
    return {"configuration": _digest(values), "revisions": _digest(revisions())}


def lock_digest(digests: Iterable[str | None]) -> str:
    """Return the digest of a bundle's locks.

    Args:
        digests: the SHA-256 of each lock's file, in the order of `Config.members`.
    """
    return _digest(list(digests))


def _shaping(tree: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in tree.items() if key not in _TOLD_ELSEWHERE}
    build = {key: value for key, value in found.pop("build", {}).items() if key not in _SHAPELESS}
    return found | {"build": build}


def _content(path: Path) -> list[str]:
    """Return what of a file goes into a bundle: its kind, and its bytes or its target."""
    if path.is_symlink():
        return ["link", str(path.readlink())]
    if path.is_dir():
        return ["folder"]
    if not path.is_file():
        return ["missing"]
    return ["program" if path.stat().st_mode & 0o100 else "file", sha256_of(path)]


def _counts(path: str) -> bool:
    return "__pycache__" not in path.split("/")


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()
