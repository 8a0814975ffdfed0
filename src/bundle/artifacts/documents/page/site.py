"""The files of a page about bundles: a static site that needs no server, made of what is known of the bundles."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bundle.artifacts.described import Described
from bundle.artifacts.difference import Side
from bundle.artifacts.documents.page.chart import rows_of, tiles_of
from bundle.artifacts.documents.page.index import Index, digests, script
from bundle.artifacts.documents.page.treemap import Rectangle
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.text import counted, printable
from bundle.model.config.project import parse_version
from bundle.model.platforms import PLATFORMS
from bundle.model.records import to_json

if TYPE_CHECKING:
    from jinja2 import Environment

START = "index.html"
"""The first page."""

FOLDER = "page"
"""The folder of all other files."""

INDEX = f"{FOLDER}/index.json.zst"
"""What publishers go on from; it has the SHA-256 of all other files."""

GENERATOR = b'<meta name="generator" content="bundle">'
"""What tells that a start page was made here."""

_REVISION = 2
"""Of the code that fills the templates; raise it when the same bundle gets another page. Templates need none."""

_ASSETS = ("page.css", "page.js", "difference.js")

_BUNDLE_FILE = re.compile(rf"{FOLDER}/([^/]+)/([^/]+)\.(html|js)")

_PLATFORM = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")

_WIDE, _NARROW = Rectangle(0, 0, 1000, 440), Rectangle(0, 0, 380, 620)
"""The treemap on a screen, and on a phone."""

_MOST_SHARED = 200
"""Shared layers that are listed."""

_LONGEST = 2000
"""Signs of one text that are shown."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the page stands."""

    address: str = ""
    """What `bundle install --from` takes; empty if readers have another name for it than the publisher."""
    published: bool = False
    """Whether the page stands beside what was published, so that its own address is that of the remote."""


class Site:
    """The pages about some bundles."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @cached_property
    def revision(self) -> str:
        """What changes where the same bundle gets another page."""
        digest = sha256(f"{_REVISION} {self._place}".encode())
        for file in sorted(_templates().iterdir(), key=lambda one: one.name):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()

    @staticmethod
    def paths(version: str, platform: str) -> tuple[str, str]:
        """Return the paths of the files about one bundle."""
        path = path_of(version, platform)
        return f"{path}.html", f"{path}.js"

    def of_bundle(self, described: Described) -> dict[str, bytes]:
        """Return the files about one bundle, by path.

        Raises:
            IntegrityError: version or platform cannot be part of a path.
        """
        entry = described.entry
        page, data = self.paths(entry.version, entry.platform)
        rows = rows_of(described)
        side = to_json(_told(Side.of(described, f"{entry.version} ({entry.platform})")))
        content = self._render(
            "bundle.html",
            up="../../",
            described=described,
            entry=entry,
            groups=entry.groups,
            built={
                (name, one.name): one
                for name, member in (described.manifest.members if described.manifest else {}).items()
                for one in member.packages
            },
            rows=rows,
            maps=(("wide", _WIDE, tiles_of(rows, _WIDE)), ("narrow", _NARROW, tiles_of(rows, _NARROW))),
            licences=_by_licence(described.licences),
        )
        return {page: content, data: script(f"{entry.version}/{entry.platform}", side).encode()}

    def of_all(self, index: Index) -> dict[str, bytes]:
        """Return the files about all bundles together, by path, the start page last."""
        keys = list(dict.fromkeys([*PLATFORMS, *(one.platform for one in index.bundles)]))
        found = {one.name: one for one in index.bundles}
        versions = list(dict.fromkeys(one.version for one in index.bundles))
        for one in index.bundles:
            path_of(*one.name)
        holders = index.holders()
        shared = sorted(holders, key=lambda place: (-index.layers[place].size * (len(holders[place]) - 1), place))
        pages = {
            f"{FOLDER}/shared.html": self._render(
                "shared.html",
                up="../",
                sharing=index.sharing(),
                shared=[(index.layers[place], holders[place]) for place in shared[:_MOST_SHARED]],
                more=max(len(shared) - _MOST_SHARED, 0),
                distinct=sum(layer.size for layer in index.layers),
                whole=sum(one.size for one in index.bundles),
            ),
            f"{FOLDER}/difference.html": self._render("difference.html", up="../", bundles=index.bundles),
            **{f"{FOLDER}/{name}": (_templates() / name).read_bytes() for name in _ASSETS},
            f"{FOLDER}/search.js": index.to_search().encode(),
            f"{FOLDER}/sharing.js": index.to_sharing().encode(),
        }
        start = self._render(
            START,
            up="",
            bundles=index.bundles,
            platforms=[key for key in keys if any(one.platform == key for one in index.bundles)],
            table={version: {key: found.get((version, key)) for key in keys} for version in versions},
        )
        record = replace(index, files=digests({**pages, START: start}))
        return {**pages, INDEX: record.to_bytes(), START: start}

    def _render(self, template: str, **values: Any) -> bytes:
        text = self._environment.get_template(template).render(place=self._place, **values)
        return text.encode()

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from rich.filesize import decimal

        environment = Environment(
            loader=PackageLoader(__package__),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_shown,
        )
        environment.filters |= {
            "bytes": lambda size: decimal(min(max(size, 0), 2**60)),
            "counted": counted,
            "shell": shlex.quote,
            "quoted": lambda path: quote(path.encode(errors="surrogatepass")),
        }
        environment.globals |= {"href": lambda one: quote(path_of(one.version, one.platform))}
        return environment


def path_of(version: str, platform: str) -> str:
    """Return the path of a bundle's files without their suffix.

    Raises:
        IntegrityError: version or platform cannot be part of a path.
    """
    try:
        parse_version(version)
        fits = len(platform) <= 64 and _PLATFORM.fullmatch(platform)
    except ConfigError:
        fits = None
    if not fits:
        raise IntegrityError(
            f"The catalogue has a bundle with the name {version!r:.80} for {platform!r:.80}.",
            cause="It was edited, or another program wrote it.",
            remedy="Remove that bundle from it.",
        )
    return f"{FOLDER}/{version}/{platform}"


def bundle_of(path: str) -> tuple[str, str] | None:
    """Return version and platform of the bundle that a file of a page is about; None for all other files."""
    match = _BUNDLE_FILE.fullmatch(PurePosixPath(path).as_posix())
    try:
        return (match[1], match[2]) if match and path_of(match[1], match[2]) else None
    except IntegrityError:
        return None


def _told(side: Side) -> dict[str, Any]:
    """Return what the differences of a page are computed from."""
    return {name: value for name, value in vars(side).items() if name not in ("kind", "sets")}


def _by_licence(licences: Mapping[str, Iterable[str]] | None) -> dict[str, list[str]]:
    """Return the components of each licence; under the empty name those that state none."""
    found: dict[str, list[str]] = {}
    for component, names in (licences or {}).items():
        for name in names or ("",):
            found.setdefault(name, []).append(component)
    return dict(sorted(found.items(), key=lambda item: (not item[0], -len(item[1]), item[0])))


def _shown(value: Any) -> Any:
    """Return a value of the catalogue as people see it: no sign that deceives, and not without end."""
    if type(value) is not str:
        return value
    text = printable(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _templates() -> Any:
    return resources.files(__package__) / "templates"
