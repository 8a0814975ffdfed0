"""Every reader of what comes from elsewhere, with its inputs."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tomli_w
import zstandard
from hypothesis import strategies as st
from packaging.version import Version

from bundle.artifacts.archives.bundle_archive import read_index
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.described import Described
from bundle.artifacts.documents.licences import licences_in
from bundle.artifacts.documents.page.index import Index, IndexMaker
from bundle.artifacts.documents.page.site import Place, Site
from bundle.artifacts.interpreters.archive_layouts import make, unpack
from bundle.artifacts.interpreters.source import Request, Tools
from bundle.artifacts.registries.default_index import default_index
from bundle.artifacts.registries.metadata_file import metadata_in
from bundle.artifacts.registries.registries import Registries
from bundle.artifacts.registries.simple_api import RemoteFile, parse_page
from bundle.artifacts.remotes.published import BundleDocument, PublishedCatalogue
from bundle.artifacts.store.frames import Frame, read_frames
from bundle.artifacts.store.store import Store
from bundle.artifacts.store.trees import read_listing
from bundle.artifacts.trust.client import trusted_catalogue
from bundle.artifacts.trust.named import named_by_metadata
from bundle.artifacts.trust.state import read_state
from bundle.artifacts.vendored.lock import lock_name
from bundle.artifacts.vendored.lock import read_lock as read_vendored_lock
from bundle.artifacts.vendored.package import PACKAGE_FILE, read_package
from bundle.artifacts.wheel.lay_out import lay_out
from bundle.base.errors import Problems
from bundle.base.extract import extract
from bundle.base.filenames import file_obstacle
from bundle.base.http.client import Answer, Conditional, Downloader
from bundle.base.http.responses import raise_for
from bundle.base.http.retry import TransientError
from bundle.base.http.transfer import length, range_start, range_total
from bundle.base.http.urls import redact
from bundle.base.native.formats import machines_in
from bundle.base.native.read import read_native
from bundle.base.report import Reporter
from bundle.make.build_state import read_record
from bundle.make.check import check_versions
from bundle.make.inputs.inputs import read_inputs
from bundle.make.inputs.loose_project import LooseProject
from bundle.make.inputs.pyproject import Parts
from bundle.make.resolve.policy import Policy, releases_of, wheel_platforms
from bundle.make.resolve.policy import Target as Asked
from bundle.make.resolve.requirements import Rewriter
from bundle.make.sources.sdist import static_metadata, static_requires
from bundle.make.verify.checks.policy import policy_for
from bundle.model import revisions
from bundle.model.config.config import Interpreter, PlatformPackages
from bundle.model.config.config import Registries as Configured
from bundle.model.config.project import Project
from bundle.model.locks.pylock import dump_lock, parse_lock
from bundle.model.manifest import MANIFEST, LayerRecord, read_manifest
from bundle.model.platforms import PLATFORMS, Floors
from bundle.model.wheeltags import tags_of
from tests.artifacts.wheelmaker import make_wheel
from tests.hostile.fuzz import samples, using
from tests.hostile.fuzz.harness import Target
from tests.hostile.fuzz.mutations import (
    as_json,
    changed_bytes,
    changed_json,
    changed_lines,
    changed_text,
    changed_value,
    without_null,
)
from tests.hostile.fuzz.signed import SAMPLES as signed_samples  # noqa: N811 - reads like a function's argument
from tests.hostile.fuzz.signed import signed_remote
from tests.hostile.locks import sealed
from tests.make.audited import good

PYTHON = "3.12.10"
LINUX = PLATFORMS["linux-x64"]
URL = "https://index.example/simple/demo/"
DIGEST = "a" * 64


def requirements(content: bytes, folder: Path) -> None:
    """Read a requirements file, and the configuration that it becomes."""
    (folder / "requirements.txt").write_bytes(content)
    inputs = read_inputs([folder / "requirements.txt"], [], Parts())
    LooseProject(inputs, version=PYTHON, output=folder).load(PYTHON, {"TOKEN": "x"})


def taken_lock(content: bytes, folder: Path) -> None:
    """Read a lock of another tool."""
    (folder / "pylock.toml").write_bytes(content)
    with patch("bundle.make.inputs.taken_lock.built_in_index", return_value=URL):
        inputs = read_inputs([folder / "pylock.toml"], [], Parts(extras=("gui",)))
    LooseProject(inputs, version=PYTHON, output=folder).load(PYTHON, {})


def vendored_lock(content: bytes, folder: Path) -> None:
    """Read a lock beside wheels."""
    (folder / lock_name("linux-x64")).write_bytes(content)
    file = read_vendored_lock(folder, "linux-x64")
    assert file is not None
    file.wheels()
    file.as_value(Floors())


def carrying_package(content: bytes, folder: Path) -> None:
    """Read a package that carries wheels."""
    (folder / PACKAGE_FILE).write_bytes(content)
    read_package(folder, Problems())


def decide(files: tuple[RemoteFile, ...]) -> None:
    """Choose among the files of a page, for each platform."""
    for key in ("linux-x64", "macosx-aarch64", "windows-x64"):
        asked = Asked(PLATFORMS[key], PYTHON, Floors())
        for release in releases_of("demo", files).values():
            Policy(PlatformPackages(), asked).decide(release)
            wheel_platforms(release.wheels)


def names(name: str, folder: Path) -> None:
    """Read a file name."""
    tags_of(name)
    if file_obstacle(name) is None:
        decide((RemoteFile(name, URL + name, requires_python=name),))
        (folder / name).write_bytes(b"PK\5\6" + bytes(18))
        lay_out(folder / name, folder / "tree", platform=LINUX, python=PYTHON)


def page(content_type: str, content: bytes) -> None:
    """Read a page, and choose among its files."""
    decide(parse_page(content, content_type=content_type, url=URL))


def metadata(content: bytes, folder: Path) -> None:
    """Read the METADATA of a wheel, and the PKG-INFO of a source."""
    rewriter = Rewriter(PlatformPackages(), LINUX.marker_environment(PYTHON))
    for one in rewriter.metadata("demo", Version("1.0"), content).requested_by:
        rewriter.applies(one.requirement.marker, ("more",))
    (folder / "PKG-INFO").write_bytes(content)
    static_metadata(folder)


def pyproject(content: bytes, folder: Path) -> None:
    """Read the pyproject.toml of a source."""
    (folder / "pyproject.toml").write_bytes(content)
    static_metadata(folder)
    static_requires(folder)


@st.composite
def wheels(draw: st.DrawFn) -> dict[str, bytes]:
    """Draw files of a wheel of which one is changed."""
    changed = {
        "METADATA": changed_lines([samples.METADATA]),
        "WHEEL": changed_lines([samples.WHEEL]),
        "entry_points.txt": changed_lines([samples.ENTRY_POINTS]),
        "RECORD": changed_lines(["demo.py,sha256=AAAA,2\ndemo-1.0.dist-info/RECORD,,\n"]),
        "script": changed_lines([samples.SCRIPT]),
        "name": changed_text(["demo/x.py", "demo-1.0.dist-info/x", "demo-1.0.data/purelib/x"]).map(
            lambda text: text.encode("utf-8", "surrogatepass")
        ),
        "raw": changed_bytes([b"raw"]),
    }
    which = draw(st.sampled_from(list(changed)))
    return {which: draw(changed[which])}


def wheel(changed: Mapping[str, bytes], folder: Path) -> None:
    """Lay a wheel out, and read its metadata from afar."""
    dist_info: dict[str, bytes | str] = {"METADATA": samples.METADATA, "entry_points.txt": samples.ENTRY_POINTS}
    dist_info |= {name: content for name, content in changed.items() if name not in ("script", "name", "raw")}
    files: dict[str, bytes | str] = {"demo.py": "x\n", "{data}/scripts/tool": changed.get("script", samples.SCRIPT)}
    if "name" in changed:
        files[changed["name"][:9000].decode("utf-8", "replace").replace("{", "").replace("}", "")] = b"x"
    path = make_wheel(folder, files=files, dist_info=dist_info)
    if "raw" in changed:
        place = int.from_bytes(changed["raw"][:3], "big") % path.stat().st_size
        content = path.read_bytes()
        path.write_bytes(content[:place] + changed["raw"][3:] + content[place + len(changed["raw"][3:]) :])
    with path.open("rb") as file:
        read_and_forget(partial(metadata_in, file, path.name))
    for key in ("linux-x64", "windows-x64"):
        tree = folder / key
        tree.mkdir()
        read_and_forget(partial(lay_out, path, tree, platform=PLATFORMS[key], python=PYTHON))


def read_and_forget(read: Callable[[], object]) -> None:
    """Go on behind an error of ours, which is one possible answer."""
    problems = Problems()
    with problems.collecting():
        read()


def installed(changed: Mapping[str, bytes], folder: Path) -> None:
    """Verify a bundle with a distribution whose records were changed."""
    made = good(folder, "linux-x64")
    for name in ("METADATA", "RECORD", "entry_points.txt", "WHEEL"):
        if name in changed:
            made.write(f"{made.site}/sums-1.0.dist-info/{name}", changed[name])
    if "script" in changed:
        made.write("bin/tool", changed["script"], executable=True)
    if "raw" in changed:
        made.write(f"{made.site}/sums/_sums{made.ending}", changed["raw"])
    made.verify()


def record(rows: list[list[str]], folder: Path) -> None:
    """Verify a bundle with a RECORD of changed cells."""
    text = io.StringIO(newline="")
    csv.writer(text, escapechar="\\").writerows(rows)
    installed({"RECORD": text.getvalue().encode("utf-8", "surrogatepass")}, folder)


RECORD_ROWS = [["sums/__init__.py", "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "0"], ["../x", "md5=x", ""]]


def lock(content: bytes, _: Path) -> None:
    """Read a lock, and write what was read."""
    dump_lock(parse_lock(content, Path("versions/3.12.10/pylock.linux-x64.toml")))


def as_lock(document: Any) -> bytes:
    """Return the file of a lock's document, with the checksum that fits if there is a place for it."""
    document = without_null(document)
    try:
        return sealed(document)
    except (TypeError, KeyError, AttributeError, ValueError):
        return tomli_w.dumps(document if isinstance(document, dict) else {"x": document}).encode("utf-8", "replace")


