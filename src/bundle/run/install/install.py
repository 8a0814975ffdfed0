"""Installs a bundle: its layers from the store, from the install that is there, or from the source."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.artifacts.store.layers import Layer
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.files import CHUNK, sha256_of
from bundle.model.manifest import MANIFEST, PythonRecord
from bundle.run.install.archive import is_indexed, manifest_in, unpack, unpack_whole
from bundle.run.install.documents import change_in, require_manifest
from bundle.run.install.fetch import fetch
from bundle.run.install.records import Records
from bundle.run.install.reuse import layers_from
from bundle.run.install.source import Contents, Source, offer_of
from bundle.run.install.target import Mark, Target

if TYPE_CHECKING:
    from bundle.artifacts.store.store import Store
    from bundle.base.report import Reporter
    from bundle.model.platforms import Platform


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an install goes, and what becomes of the one that is there."""

    records: Records
    into: Path | None
    """The folder; by default that of the version, below the user's data folder."""
    keep_previous: bool
    machine: Platform | None
    """The platform of this machine, None if it is none of ours."""
    reuse: Path | None = None
    """A folder with a bundle whose layers need not be fetched."""

    def target(self, version: str, platform: str) -> Target:
        """Return the folder.

        Raises:
            ConfigError: another platform's bundle has no place by default, nor has what is no version.
        """
        if self.into is not None:
            path = self.into.absolute()
            path = path.resolve() if path.name == ".." else path
            if not path.name:
                raise ConfigError(f"{path} cannot be a bundle.", remedy="Name a folder in it with --into.")
            return Target(path)
        from bundle.model.config.project import parse_version

        parse_version(version)
        if self.machine is None or platform != self.machine.key:
            raise ConfigError(
                f"A bundle for {platform} does not run here, so it has no place by default.",
                remedy="Name a folder with --into.",
            )
        return self.records.default_target(version)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an install did."""

    path: Path
    mark: Mark
    python: PythonRecord
    replaced: Mark | None
    kept: bool
    """Whether what was there before is kept for `bundle rollback`."""
    unchanged: bool = False
    fetched: int = 0
    """Layers that came from the source."""
    moved: int = 0
    """Bytes of them, compressed."""
    reused: int = 0
    """Layers that came from the store or from the install that was there."""


def install(version: str, platform: str, source: Source, place: Place, store: Store, *, reporter: Reporter) -> Report:
    """Install a version from a source; the folder has the former bundle until the new one stands.

    Raises:
        ConfigError: the source does not have it, or the folder holds something else.
        NetworkError: the source does not answer.
        IntegrityError: what it sent is not what it promised; nothing of it is left.
    """
    target = place.target(version, platform)
    offer = offer_of(source, version, platform)
    _tell_of_trust(source, place.records, reporter)
    with closing(source), target.changing(reporter):
        before = target.mark
        if before and before.digest == offer.digest and change_in(target.path) is None:
            place.records.add(target)
            python = require_manifest(target.path, version, platform, before.manifest).python
            return Report(path=target.path, mark=before, python=python, replaced=before, kept=False, unchanged=True)
        contents = source.contents(offer)
        trees = [tree for tree in (target.path if before else None, place.reuse) if tree is not None]
        layers, fetched = _obtain(contents, source, store, trees, reporter)
        with target.staging() as tree:
            if contents.layers:
                with reporter.step("placing files"):
                    store.materialise(layers, tree)
            else:
                _place_whole(source, contents, tree, reporter)
            manifest = require_manifest(tree, version, platform, contents.entry.manifest)
            mark = Mark(
                version=version,
                platform=platform,
                digest=offer.digest,
                manifest=sha256_of(tree / MANIFEST),
                source=source.url,
            )
        kept = _put(target, mark, place, reporter)
    return Report(
        path=target.path,
        mark=mark,
        python=manifest.python,
        replaced=before,
        kept=kept,
        fetched=len(fetched),
        moved=_moved(contents, fetched),
        reused=len(layers) - len(fetched),
    )


def install_archive(archive: Path, place: Place, *, reporter: Reporter) -> Report:
    """Install the bundle in an archive of this machine, which needs nothing else.

    Raises:
        ConfigError: there is no such archive, or the folder holds something else.
        IntegrityError: the archive is damaged, or is not what it says; nothing of it is left.
    """
    promised = manifest_in(archive)
    target = place.target(promised.version, promised.platform)
    with target.changing(reporter):
        before = target.mark
        with target.staging() as tree:
            with reporter.step("unpacking"):
                digest = unpack(archive, tree)
            manifest = require_manifest(tree, promised.version, promised.platform, "")
            mark = Mark(
                version=manifest.version,
                platform=manifest.platform,
                digest=digest,
                manifest=sha256_of(tree / MANIFEST),
                source=str(archive.resolve()),
            )
        kept = _put(target, mark, place, reporter)
    return Report(path=target.path, mark=mark, python=manifest.python, replaced=before, kept=kept)


def _put(target: Target, mark: Mark, place: Place, reporter: Reporter) -> bool:
    """Put a finished tree in its place and record it; return whether the former one was kept.

    What a person changed in the former one is not lost: then it is kept in any case.
    """
    before = target.mark
    changed = before is not None and not place.keep_previous and change_in(target.path)
    if changed:
        reporter.warning(f"{target.path} was changed since it was installed ({changed}), so the former tree is kept.")
    keep = before is not None and (place.keep_previous or bool(changed))
    target.put(mark, keep=keep)
    place.records.add(target)
    return keep


def _obtain(
    contents: Contents, source: Source, store: Store, trees: Sequence[Path], reporter: Reporter
) -> tuple[list[Layer], set[str]]:
    """Return the layers of a bundle, in order, and the digests of those that were fetched.

    Args:
        trees: folders with bundles, whose layers need not be fetched.
    """
    placed = {layer.record.digest: layer for layer in contents.layers}
    have = {digest: layer for digest, one in placed.items() if (layer := store.layer(one.record))}
    for tree in trees:
        if missing := [one.record for digest, one in placed.items() if digest not in have]:
            with reporter.step(f"taking layers from {tree}"):
                have |= {layer.digest: layer for layer in layers_from(tree, missing, store)}
    absent = [one for digest, one in placed.items() if digest not in have]
    if absent:
        have |= {layer.digest: layer for layer in fetch(absent, source, store, reporter=reporter)}
    return [have[layer.record.digest] for layer in contents.layers], {layer.record.digest for layer in absent}


def _moved(contents: Contents, fetched: Collection[str]) -> int:
    """Return the compressed bytes that a source sent of a bundle."""
    if contents.layers:
        return sum(layer.length for layer in contents.layers if layer.record.digest in fetched)
    return contents.archive.size if contents.archive else 0


def _place_whole(source: Source, contents: Contents, tree: Path, reporter: Reporter) -> None:
    """Fetch an archive that has no index, and unpack it into an empty folder."""
    archive = contents.archive
    if archive is None:
        raise IntegrityError(f"{source.url} has neither layers nor an archive of {contents.entry.version}.")
    packed = tree.with_name("packed")
    try:
        with packed.open("wb") as file, reporter.task("fetching", total=archive.size, unit="bytes") as task:
            for first in range(0, archive.size, 16 * CHUNK):
                content = source.read(archive.path, first, min(16 * CHUNK, archive.size - first))
                file.write(content)
                task.advance(len(content))
        found = sha256_of(packed)
        if found != archive.sha256 or is_indexed(packed):
            raise IntegrityError(
                f"{source.url}/{archive.path} is not the archive of the catalogue: its SHA-256 is {found}.",
                cause="It was truncated or replaced, or the catalogue is of another build.",
                remedy="Copy archive and catalogue again, both of the same build.",
            )
        unpack_whole(packed, tree)
    finally:
        packed.unlink(missing_ok=True)


def _tell_of_trust(source: Source, records: Records, reporter: Reporter) -> None:
    if not source.authenticated and all(one.mark.source != source.url for one in records.all()):
        reporter.warning(
            f"{source.url} is not authenticated: the SHA-256 in its catalogue guards every byte against damage, "
            "but not against a person who can change the catalogue. "
            + (
                "It has signed metadata: get the root from its publisher, and name it with --root FILE."
                if source.is_signed()
                else "It has no signed metadata."
            )
        )
