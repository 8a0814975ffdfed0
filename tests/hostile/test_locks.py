"""Forged locks: their checksum fits, and their names, versions or paths do not."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import BundleError, ConfigError, IntegrityError
from bundle.model.locks.pylock import dump_lock, parse_lock
from tests.hostile.locks import LOCK, WHEEL, file, sealed

PATH = Path("versions/3.12.10/pylock.linux-x64.toml")


def test_an_honest_lock_is_read() -> None:
    assert {one.name for one in parse_lock(dump_lock(LOCK).encode(), PATH).packages} == {"numpy", "demo", "own", "tool"}


def forged(change: Any) -> bytes:
    """Change the document of a lock, and give it the checksum that fits."""

    document = tomllib.loads(dump_lock(LOCK))
    change({one["name"]: one for one in document["packages"]}, document)
    return sealed(document)


def build(**values: Any) -> Any:
    return lambda packages, _: packages["demo"]["tool"]["bundle"]["build"][0].update(values)


def wheel(**values: Any) -> Any:
    return lambda packages, _: packages["numpy"]["wheels"][0].update(values)


def sdist(**values: Any) -> Any:
    return lambda packages, _: packages["demo"]["sdist"].update(values)


def archive(**values: Any) -> Any:
    return lambda packages, _: packages["own"]["archive"].update(values)


def vcs(**values: Any) -> Any:
    return lambda packages, _: packages["tool"]["vcs"].update(values)


def package(name: str, /, **values: Any) -> Any:
    return lambda packages, _: packages[name].update(values)


def skipped(**values: Any) -> Any:
    return lambda _, document: document["tool"]["bundle"]["skipped"][0].update(values)


HOUSE = "../../pydist/wheelhouse/"

FORGERIES = {
    "build: absolute": build(file="/tmp/helper-2.0-py3-none-any.whl"),
    "build: climbs": build(file="../../helper-2.0-py3-none-any.whl"),
    "build: backslashes": build(file="..\\helper-2.0-py3-none-any.whl"),
    "build: a drive": build(file="C:helper-2.0-py3-none-any.whl"),
    "build: control character": build(file="helper-2.0-py3-none-any\n.whl"),
    "build: empty": build(file=""),
    "build: dots": build(file=".."),
    "build: not a wheel": build(file="helper-2.0.tar.gz"),
    "build: another package": build(file="other-2.0-py3-none-any.whl"),
    "build: another version": build(file="helper-2.1-py3-none-any.whl"),
    "build: name that climbs": build(name="../helper"),
    "build: version that climbs": build(version="../2.0"),
    "build: hash that climbs": build(sha256="../" * 21 + "a"),
    "build: negative size": build(size=-1),
    "build: size of text": build(size="1"),
    "build: name of 10,000 characters": build(name="a" * 10_000, file="a" * 10_000 + "-2.0-py3-none-any.whl"),
    "build: millions of tags": build(file="helper-2.0-" + "-".join(["a" + ".a" * 300] * 3) + ".whl"),
    "build: no file": lambda packages, _: packages["demo"]["tool"]["bundle"]["build"][0].pop("file"),
    "wheel: another folder": wheel(path="../../../etc/numpy-1.0-py3-none-any.whl"),
    "wheel: absolute": wheel(path="/numpy-1.0-py3-none-any.whl"),
    "wheel: below the wheelhouse": wheel(
        path=f"{HOUSE}a/numpy-1.0-py3-none-any.whl", name="numpy-1.0-py3-none-any.whl"
    ),
    "wheel: another package": wheel(path=f"{HOUSE}evil-1.0-py3-none-any.whl", name="evil-1.0-py3-none-any.whl"),
    "wheel: a hash of another form": wheel(hashes={"sha256": "A" * 64}),
    "wheel: no size": lambda packages, _: packages["numpy"]["wheels"][0].pop("size"),
    "sdist: a wheel": sdist(path=f"{HOUSE}demo-1.0-py3-none-any.whl", name="demo-1.0-py3-none-any.whl"),
    "sdist: another version": sdist(path=f"{HOUSE}demo-2.0.tar.gz", name="demo-2.0.tar.gz"),
    "archive: climbs": archive(path="../../pydist/v1.zip"),
    "archive: escape sequence": archive(path=f"{HOUSE}\x1b[2Jv1.zip"),
    "package: name": package("numpy", name="../numpy"),
    "package: version": package("numpy", version="1" * 300),
    "package: twice": lambda packages, document: document["packages"].append(packages["numpy"]),
    "package: dependency": package("numpy", dependencies=[{"name": "a/../b"}]),
    "vcs: folder that climbs": vcs(subdirectory="../src"),
    "vcs: absolute folder": vcs(subdirectory="/src"),
    "vcs: an option for git": vcs(**{"requested-revision": "--upload-pack=x"}),
    "vcs: a program": vcs(url="ext::sh -c x"),
    "vcs: an option as address": vcs(url="--upload-pack=x"),
    "vcs: no commit": vcs(**{"commit-id": "main"}),
    "skipped: name": skipped(name="../gone"),
    "skipped: version": skipped(version="x/y"),
    "skipped: tags": skipped(available=["cp312\x1b[2J"]),
    "lock: platform": lambda _, document: document["tool"]["bundle"].update(platform="linux\x00x64"),
    "lock: no platform": lambda _, document: document["tool"]["bundle"].update(platform=""),
    "lock: another platform": lambda _, document: document["tool"]["bundle"].update(platform="linux-riscv64"),
    "lock: set": lambda _, document: document["tool"]["bundle"].update(set="../gpu"),
    "lock: no set": lambda _, document: document["tool"]["bundle"].update(set=0),
    "lock: no version of Python": lambda _, document: document["tool"]["bundle"].update(python="new"),
    "package: decision": package("numpy", tool={"bundle": {"decision": "x", "reason": "", "required-by": [""]}}),
    "skipped: kind": skipped(kind="taken"),
    "lock: python": lambda _, document: document["tool"]["bundle"].update(python=3),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_lock_is_refused(change: Any) -> None:
    with pytest.raises(BundleError) as caught:
        parse_lock(forged(change), PATH)
    assert isinstance(caught.value, IntegrityError)
    assert caught.value.exit_code == 4
    assert len(caught.value.what) < 2000
    assert "bundle lock 3.12.10" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000, "size = " + "9" * 5000, 'a = "\ud800"', "a = 2020-01-01\n[tool.bundle]\nformat = 1\n"],
    ids=["nested lists", "a number of thousands of digits", "no Unicode", "a date"],
)
def test_a_file_that_breaks_its_reader_is_no_lock(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_lock(text.encode(errors="surrogatepass"), PATH)


def test_wheels_of_the_field_are_in_locks() -> None:
    names = ("numpy-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "NumPy-1.0-1-py2.py3-none-any.whl")
    for name in names:
        parse_lock(dump_lock(replace(LOCK, packages=(replace(WHEEL, file=file(name)),))).encode(), PATH)