def config(files: tuple[bytes, bytes], folder: Path) -> None:
    """Check a project."""
    (folder / "versions" / PYTHON / "own").mkdir(parents=True)
    (folder / "own").mkdir()
    (folder / "own" / "tool").write_text("x")
    (folder / "shared-config.json").write_bytes(files[0])
    (folder / "versions" / PYTHON / "config.json").write_bytes(files[1])
    project = Project(folder)
    problems = Problems()
    loaded = project.examine(PYTHON, {"TOKEN": "x"}, problems)
    for key in PLATFORMS if loaded else ():
        assert loaded is not None
        loaded.tree.folded(key)
        loaded.config.packages_for(key)
    check_versions(project, [], {}, releases=lambda *_: ["3.12.10"])


def catalogue(content: bytes, folder: Path) -> None:
    """Read a catalogue, and write it."""
    (folder / "catalogue.json").write_bytes(content)
    for validate in (True, False):
        read_and_forget(partial(Catalogue.load, folder / "catalogue.json", validate=validate))


def published(content: bytes, _: Path) -> None:
    """Read the catalogue of a remote, and the document of a bundle; write them."""
    read_and_forget(lambda: PublishedCatalogue.from_bytes(content, "it").to_bytes())
    read_and_forget(lambda: BundleDocument.from_bytes(content, "it").to_bytes())


