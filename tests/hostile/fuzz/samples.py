"""Valid samples of everything that is read from elsewhere."""

from __future__ import annotations

import io
import json
import tarfile
import tomllib
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zstandard

from bundle.artifacts.archives.bundle_archive import pack
from bundle.artifacts.catalogue import Catalogue
from bundle.artifacts.remotes.published import PublishedCatalogue, PublishedEntry
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import Entry, tar_entries
from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter
from bundle.model.locks.pylock import dump_lock
from bundle.model.manifest import Manifest, PythonRecord, SkippedRecord
from bundle.model.records import to_json
from tests.artifacts.bundles import bundle
from tests.artifacts.documents.page.made import described, index_of
from tests.artifacts.remotes.made import document
from tests.artifacts.wheelmaker import make_wheel
from tests.base.nativemaker import elf, macho, pe, universal
from tests.hostile.locks import LOCK

WHEEL_NAMES = (
    "demo-1.0-py3-none-any.whl",
    "demo-1.0-2build-cp312-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "demo-1.0+local.1-cp312-cp312-win_amd64.whl",
    "demo-1!2.0rc1.post2.dev3-py2.py3-none-macosx_11_0_universal2.whl",
    "demo-1.0.tar.gz",
    "demo-1.0.zip",
)

HTML = (
    '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"><base href="../../"></head><body>'
    f'<a href="demo-1.0-py3-none-any.whl#sha256={"a" * 64}" data-requires-python="&gt;=3.8" data-yanked="why">demo</a>'
    f"<!-- no --><a rel=internal data-core-metadata='sha256={'b' * 64}' href=demo-1.0.tar.gz>x</a></body></html>"
)

JSON_PAGE: dict[str, Any] = {
    "meta": {"api-version": "1.1"},
    "name": "demo",
    "versions": ["1.0"],
    "files": [
        {
            "filename": "demo-1.0-py3-none-any.whl",
            "url": "https://files.example/demo-1.0-py3-none-any.whl",
            "hashes": {"sha256": "a" * 64},
            "requires-python": ">=3.8",
            "size": 1000,
            "yanked": False,
            "core-metadata": {"sha256": "b" * 64},
        },
        {"filename": "demo-2.0.tar.gz", "url": "../demo-2.0.tar.gz", "hashes": {}, "yanked": "broken"},
    ],
}

METADATA = (
    "Metadata-Version: 2.2\nName: demo\nVersion: 1.0\nSummary: A demo\nLicense-Expression: MIT\n"
    "Classifier: License :: OSI Approved :: MIT License\nRequires-Python: >=3.8,<4\n"
    'Requires-Dist: numpy[extra]>=1.0,!=1.5,<2; python_version >= "3.8" and '
    "sys_platform == 'linux' or extra == 'more'\n"
    "Requires-Dist: other @ https://files.example/other-1.0.zip\nRequires-Dist: old (>=1.0,)\nProvides-Extra: more\n"
    "Dynamic: Description\n\nThe description.\n"
)

WHEEL = "Wheel-Version: 1.0\nGenerator: demo\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

ENTRY_POINTS = "[console_scripts]\ndemo = demo.cli:main\nold = demo:f.g [more]\n[gui_scripts]\nwin = demo:gui\n"

SCRIPT = (
    '#!python -s\n# -*- coding: utf-8 -*-\n"""A script."""\nfrom __future__ import annotations\nimport sys\nprint(1)\n'
)

PYPROJECT = (
    '[build-system]\nrequires = ["setuptools>=61", "wheel; python_version < \'4\'"]\n'
    'build-backend = "setuptools.build_meta"\nbackend-path = ["."]\n[project]\nname = "demo"\nversion = "1.0"\n'
    'dependencies = ["numpy>=1"]\nrequires-python = ">=3.8"\ndynamic = ["description"]\n'
    '[project.optional-dependencies]\nmore = ["other"]\n'
)

REQUIREMENTS = """\
# a comment
-i https://${TOKEN}@index.example/simple
--extra-index-url https://other.example/simple
Flask[async]>=2,<4 ; python_version < "3.13"  # why
demo @ https://files.example/demo-1.0.tar.gz
git+https://git.example/x@v1#egg=x&subdirectory=python
numpy==2.0 \\
    --hash=sha256:%s
-c requirements.txt
--only-binary=a,b
""" % ("a" * 64)

TAKEN_LOCK = """\
lock-version = "1.0"
created-by = "other"

[[packages]]
name = "demo"
version = "1.0"
index = "https://index.example/simple"
marker = "sys_platform == 'linux' or 'gui' in extras"

[[packages.wheels]]
name = "demo-1.0-py3-none-any.whl"
url = "https://files.example/demo-1.0-py3-none-any.whl"
size = 7
hashes = {sha256 = "%s"}

[[packages]]
name = "own"
directory = {path = "../own"}

[[packages]]
name = "two"
vcs = {type = "git", url = "https://git.example/two", commit-id = "%s"}
""" % ("a" * 64, "b" * 40)  # noqa: UP031 - braces stand in it

