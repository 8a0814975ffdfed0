"""The index of a page: what it tells of all bundles together, and which layers they share.

Its file is for publishers, who go on from it. Scripts in a browser read two smaller extracts, each where it is needed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from hashlib import sha256
from typing import Any

import zstandard

from bundle.artifacts.catalogue import natural_order
from bundle.artifacts.catalogue_entry import Evidence
from bundle.artifacts.described import Described
from bundle.model.manifest import PythonRecord
from bundle.model.records import from_json, to_json

_MOST_COMPARED = 1000
"""Bundles up to which the nearest of each is looked for."""

_LARGEST = 2**53
"""Bytes; nothing has more."""

_LEVEL = 9
"""Of the compression of the index's file."""

_LARGEST_INDEX = 2**26
"""Uncompressed bytes of the index's file; 400 bundles have 1.8 MB."""

_PREFIX = 16
"""Hexadecimal digits of a digest that tell the layers of a page apart."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer."""

    digest: str
    kind: str
    name: str
    version: str
    size: int
    compressed: int = 0
    """0 if nothing tells."""

    @property
    def moved(self) -> int:
        """Bytes that a machine without it receives, as far as they are known."""
        return self.compressed or self.size


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One bundle in the index."""

    version: str
    platform: str
    mark: str = ""
    """Changes with the bundle; empty where each page is written anew."""
    python: PythonRecord
    size: int
    compressed: int
    """0 if nothing tells."""
    packages: int
    from_source: int
    left_out: int
    floor: Mapping[str, str]
    evidence: Evidence
    layers: tuple[int, ...]
    """Places in the index's list of layers, in ascending order."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the files about it, by path."""

    @property
    def name(self) -> tuple[str, str]:
        """Version and platform."""
        return self.version, self.platform

    @property
    def title(self) -> str:
        """Version and platform as the scripts of the page name the bundle."""
        return f"{self.version}/{self.platform}"


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """What one bundle has in common with others."""

    summary: Summary
    shared: int
    """Bytes of its layers that others have as well."""
    nearest: Summary | None
    """The other bundle from which the fewest bytes are missing."""
    missing: int
    """These bytes."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """All bundles of a page."""

    revision: str = ""
    layers: tuple[Layer, ...] = ()
    bundles: tuple[Summary, ...] = ()
    """Sorted by version and platform."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the files about all bundles together, by path."""

    def all_files(self) -> dict[str, str]:
        """Return the SHA-256 of all files of the page but the index's own, by path."""
        found = dict(self.files)
        for one in self.bundles:
            found |= one.files
        return found

    def holders(self) -> dict[int, list[Summary]]:
        """Return the bundles that have each layer, by its place, for layers of several bundles."""
        found: dict[int, list[Summary]] = defaultdict(list)
        for one in self.bundles:
            for layer in one.layers:
                found[layer].append(one)
        return {place: bundles for place, bundles in sorted(found.items()) if len(bundles) > 1}

    def sharing(self) -> list[Sharing]:
        """Return what each bundle shares."""
        counts = Counter(layer for one in self.bundles for layer in one.layers)
        sizes = [layer.moved for layer in self.layers]
        held = [frozenset(one.layers) for one in self.bundles]
        found = []
        for place, one in enumerate(self.bundles):
            own = sum(sizes[layer] for layer in one.layers)
            common = {
                other: sum(sizes[layer] for layer in held[place] & held[other])
                for other in range(len(self.bundles))
                if len(self.bundles) <= _MOST_COMPARED and other != place
            }
            best = max(common, key=lambda other: (common[other], -other), default=None)
            near = best if best is not None and common[best] else None
            found.append(
                Sharing(
                    summary=one,
                    shared=sum(self.layers[layer].size for layer in one.layers if counts[layer] > 1),
                    nearest=None if near is None else self.bundles[near],
                    missing=own if near is None else own - common[near],
                )
            )
        return found

    def to_search(self) -> str:
        """Return the script that says which bundles have which packages."""
        found: dict[str, dict[int, None]] = defaultdict(dict)
        for place, one in enumerate(self.bundles):
            for layer in (self.layers[number] for number in one.layers):
                if layer.kind == "wheel":
                    found[f"{layer.name} {layer.version}".lower()][place] = None
        packages = [[name, *places] for name, places in sorted(found.items())]
        return script("search", {"bundles": [one.title for one in self.bundles], "packages": packages})

    def to_sharing(self) -> str:
        """Return the script that says which bundles have which layers, for layers of several bundles."""
        places = {one.name: place for place, one in enumerate(self.bundles)}
        layers = {
            self.layers[layer].digest[:_PREFIX]: [places[one.name] for one in holders]
            for layer, holders in self.holders().items()
        }
        return script("sharing", {"bundles": [one.title for one in self.bundles], "layers": layers})

    def to_bytes(self) -> bytes:
        """Return the content of the index's file."""
        return zstandard.compress(json.dumps(to_json(self), sort_keys=True, separators=(",", ":")).encode(), _LEVEL)

    @classmethod
    def from_bytes(cls, content: bytes) -> Index:
        """Read such a file.

        Raises:
            ValueError: it is none.
        """
        try:
            with zstandard.ZstdDecompressor().stream_reader(content) as reader:
                text = reader.read(_LARGEST_INDEX + 1)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        if len(text) > _LARGEST_INDEX:
            raise ValueError("too large")
        index = from_json(cls, json.loads(text))
        places = range(len(index.layers))
        if not all(layer in places for one in index.bundles for layer in one.layers):
            raise ValueError("a bundle has a layer that the index does not have")
        sizes = [size for one in index.layers for size in (one.size, one.compressed)]
        sizes += [size for one in index.bundles for size in (one.size, one.compressed)]
        if any(size != _bounded(size) for size in sizes):
            raise ValueError("a size that nothing has")
        return index


