"""Descriptions of bundles for pages, as builds leave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry, Evidence, PackageRecord, bundle_digest
from bundle.artifacts.described import Described
from bundle.artifacts.documents.page.folder import write_site
from bundle.artifacts.documents.page.index import Index, IndexMaker
from bundle.artifacts.documents.page.site import Place, Site
from bundle.model.acceptance import Acceptance
from bundle.model.manifest import Conflict, LayerRecord, Manifest, PythonRecord, SkippedRecord
from bundle.model.manifest import PackageRecord as ManifestPackage

PLATFORMS = ("linux-x64", "linux-aarch64", "macosx-x64", "macosx-aarch64", "windows-x64")

PACKAGES = (
    *(("openmm", 85, "MIT AND LGPL-3.0-or-later"), ("scipy", 62, "BSD-3-Clause"), ("numpy", 53, "BSD-3-Clause")),
    *(("pandas", 44, "BSD-3-Clause"), ("scikit-learn", 41, "BSD-3-Clause"), ("matplotlib", 27, "PSF-2.0")),
    *(("lxml", 21, "BSD-3-Clause"), ("pillow", 17, "MIT-CMU"), ("fonttools", 15, "MIT"), ("biopython", 13, "BSD")),
    *(("sqlalchemy", 11, "MIT"), ("pydantic-core", 5, "MIT"), ("pdbfixer", 3, "MIT"), ("contourpy", 1, "BSD-3-Clause")),
    *(("freesasa", 1, "MIT"), ("tzdata", 1, "Apache-2.0"), ("pytz", 1, "MIT"), ("joblib", 1, "BSD-3-Clause")),
    *(("requests", 1, "Apache-2.0"), ("urllib3", 1, "MIT"), ("packaging", 1, "Apache-2.0 OR BSD-2-Clause")),
)
"""Name, size in MB, licence."""

_FROM_SOURCE = ("freesasa", "pdbfixer")


def described(
    version: str = "3.12.10-atls",
    platform: str = "linux-x64",
    packages: Iterable[tuple[str, int, str]] = PACKAGES,
    *,
    release: str = "1.0",
) -> Described:
    """A bundle that has something of everything.

    Args:
        release: the version of its packages.
    """
    packages = tuple(packages)
    python = version.partition("-")[0]
    layers = [
        layer("interpreter", "python", python, platform, 44_000_000),
        *(layer("wheel", name, release, platform, size * 1_000_000 + len(name)) for name, size, _ in packages),
        layer("copyFiles", "copyFiles", "", version, 4_300),
        layer("manifest", "bundle.json", "", f"{version} {platform}", 10_250),
    ]
    skipped = SkippedRecord(name="cuda-toolkit", reason="no GPU on these machines", required_by=("openmm",))
    records = [_package(name, release) for name, _, _ in packages]
    entry = Entry(
        version=version,
        platform=platform,
        path="",
        digest=bundle_digest(layers),
        size=sum(one.size for one in layers),
        python=PythonRecord(requested=python, actual=python, source="python-build-standalone"),
        archives=(ArchiveRecord(format="tar.zst", path=f"archives/{version}.tar.zst", sha256="a" * 64, size=9),),
        layers=tuple(layers),
        packages=tuple(map(PackageRecord.of, records)),
        skipped=(skipped,) if platform.startswith("macosx") else (),
        conflicts=(Conflict(path="bin/f2py", kept="numpy", lost="scipy"),),
        floor={"glibc": "2.28"} if platform.startswith("linux") else {},
        evidence=Evidence(
            audited=("files", "records", "paths", "binaries"),
            run=("requirements", "imports", "relocation") if platform == "linux-x64" else (),
        ),
    )
    manifest = Manifest(
        bundle="0.1.0",
        version=version,
        platform=platform,
        python=entry.python,
        packages=tuple(records),
        accepted=(Acceptance(rule="build-path", package="scipy", reason="only in a comment"),),
        floor_asked={"glibc": "2.28"},
    )
    licences = {name: (licence,) for name, _, licence in packages}
    return Described(
        entry=entry,
        compressed={one.digest: one.size // 3 for one in layers},
        licences={**licences, "CPython": ("PSF-2.0",)},
        manifest=manifest,
    )


def many(versions: int) -> list[Described]:
    """Bundles of many versions for all platforms, whose packages are shared in several ways."""
    found = []
    for number in range(versions):
        name = f"3.{11 + number % 4}.{number % 10}-product-{number:03}"
        extra = tuple((f"package-{(number * 7 + one) % 500:03}", 1 + one % 9, "MIT") for one in range(60))
        release = f"{1 + number % 3}.0"
        found += [described(name, platform, (*PACKAGES, *extra), release=release) for platform in PLATFORMS]
    return found


def index_of(bundles: Iterable[Described], revision: str = "") -> Index:
    """The index of bundles."""
    maker = IndexMaker(revision=revision)
    for one in bundles:
        maker.add(one, {})
    return maker.made()


def files_of(bundles: Sequence[Described], place: Place | None = None) -> dict[str, bytes]:
    """The files of the page about bundles."""
    site = Site(place or Place())
    maker = IndexMaker(revision="")
    files: dict[str, bytes] = {}
    for one in bundles:
        own = site.of_bundle(one)
        maker.add(one, own)
        files |= own
    return files | site.of_all(maker.made())


def written(folder: Path, bundles: Sequence[Described], place: Place | None = None) -> str:
    """Write the page about bundles, and return the address of its folder."""
    write_site(folder, files_of(bundles, place))
    return folder.as_uri()


def renamed(bundle: Described, **changes: object) -> Described:
    """The same bundle with other values in its entry."""
    return replace(bundle, entry=replace(bundle.entry, **changes))  # type: ignore[arg-type]


def layer(kind: str, name: str, version: str, where: str, size: int) -> LayerRecord:
    """A layer that is the same wherever these are the same."""
    digest = sha256(f"{kind} {name} {version} {where}".encode(errors="surrogatepass")).hexdigest()
    return LayerRecord(digest=digest, kind=kind, name=name, version=version, size=size)


def _package(name: str, release: str) -> ManifestPackage:
    source = name in _FROM_SOURCE
    return ManifestPackage(
        name=name,
        version=release,
        decision="source" if source else "wheel",
        reason="no compatible wheel; resolution.allowSourceList" if source else "a compatible wheel",
        required_by=("", "scipy") if name == "numpy" else ("",),
        file=f"{name}-{release}.tar.gz" if source else f"{name}-{release}-cp312-cp312-any.whl",
        sha256=sha256(name.encode()).hexdigest(),
        isolation="bubblewrap" if source else "",
    )
