"""The software bill of materials of a bundle, as CycloneDX JSON."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from bundle.base.files import canonical_json
from bundle.model.manifest import LayerRecord, Manifest, PackageRecord

_NAMESPACE = uuid.UUID("773dca1c-bbd5-430d-9f7d-3d3bbedb5cb5")
"""Of the serial numbers, each of which is made of the bundle's own content (RFC 9562, version 5)."""

_UNKNOWN = "NOASSERTION"


Licences = Mapping[tuple[str, str], str]
"""Licences as packages state them, by normalised name and version."""


def sbom(manifest: Manifest, licences: Licences, *, epoch: int) -> str:
    """Return the bill of materials: the interpreter, its libraries and every package, the same for the same inputs.

    Source: CycloneDX 1.6 (ECMA-424).

    Args:
        epoch: the time that the document carries, seconds since 1970.
    """
    whole = Component(
        bom_ref="bundle",
        name=f"{manifest.version}-{manifest.platform}",
        version=manifest.version,
        type=ComponentType.PLATFORM,
        properties=_properties(platform=manifest.platform, lock=manifest.lock),
    )
    interpreter = _interpreter(manifest)
    libraries = list(_libraries(manifest))
    tool = Component(
        name="bundle-toolchain",
        version=manifest.bundle,
        type=ComponentType.APPLICATION,
        purl=PackageURL("pypi", name="bundle-toolchain", version=manifest.bundle),
    )
    document = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, canonical_json(manifest.as_json()).decode()),
        components=[interpreter, *libraries],
        metadata=BomMetaData(component=whole, timestamp=datetime.fromtimestamp(epoch, UTC), properties=_left(manifest)),
    )
    document.metadata.tools.components.add(tool)
    document.register_dependency(whole, [interpreter])
    document.register_dependency(interpreter, libraries)
    for name, member in manifest.members.items():
        _add_packages(document, whole, name, member, licences)
    text: str = make_outputter(document, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    return text + "\n"


def _add_packages(document: Bom, whole: Component, name: str, member: Manifest, licences: Licences) -> None:
    """Add the packages of one set, each with those that it requires."""
    layers: dict[tuple[str, str], LayerRecord] = {
        (canonicalize_name(one.name), one.version): one for one in member.layers if one.kind == "wheel"
    }
    packages = {}
    for one in member.packages:
        key = one.name, one.version
        packages[one.name] = _package(one, name, licences.get(key, ""), layers.get(key))
    document.components.update(packages.values())
    for requiring, component in {"": whole, **packages}.items():
        document.register_dependency(component, _required(member, requiring, packages))


def _interpreter(manifest: Manifest) -> Component:
    version = manifest.python.actual
    licence = manifest.interpreter.get("licences", {}).get("CPython", "PSF-2.0")
    return Component(
        bom_ref="cpython",
        name="CPython",
        version=version,
        type=ComponentType.PLATFORM,
        purl=PackageURL("generic", name="cpython", version=version),
        cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        licenses=[LicenseFactory().make_from_string(licence)],
        properties=_properties(
            requested=manifest.python.requested,
            source=manifest.python.source,
            layer=next((layer.digest for layer in manifest.layers if layer.kind == "interpreter"), ""),
        ),
    )


def _libraries(manifest: Manifest) -> Iterator[Component]:
    """Give the libraries that came with the interpreter, and its other parts that have a licence of their own."""
    licences = dict(manifest.interpreter.get("licences", {}))
    licences.pop("CPython", None)
    for library in manifest.interpreter.get("libraries", ()):
        licence = licences.pop(library["name"], library["licence"])
        yield _library(library["name"], library["version"], licence)
    for name, licence in sorted(licences.items()):
        yield _library(name, "", licence)


def _library(name: str, version: str, licence: str) -> Component:
    return Component(
        bom_ref=f"library:{name}",
        name=name,
        version=version or None,
        type=ComponentType.LIBRARY,
        purl=PackageURL("generic", name=name, version=version or None),
        licenses=[LicenseFactory().make_from_string(licence)] if licence not in ("", _UNKNOWN) else (),
    )


def _package(package: PackageRecord, set_name: str, licence: str, layer: LayerRecord | None) -> Component:
    installed = package.wheel or package.sha256
    return Component(
        bom_ref=f"package:{'/'.join(filter(None, (set_name, package.name)))}",
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=_purl(package),
        hashes=[_sha256(installed)] if installed else (),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else (),
        external_references=_origin(package),
        properties=_properties(
            set=set_name,
            decision=package.decision,
            reason=package.reason,
            isolation=package.isolation,
            network=package.network,
            layer=layer.digest if layer else "",
        ),
    )


def _purl(package: PackageRecord) -> PackageURL:
    where = {"vcs_url": f"git+{package.repository}@{package.commit}"} if package.commit else {}
    return PackageURL("pypi", name=package.name, version=package.version, qualifiers=where)


def _origin(package: PackageRecord) -> list[ExternalReference]:
    """Return the file or commit that the lock chose; by name only, because any mirror may have served it."""
    if package.commit:
        return [
            ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(package.repository), comment=package.commit)
        ]
    if not package.file:
        return []
    source = package.decision == "source"
    kind = ExternalReferenceType.SOURCE_DISTRIBUTION if source else ExternalReferenceType.DISTRIBUTION
    return [ExternalReference(type=kind, url=XsUri(package.file), hashes=[_sha256(package.sha256)])]


def _required(manifest: Manifest, by: str, packages: Mapping[str, Component]) -> list[Component]:
    return [packages[one.name] for one in manifest.packages if by in one.required_by]


def _left(manifest: Manifest) -> list[Property]:
    """Return what was left out, with the reasons."""
    return [
        Property(name=":".join(filter(None, ("bundle", one.kind, name, one.name))), value=one.reason)
        for name, member in manifest.members.items()
        for one in member.skipped
    ]


def _properties(**values: str) -> list[Property]:
    return [Property(name=f"bundle:{name}", value=value) for name, value in values.items() if value]


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