@dataclass(kw_only=True)
class IndexMaker:
    """An index that grows by one bundle after the other."""

    revision: str
    _layers: dict[str, Layer] = field(default_factory=dict)
    _bundles: dict[tuple[str, str], tuple[Summary, list[str]]] = field(default_factory=dict)

    def add(self, described: Described, files: Mapping[str, bytes], mark: str = "") -> None:
        """Add a bundle.

        Args:
            files: those about it, by path.
        """
        entry = described.entry
        groups = entry.groups.values()
        layers = [
            Layer(
                digest=one.digest,
                kind=one.kind,
                name=one.name,
                version=one.version,
                size=_bounded(one.size),
                compressed=_bounded(described.compressed.get(one.digest, 0)),
            )
            for one in entry.layers
        ]
        summary = Summary(
            version=entry.version,
            platform=entry.platform,
            mark=mark,
            python=entry.python,
            size=_bounded(entry.size),
            compressed=sum(layer.compressed for layer in {layer.digest: layer for layer in layers}.values()),
            packages=entry.package_count,
            from_source=sum(one.decision == "source" for group in groups for one in group.packages),
            left_out=sum(len(group.skipped) for group in groups),
            floor=entry.floor,
            evidence=entry.evidence,
            layers=(),
            files=digests(files),
        )
        self._take(summary, layers)

    def keep(self, earlier: Index, summary: Summary) -> None:
        """Add a bundle as an earlier index has it."""
        self._take(summary, [earlier.layers[place] for place in summary.layers])

    def _take(self, summary: Summary, layers: Iterable[Layer]) -> None:
        own = {layer.digest: layer for layer in layers}
        for digest, layer in own.items():
            known = self._layers.get(digest)
            # The same layer may be told of in several ways; which way is taken depends on no order.
            if known is None or (layer.compressed, *astuple(layer)) > (known.compressed, *astuple(known)):
                self._layers[digest] = layer
        self._bundles[summary.name] = summary, list(own)

    def made(self) -> Index:
        """Return the index of all that was added, whatever the order."""
        used = {digest for _, digests in self._bundles.values() for digest in digests}
        layers = sorted((self._layers[digest] for digest in used), key=lambda one: (one.name, one.version, one.digest))
        places = {layer.digest: place for place, layer in enumerate(layers)}
        bundles = [
            replace(summary, layers=tuple(sorted(places[digest] for digest in digests)))
            for summary, digests in self._bundles.values()
        ]
        ordered = sorted(bundles, key=lambda one: (natural_order(one.version), one.version, one.platform))
        return Index(revision=self.revision, layers=tuple(layers), bundles=tuple(ordered))


def _bounded(size: int) -> int:
    return min(max(size, 0), _LARGEST)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of some files, by path."""
    return {path: sha256(content).hexdigest() for path, content in files.items()}


def script(name: str, value: Any) -> str:
    """Return a script that gives data to the page; pages opened as files can load scripts, but no other data.

    The data is a text for `JSON.parse`, so that no key of it has a meaning for the language.
    """
    data = json.dumps(value, separators=(",", ":"))
    return f"bundlePage.take('{name}', '{_escaped(data)}');\n"


def _escaped(data: str) -> str:
    """Return JSON as it stands within a literal of JavaScript, which must not end the element of the script."""
    return data.replace("<", r"\u003c").replace("'", r"\u0027").replace("\\", r"\\")
