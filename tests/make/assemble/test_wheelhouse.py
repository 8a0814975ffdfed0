from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.pylock import Pylock

from bundle.base.files import sha256_of
from bundle.make.assemble.wheelhouse import carried_lock
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage


def test_the_lock_beside_carried_wheels_names_each_with_its_hash(tmp_path: Path) -> None:
    wheel = tmp_path / "hello-1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    package = LockedPackage(
        name="hello",
        version="1.0",
        kind="source",
        file=LockedFile(name="hello-1.0.tar.gz", sha256="a" * 64, size=1),
        reason="built",
        required_by=("",),
    )
    lock = Lock(version="3.12.10", platform="linux-x64", python="3.12.10", inputs="", packages=(package,))
    found = Pylock.from_dict(tomllib.loads(carried_lock(lock, {"hello": wheel})))
    ((one,),) = [entry.wheels for entry in found.packages if entry.wheels]
    assert (one.path, one.size, one.hashes) == (wheel.name, 7, {"sha256": sha256_of(wheel)})
    assert str(found.requires_python) == "==3.12.*"
