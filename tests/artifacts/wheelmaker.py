"""Makes small wheels for tests, honest ones and others."""

from __future__ import annotations

import csv
import io
import stat
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    files: Mapping[str, bytes | str] | None = None,
    dist_info: Mapping[str, bytes | str] | None = None,
    metadata: str = "",
    executable: Collection[str] = (),
    modes: Mapping[str, int] | None = None,
    record: Mapping[str, tuple[str, str] | None] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """Write a wheel and return its path.

    Args:
        folder: where to.
        name: as in METADATA and, with underscores, in the file name.
        version: the same.
        tag: of the file name; WHEEL gets the single tags of it.
        files: path to content; `{data}` in a path stands for `NAME-VERSION.data`.
        dist_info: file name to content in the `.dist-info` folder, in place of or beside METADATA and WHEEL.
        metadata: further header lines of METADATA, each with its line end.
        executable: paths that get the executable bits.
        modes: path to a whole `st_mode`, for entries that are not files.
        record: path to hash and size as RECORD should say them, or None to leave it out.
        compression: of the zip file.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    tags = "".join(
        f"Tag: {interpreter}-{abi}-{platform}\n"
        for interpreter in tag.split("-")[0].split(".")
        for abi in tag.split("-")[1].split(".")
        for platform in tag.split("-")[2].split(".")
    )
    own: dict[str, bytes | str] = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\nThe description.\n",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {str('any' in tag).lower()}\n{tags}",
        **(dist_info or {}),
    }
    contents = {path.format(data=f"{stem}.data"): content for path, content in (files or {}).items()}
    contents |= {f"{stem}.dist-info/{path}": content for path, content in own.items()}
    encoded = {path: content.encode() if isinstance(content, str) else content for path, content in contents.items()}
    rows = {path: (_hash(content), str(len(content))) for path, content in encoded.items() if not path.endswith("/")}
    rows |= {f"{stem}.dist-info/RECORD": ("", "")}
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(
        (path, *row) for path, row in {**rows, **(record or {})}.items() if row
    )
    encoded.setdefault(f"{stem}.dist-info/RECORD", text.getvalue().encode())
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", compression) as archive:
        for path, content in encoded.items():
            info = zipfile.ZipInfo("placeholder", (2020, 1, 1, 0, 0, 0))
            info.filename = path  # not through the constructor, which mends names
            mode = (modes or {}).get(path, stat.S_IFREG | (0o755 if path in executable else 0o644))
            info.external_attr = mode << 16
            info.compress_type = compression
            archive.writestr(info, content)
    return wheel


def _hash(content: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