VENDORED_LOCK = """\
lock-version = "1.0"
environments = ["sys_platform == 'linux' and python_version == '3.12'"]
requires-python = ">=3.12"
created-by = "bundle"

[[packages]]
name = "demo"
version = "1.0"
marker = "python_version == '3.12'"

[[packages.wheels]]
name = "demo-1.0-py3-none-any.whl"
path = "demo-1.0-py3-none-any.whl"
size = 7

[packages.wheels.hashes]
sha256 = "%s"

[tool.bundle]
vendored = 1
platform = "linux-x64"
pythons = ["3.12"]
requirements = ["demo"]
""" % ("a" * 64)

CARRYING_PACKAGE: dict[str, Any] = {
    "name": "demo",
    "version": "1.0.0",
    "requirements": {"minPythonVersion": "3.12", "pipPackages": ["requests[socks]>=2; python_version > '3'", "numpy"]},
}

LOCKS: tuple[dict[str, Any], ...] = (tomllib.loads(dump_lock(LOCK)),)

SHARED: dict[str, Any] = {
    "registries": {
        "default": "https://index.example/simple",
        "additional": ["https://more.example/simple", {"url": "https://${TOKEN}@own.example/s", "packages": ["own-*"]}],
    },
    "interpreter": {
        "sources": ["python-build-standalone", "host", "archive"],
        "mirror": "https://mirror.example",
        "archives": {"linux-x64": {"path": "python.tar.gz", "sha256": "a" * 64}},
        "substitute": "patch",
    },
    "packages": {
        "dependencies": ["numpy==2.2.6", "other[x]>=1; sys_platform == 'linux'", "git @ git+https://code.example/x@v1"],
        "overrides": {"numpy": "2.2.6"},
        "skip": {"torch": {"macosx-x64": "no wheel there"}},
        "forceSource": {"demo": {"linux-x64": "faster"}},
        "buildWheel": {
            "zlib-ng": {
                "linux-x64": {
                    "reason": "none",
                    "buildRequires": ["cmake"],
                    "configSettings": {"cmake.args": ["-DX={packageRoot}"]},
                }
            }
        },
        "noDeps": ["demo"],
        "wheels": ["wheels/*.whl"],
        "resolution": {"allowSourceAll": False, "strictMissing": True, "allowSourceList": ["demo"]},
        "copyFiles": [{"from": "own", "to": "bin"}, {"from": "own/tool", "to": "{site-packages}/own/"}],
        "platformSpecific": {"windows-x64": {"dependencies": ["pywin32"], "overrides": {"numpy": "2.0"}}},
    },
    "build": {
        "enableLogging": True,
        "parallelDownloads": 4,
        "timeout": 60,
        "layout": "both",
        "archives": {"linux-x64": ["tar.zst", "tar.gz"]},
        "bytecode": True,
        "glibc": "2.28",
        "macos": "13.0",
    },
    "verify": {"accept": [{"rule": "record-differs", "file": "lib/**", "reason": "known"}]},
}

VERSION: dict[str, Any] = {
    "platforms": ["linux-x64", "windows-x64"],
    "packages": {"dependencies": ["numpy"], "skip": {"torch": None}},
}

CATALOGUE: dict[str, Any] = Catalogue(entries=(bundle(), bundle("3.9.1"))).to_json()

PAGE_INDEX: dict[str, Any] = to_json(index_of([described(), described("3.12.10", "windows-x64")]))

PUBLISHED: dict[str, Any] = PublishedCatalogue().with_entries([PublishedEntry.of(document())]).to_json()

DOCUMENT: dict[str, Any] = json.loads(document().to_bytes())

MANIFEST: dict[str, Any] = Manifest(
    version="3.12.10",
    platform="linux-x64",
    python=PythonRecord(requested="3.12.10", actual="3.12.10", source="host"),
    layers=bundle().layers,
    skipped=(SkippedRecord(name="torch", reason="no wheel", required_by=("",)),),
    copied=("bin/tool",),
    conflicts=bundle().conflicts,
    floor={"glibc": "2.28"},
    floor_asked={"glibc": "2.28"},
).as_json()

SBOM: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "components": [
        {"name": "numpy", "licenses": [{"license": {"id": "BSD-3-Clause"}}, {"license": {"name": "own"}}]},
        {"name": "six", "licenses": [{"expression": "MIT OR Apache-2.0"}]},
    ],
}

