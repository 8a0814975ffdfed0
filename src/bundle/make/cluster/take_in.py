"""The results of a build on another machine, taken in as if it had been made here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bundle.artifacts.catalogue import Catalogue, record
from bundle.artifacts.catalogue_entry import Entry
from bundle.artifacts.context import Context
from bundle.artifacts.store.layers import TOP
from bundle.base.errors import IntegrityError
from bundle.base.extract import extract
from bundle.base.files import locked, sha256_of
from bundle.base.folders import remove_tree
from bundle.base.staging import staged_file, staged_folder, sweep_staging
from bundle.make.build import record_taken_in
from bundle.make.build_request import BuildRequest
from bundle.make.build_state import STATE, Record, read_record
from bundle.make.cluster.remote_build import CATALOGUE
from bundle.make.described import tell_uncatalogued
from bundle.make.project_folder import require_own


def take_in(request: BuildRequest, context: Context, results: Path) -> dict[str, Any]:
    """Put a bundle, its archives and documents in their places, and add it to the catalogue.

    Args:
        results: the folder that they were fetched into, on the file system of the output folder; removed.

    Returns:
        The JSON value that the command `build` prints for it.

    Raises:
        IntegrityError: they do not fit together.
        ConfigError: files of the user are in the way.
    """
    state = request.output / STATE
    with locked(state / f"{request.name}.lock", reporter=context.reporter, what=request.name):
        require_own(request)
        made = read_record(results / STATE / f"{request.name}.json")
        if made is None:
            raise _unfit(request, "the record of the build is missing")
        entry = Catalogue.load(results / CATALOGUE).find(request.config.version, request.platform.key)
        value = _placed(request, made, results)
        _require_described(request, value, entry)
        sweep_staging(request.folder.parent)
        with ExitStack() as stack:
            _unpack(
                results / f"{request.name}.{request.archives[0]}",
                stack.enter_context(staged_folder(request.folder, large=True)),
            )
            for path in _files(value):
                (results / path.name).replace(stack.enter_context(staged_file(path)))
        record_taken_in(request, context, made, value)
        if entry is None:
            tell_uncatalogued(request, value["digest"], context.reporter)
        else:
            record(request.catalogue, _here(entry, request), reporter=context.reporter)
        remove_tree(results)
        return value


def _placed(request: BuildRequest, made: Record, results: Path) -> dict[str, Any]:
    """Return the report of the build with the places of its files here."""
    told = dict(made.result)
    archives = [{**one, "path": str(request.output / Path(one["path"]).name)} for one in told["archives"]]
    documents = {kind: str(request.output / Path(path).name) for kind, path in told["documents"].items()}
    told |= {
        "path": str(request.folder),
        "archives": archives,
        "archive": archives[0] if archives else None,
        "documents": documents,
    }
    expected = {request.archive_path(one).name for one in request.archives}
    names = {path.name for path in _files(told)}
    if not expected <= names or not all((results / name).is_file() for name in names):
        raise _unfit(request, "an archive is missing")
    for one in archives:
        if sha256_of(results / Path(one["path"]).name) != one["sha256"]:
            raise _unfit(request, f"{Path(one['path']).name} has another SHA-256 than its record")
    return told


def _files(value: Mapping[str, Any]) -> list[Path]:
    return [Path(one["path"]) for one in value["archives"]] + [Path(one) for one in value["documents"].values()]


def _require_described(request: BuildRequest, value: Mapping[str, Any], entry: Entry | None) -> None:
    if (entry is not None) != value["catalogued"]:
        raise _unfit(request, "its catalogue does not name it")
    if entry is not None and [one.sha256 for one in entry.archives] != [one["sha256"] for one in value["archives"]]:
        raise _unfit(request, "its catalogue names other archives")


def _unpack(archive: Path, tree: Path) -> None:
    """Unpack an archive without its top folder."""
    inside = tree / secrets.token_hex(8)
    extract(archive, inside)
    for path in (inside / TOP).iterdir():
        path.rename(tree / path.name)
    remove_tree(inside)


def _here(entry: Entry, request: BuildRequest) -> Entry:
    """Return an entry with the paths of this machine."""

    def here(path: Path) -> str:
        return Path(os.path.relpath(path, request.catalogue_root)).as_posix()

    return replace(
        entry,
        path=here(request.folder),
        archives=tuple(replace(one, path=here(request.output / Path(one.path).name)) for one in entry.archives),
        documents=tuple(replace(one, path=here(request.output / Path(one.path).name)) for one in entry.documents),
    )


def _unfit(request: BuildRequest, why: str) -> IntegrityError:
    return IntegrityError(
        f"What came back of {request.name} does not fit together: {why}.",
        remedy="Run the same command again; if it happens again, look at the worker's disk.",
    )
