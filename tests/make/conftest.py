from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from bundle.artifacts.interpreters.host import Host
from bundle.artifacts.interpreters.source import Offer, Request, Tools
from bundle.artifacts.store.file_cache import FileCache
from bundle.base.http.client import Downloader
from bundle.base.report import Reporter
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.verify import CHECKS, VerificationHost, verify_bundle
from bundle.model.acceptance import Acceptance
from bundle.model.config.config import Interpreter
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import Platform, platform_of, short_version
from tests.make.listed import with_list

_EXTENSION = """
#include <Python.h>
#include <stdlib.h>
static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, NULL}};
PyMODINIT_FUNC PyInit_{name}(void) {{ {before} return PyModule_Create(&definition); }}
"""


@dataclass(frozen=True)
class TinyBundle:
    """A real interpreter with packages that a test puts into it."""

    root: Path
    python: str
    platform: Platform

    @property
    def site(self) -> Path:
        return self.root / self.platform.site_packages(self.python)

    def verify(
        self, work: Path, *checks: str, entries: Iterable[Acceptance] = (), machine: Platform | None = None
    ) -> Report:
        """Run some of the checks."""
        manifest = Manifest(
            version=self.python,
            platform=self.platform.key,
            python=PythonRecord(actual=self.python, source="host"),
        )
        if "files" in checks:
            manifest = with_list(self.root, manifest)
        host = VerificationHost(machine=machine or self.platform, work=work, reporter=Reporter(), jobs=2)
        return verify_bundle(
            self.root,
            manifest,
            Policy(acceptances=tuple(entries)),
            host,
            checks=[check for check in CHECKS if check.name in checks],
        )

    def install(self, name: str, version: str, files: Mapping[str, bytes | str], requires: str = "") -> None:
        """Install a distribution of files, relative to site-packages; those beside it may be executable."""
        folder = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        if requires:
            metadata += f"Requires-Dist: {requires}\n"
        rows = []
        for path, content in {f"{folder}/METADATA": metadata, f"{folder}/INSTALLER": "bundle\n", **files}.items():
            data = content.encode() if isinstance(content, str) else content
            target = Path(os.path.normpath(self.site / path))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            if path.startswith(".."):
                target.chmod(0o755)
            rows.append(f"{path},,{len(data)}")
        (self.site / folder / "RECORD").write_text("".join(f"{row}\n" for row in [*rows, f"{folder}/RECORD,,"]))


@pytest.fixture
def machine() -> Platform:
    known = platform_of(platform.system(), platform.machine())
    assert known is not None
    return known


def accepted(rule: str, files: str, error: str) -> Acceptance:
    return Acceptance(rule=rule, files=files, error=error, reason="It is known.")


@pytest.fixture(scope="session")
def portable_python(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """A CPython of this machine, made portable as a build does it."""
    machine = platform_of(platform.system(), platform.machine())
    request = Request(
        python=platform.python_version(),
        platform=cast(Platform, machine),
        config=Interpreter(),
        machine=machine,
        environ=dict(os.environ),
    )
    source = Host()
    answers = source.offers(request)
    offer = next((answer for answer in answers if isinstance(answer, Offer)), None)
    if offer is None:
        pytest.skip(f"no interpreter of this machine can be made portable: {answers}")
    folder = tmp_path_factory.mktemp("portable")
    tree = folder / "python"
    tree.mkdir()
    tools = Tools(
        downloader=Downloader(reporter=Reporter(), offline=True, environ={}),
        files=cast(FileCache, None),  # A host's Python comes from no file.
        reporter=Reporter(),
        work=folder,
    )
    source.make(offer, request, tree, tools)
    return TinyBundle(tree, offer.python, request.platform)


@pytest.fixture
def tiny_bundle(portable_python: TinyBundle, tmp_path: Path) -> TinyBundle:
    """A bundle of its own for one test: it may add files, and must not change those that are there."""
    root = tmp_path / "bundle"
    shutil.copytree(portable_python.root, root, symlinks=True, copy_function=os.link)
    return TinyBundle(root, portable_python.python, portable_python.platform)


@pytest.fixture(scope="session")
def compiled(portable_python: TinyBundle, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Compiles a native module of a name, which runs some C at first, and may need a library of the system."""
    folder = tmp_path_factory.mktemp("compiled")
    include = portable_python.root / "include" / f"python{short_version(portable_python.python)}"

    def make(name: str, before: str = "", options: Iterable[str] = ()) -> bytes:
        source = folder / f"{name}.c"
        source.write_text(_EXTENSION.format(name=name, before=before))
        target = folder / f"{name}.so"
        subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", source, "-o", target, *options], check=True)
        return target.read_bytes()

    return make