SYSCONFIG = (
    "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {'AR': 'ar',\n"
    " 'CC': '/usr/bin/gcc -pthread',\n 'CFLAGS': '-O2 -I/tools/deps/include -isysroot /x',\n"
    " 'CONFIG_ARGS': \"'--prefix=/install' '--enable-shared' 'CC=gcc'\",\n 'HAVE_X': 1,\n"
    " 'INSTALL': '/usr/bin/install -c',\n"
    " 'LIBDIR': '/install/lib',\n 'abs_builddir': '/build/Python-3.12.10',\n 'exec_prefix': '/install',\n"
    " 'prefix': '/install'}\n"
)

PKGCONFIG = "prefix=/install\nlibdir=${prefix}/lib\n\nName: Python\nCflags: -I/install/include/python3.12 -L/build/x\n"

PATCHLEVEL = '#define PY_MAJOR_VERSION 3\n#define PY_VERSION      \t"3.12.10"\n'

NATIVES = (
    elf(needed=["libc.so.6"], name="libx.so", rpath="$ORIGIN", versions={"libc.so.6": ["GLIBC_2.17"]}, defines=["X_1"]),
    elf(interpreter="/lib64/ld-linux-x86-64.so.2", needed=["libm.so.6"], runpath="/opt/lib:$ORIGIN/../lib"),
    macho(needed=["@rpath/libx.dylib", "/usr/lib/libSystem.B.dylib"], minimum="12.0", name="@rpath/x"),
    universal({"x86_64": macho(machine="x86_64"), "arm64": macho(machine="arm64")}),
    pe(needed=["KERNEL32.dll", "python312.dll"], program=True),
)


def interpreter() -> dict[str, bytes]:
    """Return the files of an interpreter that is just complete enough."""
    return {
        "python/bin/python3.12": NATIVES[1],
        "python/include/python3.12/patchlevel.h": PATCHLEVEL.encode(),
        "python/lib/pkgconfig/python3.pc": PKGCONFIG.encode(),
        "python/lib/python3.12/_sysconfigdata__linux_.py": SYSCONFIG.encode(),
        "python/lib/python3.12/ensurepip/_bundled/pip-25.0-py3-none-any.whl": _wheel("pip", "25.0"),
        "python/lib/python3.12/os.py": b"",
        "python/lib/python3.12/sysconfig.py": b"",
    }


def _wheel(name: str, version: str) -> bytes:
    with TemporaryDirectory() as folder:
        entry_points = {"entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n{name}3 = {name}:main\n"}
        return make_wheel(
            Path(folder), name, version, files={f"{name}/__init__.py": "x = 1\n"}, dist_info=entry_points
        ).read_bytes()


def tar_of(files: dict[str, bytes], *, pax: bool = True) -> bytes:
    """Return a tar of files, with a link, a hard link and a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
        for kind, name, target in ((tarfile.SYMTYPE, "link", "a"), (tarfile.LNKTYPE, "hard", next(iter(files)))):
            info = tarfile.TarInfo(f"python/{name}")
            info.type, info.linkname = kind, target
            archive.addfile(info)
        info = tarfile.TarInfo("python/" + "long" * 40 + "ü")
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    return stream.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    """Return a zip of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


SMALL = {"python/a": b"text\n" * 30, "python/b/c": b"\0" * 600}

TARS = (tar_of(SMALL), tar_of(SMALL, pax=False))

ZIPS = (zip_of(SMALL), zip_of({"python/ü/x": b"1"}))

COMPRESSED = (*map(zstandard.ZstdCompressor(write_checksum=True).compress, TARS), *ZIPS)


def bundle_archive() -> bytes:
    """Return an archive with an index."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store", reporter=Reporter())
        (folder / "tree").mkdir()
        (folder / "tree" / "file").write_text("text")
        layer = store.add("wheel", {"x": 1}, folder / "tree", name="demo", version="1.0", about={})
        return pack(store, [layer], folder / "x.tar.zst", Compression(format="tar.zst")).path.read_bytes()


def layer_stream(*entries: Entry) -> bytes:
    """Return the tar stream of a layer whose files are empty, or full of blanks."""
    parts = tar_entries(entries, epoch=315532800)
    return b"".join(part.header + b" " * part.content + bytes(-part.content % 512) for part in parts)


LAYER_STREAMS = [
    layer_stream(
        Entry("bin", "folder", False, 0, None, None),
        Entry("bin/demo", "file", True, 5, None, None),
        Entry("bin/link", "symlink", False, 0, None, "demo"),
    ),
    layer_stream(Entry("Grüße", "file", False, 700, None, None), Entry("l" * 120, "symlink", False, 0, None, "ä")),
]


def json_copy(value: Any) -> Any:
    """Return a copy of a JSON value."""
    return json.loads(json.dumps(value))
