"""The documents beside a bundle's archives, and the words for a bundle that gets no entry in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import PackedArchive
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.documents.names import DOCUMENTS
from bundle.base.report import Reporter
from bundle.base.staging import staged_file
from bundle.make.assemble.documents import documents_beside
from bundle.make.build_request import BuildRequest
from bundle.model.config.project import Project
from bundle.model.locks.lock import Lock
from bundle.model.manifest import Manifest


def write_documents(
    request: BuildRequest,
    project: Project,
    manifest: Manifest,
    locks: Sequence[Lock],
    archives: Sequence[PackedArchive],
    *,
    tree: Path,
    stack: ExitStack,
) -> dict[str, Path]:
    """Write bill of materials and provenance beside the archives, and return their places by kind.

    Args:
        locks: one for each set of packages.
        tree: the bundle.
        stack: they appear when it closes.
    """
    version, platform = manifest.version, manifest.platform
    inputs = (*project.sources(version), *(project.lock_path(version, platform, one.set_name) for one in locks))
    texts = documents_beside(manifest, locks, archives, tree=tree, inputs=inputs, root=project.root)
    places = {kind: request.archive_path(DOCUMENTS[kind]) for kind in texts}
    for kind, text in texts.items():
        stack.enter_context(staged_file(places[kind])).write_text(text, encoding="utf-8", newline="\n")
    return places


def tell_uncatalogued(request: BuildRequest, digest: str, reporter: Reporter) -> None:
    """Say that a bundle gets no entry in the catalogue, and warn where that describes an earlier one."""
    reporter.info(f"{request.name} is not catalogued: it was not verified, or has no archive")
    known = Catalogue.load(request.catalogue, validate=False).find(request.config.version, request.platform.key)
    if known is not None and known.digest != digest:
        reporter.warning(
            f"{request.catalogue} still describes the earlier {request.name}; "
            "a build with archive and verification replaces the entry"
        )
