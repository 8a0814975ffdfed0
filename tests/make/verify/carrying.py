"""Wheels carried in `packages/`, with the lock beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from packaging.utils import parse_wheel_filename

from bundle.base.files import sha256_of
from bundle.model.manifest import carried_lock_path

_PACKAGE = """[[packages]]
name = "{name}"
version = "{version}"
wheels = [{{ name = "{file}", path = "{file}", hashes = {{ sha256 = "{sha256}" }} }}]
"""


def carry(root: Path, wheels: Iterable[Path], set_name: str = "") -> None:
    """Put wheels into a bundle as a build does it for `build.layout` `wheelhouse`, as those of one set."""
    text = 'lock-version = "1.0"\ncreated-by = "bundle"\n'
    folder = root / "packages"
    folder.mkdir(exist_ok=True)
    for wheel in wheels:
        place = wheel.rename(folder / wheel.name)
        name, version, *_ = parse_wheel_filename(wheel.name)
        text += _PACKAGE.format(name=name, version=version, file=wheel.name, sha256=sha256_of(place))
    (root / carried_lock_path(set_name)).write_text(text, encoding="utf-8")
