"""What a build reads of its project, as one archive that a worker on another machine unpacks."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from bundle.artifacts.context import Context
from bundle.base.errors import ConfigError
from bundle.make.build_request import BuildRequest
from bundle.make.portable_inputs import own_inputs
from bundle.model.locks.local_wheels import wheels_for

MOST = 2**27
"""Bytes of all files together; they go through the memory of the scheduler."""


def pack_inputs(request: BuildRequest, context: Context) -> bytes:
    """Return the configuration, the locks and the user's own files of a build as a tar archive, compressed.

    Raises:
        ConfigError: a file lies outside of the project, or they are too large together.
    """
    project, config = context.project, request.config
    target = io.BytesIO()
    size = 0
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(set(_files(request, context))):
            inside = _inside(path, project.root, config.version)
            info = tar.gettarinfo(path, arcname=inside)
            info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
            if info.isdir() or info.issym():
                tar.addfile(info)
                continue
            if info.islnk():
                info.type = tarfile.REGTYPE
                info.size = path.stat().st_size
            size += info.size
            if size > MOST:
                raise ConfigError(
                    f"The files that {request.name} reads are larger than {MOST:,} bytes together, with {inside}.",
                    cause="They go to the workers through the memory of the scheduler.",
                    remedy="Serve large files over HTTP, and name them by URL and sha256 or in an index.",
                )
            with path.open("rb") as file:
                tar.addfile(info, file)
    return zstandard.compress(target.getvalue(), 3)


def _files(request: BuildRequest, context: Context) -> Iterator[Path]:
    project, config, key = context.project, request.config, request.platform.key
    yield from project.sources(config.version)
    # Those of other platforms too: a lock of the worker's own platform has what builds sources there.
    yield from project.locks(config.version)
    for _, path in own_inputs(config, key):
        if path.is_symlink() or path.exists():
            yield path
    for member in config.members:
        yield from (wheel.path for wheel in wheels_for(member, key))
    # The interpreters of other platforms too: that of the worker compiles bytecode.
    for archive in config.interpreter.archives.values():
        if archive.path is not None and archive.path.is_file():
            yield archive.path


def _inside(path: Path, root: Path, version: str) -> str:
    absolute = path.absolute()
    place = absolute.parent.resolve() / absolute.name
    if not place.is_relative_to(root.resolve()):
        raise ConfigError(
            f"{version} reads {path}, which is outside of the project, so workers cannot get it.",
            remedy="Put it into the project's folder, or build without --scheduler.",
        )
    return place.relative_to(root.resolve()).as_posix()
