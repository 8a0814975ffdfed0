"""Rewrite a built wheel so that the same inputs give the same bytes on every machine."""

from __future__ import annotations

import csv
import os
import re
import shutil
import time
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO, StringIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from bundle.artifacts.interpreters.portable.run_paths import replace_run_path, strip
from bundle.base.errors import WorkError
from bundle.base.extract import extract
from bundle.base.files import copy_hashed
from bundle.base.folders import remove_tree
from bundle.base.native.elf import has_symbols
from bundle.base.native.formats import native_format
from bundle.base.native.read import read_native
from bundle.base.staging import staged_file

if TYPE_CHECKING:
    from bundle.base.report import Reporter
    from bundle.make.sources.environment import SourceBuildTools

_EARLIEST = 315532800
"""1980-01-01 UTC: a zip file holds nothing earlier."""

_SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")


def rewrite_wheel(
    wheel: Path,
    into: Path,
    tools: SourceBuildTools,
    *,
    private: Sequence[Path],
    scratch: Path,
    repair: Callable[[Path], Path] | None = None,
) -> Path:
    """Rewrite a wheel: sorted, with one time and plain modes, without debug information and foreign run paths.

    The members are stored, not deflated: the bytes of a deflated member depend on the zlib in use, and bundles are
    compressed as a whole.

    Args:
        wheel: as the build backend made it; not trusted.
        tools: the time of every member, the PATH to `strip`, and the reporter of files that keep a private path.
        private: folders of this machine that no file may name; the first that one does is warned about.
        repair: makes a wheel with native files portable, and returns it. It runs after the stripping, which the changed
            files would not survive, and before foreign run paths are removed, which it may need.

    Returns:
        The new wheel, under the name that `repair` gave it.

    Raises:
        IntegrityError: the wheel is unsafe to unpack.
        WorkError: it has no single `.dist-info` folder.
    """
    try:
        info, files = _opened(wheel, scratch)
        for path in files:
            _mend(scratch / path, path, private, tools)
        if repair is not None and any(_is_native(scratch / path) for path in files):
            stripped = scratch.parent / "stripped" / wheel.name
            with staged_file(stripped) as staging:
                _pack(scratch, files, f"{info}/RECORD", staging, tools.epoch)
            wheel = repair(stripped)
            info, files = _opened(wheel, scratch)
        for path in files:
            _mend_run_path(scratch / path, path, tools.reporter)
            if leaked := _leak(scratch / path, private):
                tools.reporter.warning(f"{wheel.name}: {path} names its build folder ({leaked})")
        with staged_file(into / wheel.name) as staging:
            _pack(scratch, files, f"{info}/RECORD", staging, tools.epoch)
        return into / wheel.name
    finally:
        remove_tree(scratch)


def _opened(wheel: Path, scratch: Path) -> tuple[str, list[str]]:
    """Unpack a wheel, and return its `.dist-info` folder and its files in the order of the new one."""
    remove_tree(scratch)
    scratch.mkdir(parents=True)
    extract(wheel, scratch)
    info = _dist_info(scratch, wheel)
    for name in _SIGNATURES:
        (scratch / info / name).unlink(missing_ok=True)
    # The specification wants the metadata at the end of the archive.
    return info, sorted(_files(scratch), key=lambda path: (path.startswith(f"{info}/"), path))


def _is_native(file: Path) -> bool:
    with file.open("rb") as opened:
        return native_format(opened.read(4)) is not None


def _dist_info(tree: Path, wheel: Path) -> str:
    found = [path.name for path in tree.iterdir() if path.is_dir() and path.name.endswith(".dist-info")]
    if len(found) != 1:
        raise WorkError(
            f"The build backend made {wheel.name}, which is not a wheel: it has {len(found)} .dist-info folders.",
            remedy="Choose another version of the package, or report it to its authors.",
        )
    return found[0]


def _files(tree: Path) -> Iterator[str]:
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            # Its source is beside it; it would only record the folder and time of the compilation.
            if not (path.suffix == ".pyc" and path.parent.name == "__pycache__"):
                yield path.relative_to(tree).as_posix()


def _mend(file: Path, path: str, private: Sequence[Path], tools: SourceBuildTools) -> None:
    with file.open("rb") as opened:
        start = opened.read(512)
    if start.startswith(b"!<arch>\n") or (native_format(start) == "elf" and has_symbols(file)):
        _strip(file, path, tools)
    elif start.startswith(b"#!") and re.fullmatch(r"[^/]+\.data/scripts/[^/]+", path):
        _mend_script(file, start.split(b"\n", 1)[0], private)


def _mend_script(file: Path, line: bytes, private: Sequence[Path]) -> None:
    if any(form in line for folder in private for form in _forms(folder)):
        # Installers replace it with the path of the interpreter (PEP 427).
        with file.open("rb") as old, staged_file(file) as staging, staging.open("wb") as new:
            new.write(b"#!python")
            old.seek(len(line))
            shutil.copyfileobj(old, new)
            shutil.copymode(file, staging)


def _mend_run_path(file: Path, path: str, reporter: Reporter) -> None:
    native = read_native(file)
    if native is None or native.format != "elf":
        return
    kept = [entry for entry in native.run_paths if entry.startswith(("$ORIGIN", "${ORIGIN}"))]
    if kept != list(native.run_paths):
        reporter.detail(f"{path}: run path {':'.join(native.run_paths)} becomes {':'.join(kept) or 'empty'}")
        replace_run_path(file, kept)


def _strip(file: Path, path: str, tools: SourceBuildTools) -> None:
    done = strip([file], search=tools.environ.get("PATH", os.defpath))
    if done is None:
        tools.reporter.detail(f"{path}: keeps its symbols: this machine has no `strip`")
    elif done.code:
        # A ready-made file for another machine, brought along by the source: not this machine's to change.
        tools.reporter.detail(f"{path}: keeps its symbols: `strip` cannot read it: {done.errors.strip()}")


def _leak(file: Path, private: Sequence[Path]) -> str | None:
    if not file.stat().st_size:
        return None  # Nothing that could be mapped.
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as data:
        return next((str(folder) for folder in private if any(data.find(form) >= 0 for form in _forms(folder))), None)


def _forms(folder: Path) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys((os.fsencode(folder), quote(str(folder)).encode())))


def _pack(tree: Path, files: Sequence[str], record: str, target: Path, epoch: int) -> None:
    stamp = time.gmtime(max(epoch, _EARLIEST))[:6]
    table = StringIO()
    rows = csv.writer(table, lineterminator="\n")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:

        def add(path: str, data: IO[bytes], size: int, mode: int) -> str:
            member = zipfile.ZipInfo(path, stamp)
            member.create_system = 3
            member.external_attr = (0o100000 | mode) << 16
            member.file_size = size
            with archive.open(member, "w") as target:
                return copy_hashed(data, target)[0]

        for path in files:
            status = (tree / path).stat()
            with (tree / path).open("rb") as data:
                digest = add(path, data, status.st_size, 0o755 if status.st_mode & 0o111 else 0o644)
            text = urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()
            rows.writerow((path, f"sha256={text}", status.st_size))
        rows.writerow((record, "", ""))
        content = table.getvalue().encode()
        add(record, BytesIO(content), len(content), 0o644)