def trusted(content: bytes, folder: Path) -> None:
    """Read a signed remote as a client, as a publisher and as a collection."""
    remote, pin = signed_remote(content, folder)
    read_and_forget(partial(trusted_catalogue, remote, pin))
    read_and_forget(partial(read_state, remote, pin))
    read_and_forget(partial(named_by_metadata, remote))


def site(content: bytes, folder: Path) -> None:
    """Make the page about the bundles of a catalogue, and of an index that was published."""
    (folder / "catalogue.json").write_bytes(content)
    made = Site(Place())

    def make() -> None:
        maker = IndexMaker(revision="")
        for entry in Catalogue.load(folder / "catalogue.json", validate=False).entries:
            described = Described.by(entry, {layer.digest: layer.size for layer in entry.layers}, {})
            maker.add(described, made.of_bundle(described))
        made.of_all(maker.made())

    read_and_forget(make)
    with suppress(ValueError, RecursionError):
        index_of = Index.from_bytes(zstandard.compress(content))
        read_and_forget(lambda: made.of_all(index_of))


def index(content: bytes, folder: Path) -> None:
    """Read the index of an archive, and unpack it."""
    path = folder / "x.tar.zst"
    path.write_bytes(content)
    read_and_forget(partial(read_index, path))
    extract(path, folder / "tree")


