from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import cast

from bundle.artifacts.interpreters.choice import Choice
from bundle.artifacts.interpreters.source import Offer, Source
from bundle.artifacts.store.layers import Entry, Layer
from bundle.make.assemble.manifest import describe, describe_set
from bundle.make.interpreter.compilers import Bytecode
from bundle.make.interpreter.prepare import Interpreter
from bundle.make.sources.planner import SourceBuild
from bundle.model.acceptance import Acceptance
from bundle.model.config.config import Config, PlatformPackages, Verification
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage, SkippedPackage, Vcs
from bundle.model.manifest import Conflict, Manifest
from bundle.model.platforms import PLATFORMS

ENTRY = Acceptance(rule="build-path", files="a", reason="known")
HERE = Acceptance(rule="build-path", files="*/x", package="a<2", reason="known")
ELSEWHERE = (
    Acceptance(rule="build-path", files="*/numba/*", reason="no such file"),
    Acceptance(rule="import-fails", package="numba", reason="no such package"),
    Acceptance(rule="import-fails", package="a>=2", reason="another version"),
)


def layer(kind: str, name: str, *paths: str) -> Layer:
    entries = tuple(Entry(path, "file", False, 1, name, None) for path in paths)
    return Layer(
        digest=name * 8,
        kind=kind,  # type: ignore[arg-type]
        name=name,
        version="1",
        size=len(paths),
        entries=entries,
        about={"glibc": "2.17"},
    )


def described(platform: str) -> Manifest:
    offer = Offer(source="host", python="3.12.1", detail="", key={}, location="/somewhere")
    choice = Choice(requested="3.12.10", offer=offer, source=cast(Source, None), why="", tried=())
    made = Future[Layer]()
    made.set_result(layer("interpreter", "python"))
    interpreter = Interpreter(choice=choice, platform=PLATFORMS[platform], bytecode=Bytecode(), stored=None, made=made)
    wheel = LockedPackage(
        name="a",
        version="1",
        kind="wheel",
        file=LockedFile(name="a.whl", sha256="s", size=1),
        reason="fits",
        required_by=("",),
    )
    commit = LockedPackage(
        name="b",
        version="2",
        kind="source",
        file=None,
        reason="a commit",
        required_by=("a",),
        vcs=Vcs(url="https://example.org/b", requested=None, commit="c0ffee"),
    )
    skipped = SkippedPackage(name="c", reason="none", required_by=("",), kind="missing", available=("x",))
    lock = Lock(
        version="3.12.10",
        platform=platform,
        python="3.12.10",
        inputs="i",
        packages=(wheel, commit),
        skipped=(skipped,),
    )
    config = Config(
        version="3.12.10",
        python="3.12.10",
        folder=Path("/versions"),
        verify=Verification(accept=(ENTRY, HERE, *ELSEWHERE)),
        packages={platform: PlatformPackages(overrides={"b": "2", "a": "1", "z": "3"}, no_deps=frozenset({"b", "z"}))},
    )
    layers = [interpreter.layer, layer("wheel", "a", "bin/x"), layer("copyFiles", "copyFiles", "bin/x", "bin/own")]
    build = SourceBuild(package=commit, adapted=commit, sha256="w", isolation="bubblewrap", network="It must.")
    record = describe_set(config, lock, {"b": build})
    return describe(config, interpreter, {"": record}, layers, unpacked=layers, floor={"glibc": "2.17"})


def test_a_manifest_tells_packages_layers_and_conflicts_apart() -> None:
    manifest = described("linux-x64")
    assert [(one.name, one.file, one.commit, one.wheel) for one in manifest.packages] == [
        ("a", "a.whl", "", ""),
        ("b", "", "c0ffee", "w"),
    ]
    assert [(one.isolation, one.network) for one in manifest.packages] == [("", ""), ("bubblewrap", "It must.")]
    assert "isolation" not in manifest.as_json()["packages"][0]
    assert manifest.skipped[0].available == ("x",)
    assert (manifest.overrides, manifest.no_deps) == (("a", "b"), ("b",))
    assert manifest.copied == ("bin/own", "bin/x")
    assert manifest.conflicts == (Conflict(path="bin/x", kept="copyFiles", lost="a"),)
    assert manifest.python.substituted
    assert (manifest.accepted, manifest.interpreter) == ((ENTRY, HERE), {"glibc": "2.17"})


def test_the_floor_that_was_asked_for_is_the_systems_own() -> None:
    assert described("linux-x64").floor_asked == {"glibc": "2.28"}
    assert described("macosx-x64").floor_asked == {"macos": "13.0"}
    assert described("windows-x64").floor_asked == {}


def test_a_manifest_survives_its_file() -> None:
    manifest = described("linux-x64")
    read = Manifest.from_json(manifest.as_json())
    assert read.packages == manifest.packages
    assert read.accepted == manifest.accepted
