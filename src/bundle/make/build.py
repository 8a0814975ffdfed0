"""Bring a bundle up to date: build it, or find that it is unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bundle
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.catalogue_entry import manifest_hash
from bundle.artifacts.context import Context
from bundle.base.files import locked, sha256_of
from bundle.base.folders import remove_tree
from bundle.base.staging import sweep_staging
from bundle.make.build_request import BuildRequest
from bundle.make.build_state import STATE, Record, file_stamp, fingerprint, read_record, tree_stamp, write_record
from bundle.make.portable_inputs import lock_digest, own_inputs, portable_inputs
from bundle.make.project_folder import require_own
from bundle.model.revisions import revisions

if TYPE_CHECKING:
    from bundle.make.pipeline import Build


def build_bundle(
    request: BuildRequest, context: Context, *, expected: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Bring one bundle up to date.

    Args:
        expected: the portable inputs that it must have been made from to be unchanged.

    Returns:
        The JSON value that the command `build` prints for it.

    Raises:
        BundleError: a step failed; an earlier bundle stays in place.
    """
    state = request.output / STATE
    require_own(request)
    with ExitStack() as stack:
        stack.enter_context(locked(state / f"{request.name}.lock", reporter=context.reporter, what=request.name))
        sweep_staging(state)
        # Taken before the build: edits in the meantime count as changes.
        statuses = tuple(context.lock_status(one, request.platform) for one in request.config.members)
        asked = _asked(request, context)
        fresh = all(one.state == "fresh" for one in statuses)
        record = _current(request, _inputs(asked, [one.digest for one in statuses])) if fresh else None
        if record is not None and (expected is None or record.portable == expected):
            return {**record.result, "status": "unchanged", "seconds": {}}
        if request.config.build.enable_logging:
            from bundle.base.report import Logbook

            # Never through a link, nor into a pipe.
            request.log.unlink(missing_ok=True)
            log = stack.enter_context(request.log.open("x", encoding="utf-8"))
            context = replace(context, reporter=Logbook(context.reporter, log))
        stack.enter_context(context.store.in_use())
        from bundle.make.interpreter.prepare import identity_of
        from bundle.make.pipeline import run

        portable = portable_inputs(request, context)
        context.reporter.info(request.log_start)
        done = run(request, context, statuses)
        remove_tree(request.failed)  # That of an earlier run tells nothing any more.
        value = _value(done)
        locks = [one.digest if one.state == "fresh" else sha256_of(one.path) for one in statuses]
        portable["lock"] = lock_digest(locks)
        portable["interpreter"] = identity_of(context, request.config, request.platform, done.interpreter.choice.offer)
        record = Record(
            inputs=_inputs(asked, locks),
            tree=_stamp(request),
            archives={
                path.name: file_stamp(path)
                for path in (*(archive.path for archive in done.archives), *done.documents.values())
            },
            result=value,
            manifest=manifest_hash(done.layers),
            portable=portable,
        )
        write_record(_record_path(request), record)
        return value


def unchanged(request: BuildRequest, context: Context) -> dict[str, Any] | None:
    """Return the JSON value of a bundle that is up to date; None for one that has to be built.

    Raises:
        ConfigError: files of the user are in its place.
    """
    require_own(request)
    locks = tuple(context.lock_status(one, request.platform) for one in request.config.members)
    if any(one.state != "fresh" for one in locks):
        return None
    record = _current(request, _inputs(_asked(request, context), [one.digest for one in locks]))
    return None if record is None else {**record.result, "status": "unchanged", "seconds": {}}


def record_taken_in(request: BuildRequest, context: Context, made: Record, value: Mapping[str, Any]) -> None:
    """Keep the record of a bundle that another machine built, so that the next build finds it unchanged.

    Args:
        made: the record of that machine.
        value: the report of the build, with the places of its files here.
    """
    locks = [context.lock_status(one, request.platform).digest for one in request.config.members]
    paths = (*(one["path"] for one in value["archives"]), *value["documents"].values())
    record = replace(
        made,
        inputs=_inputs(_asked(request, context), locks),
        tree=_stamp(request),
        archives={path.name: file_stamp(path) for path in map(Path, paths)},
        result=value,
    )
    write_record(_record_path(request), record)


def _current(request: BuildRequest, inputs: str) -> Record | None:
    record = read_record(_record_path(request))
    if record is None or record.inputs != inputs:
        return None
    if any(file_stamp(request.output / name) != stamp for name, stamp in record.archives.items()):
        return None
    if record.result["catalogued"]:
        catalogue = Catalogue.load(request.catalogue, validate=False)
        entry = catalogue.find(request.config.version, request.platform.key)
        if entry is None or entry.digest != record.result["digest"]:
            return None
    return record if _stamp(request) == record.tree else None


def _record_path(request: BuildRequest) -> Path:
    return request.output / STATE / f"{request.name}.json"


def _stamp(request: BuildRequest) -> str:
    # Python writes compiled modules into a bundle that is used; they are no reason to build it again.
    return tree_stamp(request.folder, caches=request.config.build.bytecode)


def _inputs(asked: str, locks: Sequence[str | None]) -> str:
    """Return the fingerprint of a build's inputs: the request, and the locks, which the build may write itself."""
    return fingerprint({"asked": asked, "locks": list(locks)}, [])


def _asked(request: BuildRequest, context: Context) -> str:
    config, project = request.config, context.project
    values = {
        "bundle": bundle.__version__,
        "revisions": revisions(),
        "epoch": context.store.epoch,
        "name": request.name,
        "output": str(request.output),
        "interpreters": request.interpreters,
        "mirror": context.environ.get("BUNDLE_PYTHON_MIRROR"),
        "archives": request.archives,
        "verify": request.verify,
        "files": [[what, str(path), file_stamp(path)] for what, path in own_inputs(config, request.platform.key)],
    }
    return fingerprint(values, project.sources(config.version))


def _value(done: Build) -> dict[str, Any]:
    manifest = done.manifest.as_json()
    archives = [
        {"path": str(archive.path), "sha256": archive.sha256, "size": archive.size} for archive in done.archives
    ]
    return {
        "version": done.config.version,
        "platform": done.platform.key,
        "status": "built",
        "path": str(done.request.folder),
        "digest": done.digest,
        "archive": archives[0] if archives else None,
        "archives": archives,
        "documents": {kind: str(path) for kind, path in done.documents.items()},
        "catalogued": done.catalogued,
        "python": manifest["python"],
        "floor": manifest["floor"],
        "packages": manifest["packages"],
        "skipped": manifest["skipped"],
        **({"sets": manifest["sets"]} if "sets" in manifest else {}),
        "conflicts": manifest["conflicts"],
        "verification": None if done.report is None else done.report.as_json(),
        "size": sum(layer.size for layer in done.layers),
        "seconds": done.seconds,
    }
