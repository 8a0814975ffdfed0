"""The provenance of a bundle's archives, as an in-toto statement: what they were built of, by what, and why so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packageurl import PackageURL

from bundle.base.files import canonical_json, pretty_json
from bundle.model.locks.lock import Lock, LockedFile, LockedPackage
from bundle.model.manifest import Manifest


def provenance(
    manifest: Manifest, locks: Sequence[Lock], *, subjects: Mapping[str, str], project: Mapping[str, str]
) -> str:
    """Return the statement, which has no time and no place in it: the same inputs give the same one.

    Source: in-toto Attestation Framework, statement v1; SLSA 1.0, provenance v1.

    Args:
        locks: one for each set of packages.
        subjects: sha256 of each archive by its name.
        project: sha256 of each file of the configuration, the lock included, by its path in the project.
    """
    tool = PackageURL("pypi", name="bundle-toolchain", version=manifest.bundle).to_string()
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [_resource(name, sha256) for name, sha256 in sorted(subjects.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{tool}#build",
                "externalParameters": {
                    "version": manifest.version,
                    "platform": manifest.platform,
                    "project": [_resource(name, sha256) for name, sha256 in sorted(project.items())],
                },
                "internalParameters": _decisions(manifest),
                "resolvedDependencies": _materials(manifest, locks),
            },
            "runDetails": {"builder": {"id": tool, "version": {"bundle-toolchain": manifest.bundle}}},
        },
    }
    return pretty_json(value)


def _decisions(manifest: Manifest) -> dict[str, Any]:
    """Return the reason for each part: the interpreter, every package, and what was left out."""
    described = manifest.as_json()
    decided = {name: _of_set(one) for name, one in described.get("sets", {}).items()}
    return {
        "python": described["python"],
        "layers": [{key: layer[key] for key in ("name", "kind", "digest")} for layer in described["layers"]],
        **_of_set(described),
        **({"sets": decided} if decided else {}),
    }


def _of_set(described: Mapping[str, Any]) -> dict[str, Any]:
    keys = {"packages": ("decision", "reason", "isolation", "network"), "skipped": ("kind", "reason")}
    return {
        group: {one["name"]: {key: one[key] for key in names if key in one} for one in described[group]}
        for group, names in keys.items()
    }


def _materials(manifest: Manifest, locks: Sequence[Lock]) -> list[dict[str, Any]]:
    """Return the interpreter, then every file and commit of the locks, build requirements included."""
    python = manifest.python.actual
    layer = next((one.digest for one in manifest.layers if one.kind == "interpreter"), "")
    interpreter = _resource(f"cpython-{python}-{manifest.platform}", layer)
    interpreter["uri"] = PackageURL("generic", name="cpython", version=python).to_string()
    interpreter["annotations"] = {"source": manifest.python.source}
    packages = [package for lock in locks for package in lock.packages]
    built = sorted((one for package in packages for one in package.build), key=lambda one: (one.name, one.file.name))
    materials = [
        *(material for package in packages for material in _package(package)),
        *(_file(one.file, PackageURL("pypi", name=one.name, version=one.version)) for one in built),
    ]
    once = {canonical_json(one): one for one in materials}
    return [interpreter, *once.values()]


def _package(package: LockedPackage) -> Iterator[dict[str, Any]]:
    if package.file:
        yield _file(package.file, PackageURL("pypi", name=package.name, version=package.version))
    if package.vcs:
        uri = f"git+{package.vcs.url}@{package.vcs.commit}"
        yield {"name": package.name, "uri": uri, "digest": {"gitCommit": package.vcs.commit}}


def _file(file: LockedFile, purl: PackageURL) -> dict[str, Any]:
    return {**_resource(file.name, file.sha256), "uri": purl.to_string()}


def _resource(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}
