"""Bring a bundle up to date: build it, or find that it is unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bundle
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.context import Context
from bundle.base.files import locked, sha256_of
from bundle.base.staging import sweep_staging
from bundle.make.build_request import BuildRequest
from bundle.make.build_state import Record, file_stamp, fingerprint, read_record, tree_stamp, write_record
from bundle.model.config.project import SHARED
from bundle.model.locks.status import LockStatus
from bundle.model.revisions import revisions

if TYPE_CHECKING:
    from bundle.make.pipeline import Build

STATE = ".state"
"""Folder below the output folder that records the inputs and results of builds."""


def build_bundle(order: BuildRequest, context: Context) -> dict[str, Any]:
    """Bring one bundle up to date.

    Returns:
        The JSON value that the command `build` prints for it.

    Raises:
        BundleError: a step failed; an earlier bundle stays in place.
    """
    state = order.output / STATE
    with ExitStack() as stack:
        stack.enter_context(locked(state / f"{order.name}.lock", reporter=context.reporter, what=order.name))
        sweep_staging(state)
        # Taken before the build: edits in the meantime count as changes.
        status = context.lock_status(order.config, order.platform)
        asked = _asked(order, context, status)
        if (record := _current(order, _inputs(asked, status.digest))) is not None:
            return {**record.result, "status": "unchanged", "seconds": {}}
        if order.config.build.enable_logging:
            from bundle.base.report import Logbook

            log = stack.enter_context((order.output / f"{order.name}.log").open("w", encoding="utf-8"))
            context = replace(context, reporter=Logbook(context.reporter, log))
        from bundle.make.pipeline import run

        context.reporter.info(f"building {order.name}")
        done = run(order, context, status)
        value = _value(done)
        record = Record(
            inputs=_inputs(asked, status.digest if status.state == "fresh" else sha256_of(status.path)),
            tree=_stamp(order),
            archives={archive.path.name: file_stamp(archive.path) for archive in done.archives},
            result=value,
        )
        write_record(_record_path(order), record)
        return value


def _current(order: BuildRequest, inputs: str) -> Record | None:
    record = read_record(_record_path(order))
    if record is None or record.inputs != inputs:
        return None
    if any(file_stamp(order.output / name) != stamp for name, stamp in record.archives.items()):
        return None
    if record.result["catalogued"]:
        catalogue = Catalogue.load(order.catalogue, validate=False)
        entry = catalogue.find(order.config.version, order.platform.key)
        if entry is None or entry.digest != record.result["digest"]:
            return None
    return record if _stamp(order) == record.tree else None


def _record_path(order: BuildRequest) -> Path:
    return order.output / STATE / f"{order.name}.json"


def _stamp(order: BuildRequest) -> str:
    # Python writes compiled modules into a bundle that is used; they are no reason to build it again.
    return tree_stamp(order.folder, caches=order.config.build.bytecode)


def _inputs(asked: str, lock: str | None) -> str:
    """Return the fingerprint of a build's inputs: the request, and the lock, which the build may write itself."""
    return fingerprint({"asked": asked, "lock": lock}, [])


def _asked(order: BuildRequest, context: Context, status: LockStatus) -> str:
    config, project = order.config, context.project
    copies = [
        [rule.target, [[str(path), file_stamp(path)] for path in _files(rule.base / rule.source)]]
        for rule in config.packages_for(order.platform.key).copy_files
    ]
    values = {
        "bundle": bundle.__version__,
        "revisions": revisions(),
        "epoch": context.store.epoch,
        "name": order.name,
        "output": str(order.output),
        "resolution": status.inputs,
        "interpreters": order.interpreters,
        "mirror": context.environ.get("BUNDLE_PYTHON_MIRROR"),
        "archives": order.archives,
        "verify": order.verify,
        "copies": copies,
    }
    return fingerprint(values, (project.root / SHARED, config.folder / "config.json"))


def _files(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield from sorted(path for path in source.rglob("*") if "__pycache__" not in path.parts)
    yield source


def _value(done: Build) -> dict[str, Any]:
    manifest = done.manifest.as_json()
    archives = [
        {"path": str(archive.path), "sha256": archive.sha256, "size": archive.size} for archive in done.archives
    ]
    return {
        "version": done.config.version,
        "platform": done.platform.key,
        "status": "built",
        "path": str(done.order.folder),
        "digest": done.digest,
        "archive": archives[0] if archives else None,
        "archives": archives,
        "catalogued": done.catalogued,
        "python": manifest["python"],
        "floor": manifest["floor"],
        "packages": manifest["packages"],
        "skipped": manifest["skipped"],
        "conflicts": manifest["conflicts"],
        "verification": None if done.report is None else done.report.as_json(),
        "size": sum(layer.size for layer in done.layers),
        "seconds": done.seconds,
    }