def arriving(stream: bytes, folder: Path) -> None:
    """Take a changed tar stream as a layer whose digest fits, as an attacker would send it."""
    frame = zstandard.compress(stream)
    record = LayerRecord(digest=sha256(stream).hexdigest(), kind="wheel", name="x", version="1", size=len(stream))
    described = Frame(len(frame), sha256(frame).hexdigest(), len(stream))
    store = Store(folder, reporter=Reporter())
    store.receive(record, io.BytesIO(frame), [described])
    if damage := store.check(full=True):
        raise AssertionError(damage)


def with_index(document: Any) -> bytes:
    """Return an archive with a changed index."""
    text = as_json(document)
    content = text + len(text).to_bytes(4, "little") + b"bundle-index"
    return ARCHIVE[:ARCHIVE_END] + b"\x50\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


ARCHIVE = samples.bundle_archive()
ARCHIVE_INDEX = json.loads(ARCHIVE[ARCHIVE.rindex(b'{"format"') : -16])
ARCHIVE_END = ARCHIVE.rindex(b'{"format"') - 8


def archive(content: bytes, folder: Path) -> None:
    """Unpack an archive."""
    path = folder / "x"
    path.write_bytes(content)
    extract(path, folder / "tree")


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    """Draw a tar with a changed header whose checksum fits, compressed or not."""
    content = draw(st.sampled_from(samples.TARS))
    fields = ((0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155))
    for _ in range(draw(st.integers(1, 3))):
        block = 512 * draw(st.integers(0, len(content) // 512 - 1))
        start, size = draw(st.sampled_from(fields))
        value = draw(st.binary(max_size=4) | changed_bytes([content[block + start : block + start + size]]))
        header = bytearray(content[block : block + 512])
        header[start : start + size] = value[:size].ljust(size, b"\0")
        header[148:156] = b"        "
        header[148:156] = b"%06o\0 " % sum(header)
        content = content[:block] + bytes(header) + content[block + 512 :]
    return zstandard.compress(content) if draw(st.booleans()) else content


def interpreter(changed: tuple[str, bytes], folder: Path) -> None:
    """Make an interpreter of an archive."""
    name, content = changed
    (folder / "python.tar").write_bytes(samples.tar_of({**INTERPRETER, name: content}))
    told = Reporter()
    tools = Tools(
        downloader=Downloader(reporter=told, environ={}),
        files=Store(folder / "store", reporter=told).files,
        reporter=told,
        work=folder,
    )
    request = Request(python=PYTHON, platform=LINUX, config=Interpreter(), machine=None, environ={})
    unpacked = unpack(folder / "python.tar", folder / "unpacked", LINUX, name="python.tar")
    (folder / "tree").mkdir()
    make(unpacked, request, folder / "tree", tools).as_json()


INTERPRETER = samples.interpreter()


@st.composite
def interpreters(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a file of an interpreter with its change."""
    name = draw(st.sampled_from([*INTERPRETER, *[name for name in INTERPRETER if "_sysconfigdata" in name] * 3]))
    content = INTERPRETER[name]
    text = name.endswith((".py", ".pc", ".h"))
    return name, draw(changed_lines([content.decode()]) if text else changed_bytes([content]))


def manifest(content: bytes, folder: Path) -> None:
    """Read the manifest of a bundle, and verify the bundle by it."""
    (folder / MANIFEST).write_bytes(content)
    found = read_manifest(folder)
    found.as_json()
    policy_for(found, None, cache=folder, project=None, environ={}).as_json()


def cached_page(content: Any, folder: Path) -> None:
    """Read a page from a cache with other bytes, or with another value whose checksum fits."""

    def get(url: str, *, accept: str | None = None, cached: Conditional | None = None) -> Answer:
        kind = {"content-type": "text/html", "etag": '"x"'}
        return Answer(
            url=url, status=304 if cached else 200, headers=kind, content=b"" if cached else samples.HTML.encode()
        )

    registries = [Registries(Configured(default=URL), get=get, folder=folder, environ={}) for _ in range(2)]
    registries[0].page("demo")
    for part in ("pages", "urls"):
        for path in (folder / part).rglob("*") if (folder / part).exists() else ():
            if path.is_file():
                key = json.loads(path.read_bytes())["key"]
                if isinstance(content, bytes):
                    path.write_bytes(content)
                else:
                    path.write_bytes(_sealed_json(as_json({"key": key, "value": content})))
    registries[1].page("demo")
    registries[1].remembered(DIGEST)


def layer(document: Any, folder: Path) -> None:
    """Read the records of a layer and of its frames, whose checksums fit."""
    place = folder / DIGEST
    place.mkdir()
    for name, rules in (("layer.json", 1), ("frames.json", revisions.FRAME)):
        value = as_json({"key": [rules, place.name], "value": document})
        (place / name).write_bytes(_sealed_json(value))
    read_listing(place)
    read_frames(place)
    (folder / "x.json").write_bytes(_sealed_json(as_json({"key": [2, "x"], "value": document})))
    read_record(folder / "x.json")


def _sealed_json(text: bytes) -> bytes:
    return b'{"sha256":"%s",' % sha256(text[1:]).hexdigest().encode() + text[1:]


LAYERS: list[Any] = [
    {"epoch": 315532800, "entries": [["a", "file", True, 1, DIGEST, None], ["b", "symlink", False, 0, None, "a"]]},
    [[1, DIGEST, 1], [2, DIGEST, 10]],
    {"inputs": "x", "tree": "y", "archives": {"a.tar.zst": "1 2 3"}, "result": {"catalogued": True, "digest": DIGEST}},
]


def native(content: bytes, folder: Path) -> None:
    """Read a native file."""
    path = folder / "x"
    path.write_bytes(content)
    machines_in(content[:4096])
    read_native(path, "x86_64")


def headers(values: dict[str, str], _: Path) -> None:
    """Read the headers of an answer."""
    range_start(values.get("Content-Range"))
    range_total(values.get("Content-Range"))
    length(values)
    for status in (404, 403, 503):
        with suppress(TransientError):
            read_and_forget(partial(raise_for, values.get("Location", ""), status, values.get("Location", ""), values))


def urls(text: str, _: Path) -> None:
    """Read a URL out of a page."""
    redact(text)
    page("application/json", as_json({**samples.JSON_PAGE, "files": [{**samples.JSON_PAGE["files"][0], "url": text}]}))


def installers(files: tuple[bytes, bytes], folder: Path) -> None:
    """Read the configuration files of pip and uv."""
    (folder / "uv.toml").write_bytes(files[0])
    (folder / "pip.conf").write_bytes(files[1])
    files_of = {"UV_CONFIG_FILE": os.fspath(folder / "uv.toml"), "PIP_CONFIG_FILE": os.fspath(folder / "pip.conf")}
    with patch("bundle.artifacts.registries.default_index.built_in_index", return_value=URL):
        default_index({"HOME": os.fspath(folder), **files_of})


def sbom(content: bytes) -> None:
    """Read the licences in a bill of materials."""
    licences_in(content)


PAGE = {"url": URL, "contentType": "text/html", "content": samples.HTML, "etag": None, "modified": "now"}
UV = '[[index]]\nurl = "https://index.example/simple"\ndefault = true\n'
PIP = "[global]\nindex-url = https://index.example/simple\ntimeout = 60\n"
HEADERS = {
    "Content-Range": "bytes 0-9/10",
    "Content-Length": "10",
    "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT",
    "Location": "https://a.example/x",
}

TARGETS: Mapping[str, Target] = {
    "names": Target(inputs=changed_text(samples.WHEEL_NAMES), feed=names),
    "html": Target(inputs=changed_bytes([samples.HTML.encode()]), feed=lambda content, _: page("text/html", content)),
    "json": Target(inputs=changed_json([samples.JSON_PAGE]), feed=lambda content, _: page("application/json", content)),
    "urls": Target(inputs=changed_text(["https://u:p@files.example/a/demo-1.0.tar.gz?token=x#sha256=1"]), feed=urls),
    "headers": Target(
        inputs=changed_value([HEADERS])
        .filter(lambda value: isinstance(value, dict))
        .map(lambda value: {str(key): str(part) for key, part in value.items()}),
        feed=headers,
    ),
    "metadata": Target(inputs=changed_lines([samples.METADATA]), feed=metadata),
    "requirements": Target(inputs=changed_lines([samples.REQUIREMENTS]), feed=requirements, weight=4),
    "taken-lock": Target(inputs=changed_lines([samples.TAKEN_LOCK]), feed=taken_lock, weight=4),
    "vendored-lock": Target(inputs=changed_lines([samples.VENDORED_LOCK]), feed=vendored_lock, weight=4),
    "package": Target(inputs=changed_json([samples.CARRYING_PACKAGE]), feed=carrying_package),
    "pyproject": Target(inputs=changed_lines([samples.PYPROJECT]), feed=pyproject),
    "wheel": Target(inputs=wheels(), feed=wheel, weight=10),
    "installed": Target(inputs=wheels(), feed=installed, weight=40),
    "record": Target(
        inputs=changed_value([RECORD_ROWS]).map(
            lambda rows: (
                [[str(cell) for cell in row] for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
            )
        ),
        feed=record,
        weight=40,
    ),
    "lock": Target(inputs=changed_value(samples.LOCKS).map(as_lock), feed=lock),
    "lock-text": Target(inputs=changed_bytes([sealed(samples.json_copy(one)) for one in samples.LOCKS]), feed=lock),
    "config": Target(
        inputs=st.tuples(changed_json([samples.SHARED]), changed_json([samples.VERSION])), feed=config, weight=20
    ),
    "catalogue": Target(inputs=changed_json([samples.CATALOGUE]), feed=catalogue, weight=3),
    "site": Target(inputs=changed_json([samples.CATALOGUE, samples.PAGE_INDEX]), feed=site, weight=20),
    "published": Target(inputs=changed_json([samples.PUBLISHED, samples.DOCUMENT]), feed=published, weight=3),
    "trust": Target(inputs=changed_json(signed_samples), feed=trusted, weight=3),
    "index": Target(
        inputs=changed_value([ARCHIVE_INDEX]).map(with_index) | changed_bytes([ARCHIVE]), feed=index, weight=2
    ),
    "tar": Target(inputs=tars() | changed_bytes(samples.TARS), feed=archive, weight=2),
    "compressed": Target(inputs=changed_bytes(samples.COMPRESSED), feed=archive, weight=2),
    "interpreter": Target(inputs=interpreters(), feed=interpreter, weight=20),
    "manifest": Target(inputs=changed_json([samples.MANIFEST]), feed=manifest),
    "sbom": Target(inputs=changed_json([samples.SBOM]), feed=lambda content, _: sbom(content)),
    "cached-page": Target(inputs=changed_value([PAGE]) | changed_json([PAGE]), feed=cached_page),
    "layer": Target(inputs=changed_value(LAYERS), feed=layer),
    "arriving-layer": Target(inputs=changed_bytes(samples.LAYER_STREAMS), feed=arriving, weight=4),
    "native": Target(inputs=changed_bytes(samples.NATIVES), feed=native, weight=2),
    "installers": Target(inputs=st.tuples(changed_lines([UV]), changed_lines([PIP])), feed=installers),
    **using.TARGETS,
}
