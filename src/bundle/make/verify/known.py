"""What catalogues, records of builds and locks know of a bundle, whatever it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import Entry
from bundle.base.errors import BundleError, IntegrityError
from bundle.base.report import Reporter
from bundle.make.verify.checks.policy import Known
from bundle.model.config.project import Project
from bundle.model.locks.lock import Lock
from bundle.model.locks.pylock import read_lock
from bundle.model.manifest import Manifest


def known_of(place: Path, manifest: Manifest, project: Project | None, *, built: str, reporter: Reporter) -> Known:
    """Return what is known of a bundle.

    A catalogue knows it by its place, else by its version and platform. Catalogues are that of the project, and the
    `catalogue.json` beside an archive or at the top of an output folder.

    Args:
        place: the bundle's folder, or its archive.
        project: the project at hand.
        built: SHA-256 of the `bundle.json` of the last build into that folder, if that is known.
    """
    locks = tuple(_locks(manifest, project, reporter))
    catalogues = list(_catalogues(place, project, reporter))
    for exact in (True, False):
        for path, root, catalogue in catalogues:
            for entry in catalogue.entries:
                here = _is_at(entry, root, place)
                if entry.manifest and (here if exact else _is_named(entry, manifest)):
                    archive = _archive(entry, root, place)
                    return Known(by=str(path), manifest=entry.manifest, rebuilt=built, archive=archive, locks=locks)
    if built:
        return Known(by="the record of its build", manifest=built, locks=locks)
    return Known(locks=locks)


def _catalogues(place: Path, project: Project | None, reporter: Reporter) -> Iterator[tuple[Path, Path, Catalogue]]:
    if project is not None:
        yield project.catalogue, project.root, Catalogue.load(project.catalogue, validate=False)
    root = place.resolve().parent if place.is_file() else place.resolve().parent.parent
    path = root / "catalogue.json"
    try:
        yield path, root, Catalogue.load(path, validate=False)
    except IntegrityError as error:
        # Any program may have a file of that name.
        reporter.warning(f"{error.what} It is not used.")


def _is_at(entry: Entry, root: Path, place: Path) -> bool:
    paths = (entry.path, *(archive.path for archive in entry.archives))
    return any((root / path).resolve() == place.resolve() for path in paths)


def _is_named(entry: Entry, manifest: Manifest) -> bool:
    return (entry.version, entry.platform) == (manifest.version, manifest.platform)


def _archive(entry: Entry, root: Path, place: Path) -> str:
    if not place.is_file():
        return ""
    here = [one for one in entry.archives if (root / one.path).resolve() == place.resolve()]
    alike = [one for one in entry.archives if place.name.endswith(f".{one.format}")]
    return next((one.sha256 for one in (*here, *alike)), "")


def _locks(manifest: Manifest, project: Project | None, reporter: Reporter) -> Iterator[Lock]:
    if project is None or manifest.version not in project.versions():
        return
    for name in manifest.members:
        path = project.lock_path(manifest.version, manifest.platform, name)
        try:
            if path.is_file():
                yield read_lock(path)
        except BundleError as error:
            reporter.warning(f"{error.what} The bundle is not compared with it.")
