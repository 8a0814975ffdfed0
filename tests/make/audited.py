"""A bundle of a few made-up files, for the checks that run nothing."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bundle.base.report import Reporter
from bundle.make.verify.checks.findings import Report
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.verify import CHECKS, VerificationHost, verify_bundle
from bundle.model.acceptance import Acceptance
from bundle.model.manifest import Conflict, LayerRecord, Manifest, PythonRecord, SkippedRecord
from bundle.model.platforms import PLATFORMS, Floors, Platform
from tests.base.nativemaker import elf, macho, pe
from tests.make.listed import with_list

PYTHON = "3.12.10"
BUILDER = Path("/srv/builder/project")


@dataclass(frozen=True)
class Made:
    """A bundle in the making."""

    root: Path
    platform: Platform

    @property
    def site(self) -> str:
        return self.platform.site_packages(PYTHON)

    @property
    def ending(self) -> str:
        return self.platform.module_tags(PYTHON)[0] + (".pyd" if self.platform.is_windows else ".so")

    def write(self, path: str, content: bytes | str = b"", *, executable: bool = False) -> str:
        """Put a file into the bundle; return its path."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(0o755 if executable else 0o644)
        return path

    def install(
        self, name: str, files: Mapping[str, bytes | str], *, licence: str = "MIT", version: str = "1.0"
    ) -> None:
        """Install a package of files, relative to site-packages, with a true RECORD."""
        folder = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        metadata += f"License-Expression: {licence}\n" if licence else ""
        rows = []
        for path, content in {f"{folder}/METADATA": metadata, **files}.items():
            data = content.encode() if isinstance(content, str) else content
            self.write(f"{self.site}/{path}", data)
            digest = urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            rows.append(f"{path},sha256={digest},{len(data)}\n")
        self.write(f"{self.site}/{folder}/RECORD", "".join([*rows, f"{folder}/RECORD,,\n"]))

    def verify(
        self,
        *,
        source: str = "archive",
        floors: Floors | None = None,
        acceptances: Iterable[Acceptance] = (),
        copied: Collection[str] = (),
        contested: Collection[str] = (),
        layers: Iterable[LayerRecord] = (),
        skipped: Mapping[str, str] = MappingProxyType({}),
    ) -> Report:
        """Run every check that runs nothing of the bundle."""
        manifest = Manifest(
            version=PYTHON,
            platform=self.platform.key,
            python=PythonRecord(actual=PYTHON, source=source),
            copied=tuple(copied),
            layers=tuple(layers),
            skipped=tuple(SkippedRecord(name=name, kind="skipped", reason=skipped[name]) for name in skipped),
            conflicts=tuple(Conflict(path=path, kept="one", lost="other") for path in contested),
        )
        policy = Policy(floors=floors or Floors(), acceptances=tuple(acceptances), forbidden=(BUILDER,))
        host = VerificationHost(machine=None, work=self.root.parent / "work", reporter=Reporter(), jobs=2)
        manifest = with_list(self.root, manifest)
        return verify_bundle(self.root, manifest, policy, host, checks=[check for check in CHECKS if not check.runs])


def good(folder: Path, key: str) -> Made:
    """Make a bundle with an interpreter, a package with a native module, and the library that it needs."""
    made = Made(folder / key, PLATFORMS[key])
    module = f"sums/_sums{made.ending}"
    machine = made.platform.machine
    if made.platform.system == "linux":
        program = elf(
            machine=machine, interpreter=made.platform.loaders[0], needed=["libc.so.6"], rpath="$ORIGIN/../lib"
        )
        made.write("bin/python3.12", program, executable=True)
        own = {"libc.so.6": ["GLIBC_2.17"], "libm.so.6": ["GLIBC_2.28"]}
        files = {
            module: elf(machine=machine, needed=["libadd-1.so"], rpath="$ORIGIN/../sums.libs", versions=own),
            "sums.libs/libadd-1.so": elf(machine=machine, name="libadd-1.so", needed=["libc.so.6"]),
        }
    elif made.platform.system == "macosx":
        system = "/usr/lib/libSystem.B.dylib"
        made.write("bin/python3.12", macho(machine=machine, needed=[system], program=True), executable=True)
        files = {
            module: macho(machine=machine, needed=["@loader_path/.dylibs/libadd.dylib", system], minimum="12.0"),
            "sums/.dylibs/libadd.dylib": macho(machine=machine, name="/DLC/sums/libadd.dylib", needed=[system]),
        }
    else:
        made.write("python.exe", pe(machine=machine, needed=["python312.dll", "KERNEL32.dll"], program=True))
        made.write("python312.dll", pe(machine=machine, needed=["VCRUNTIME140.dll", "api-ms-win-crt-heap-l1-1-0.dll"]))
        made.write("vcruntime140.dll", pe(machine=machine, needed=["KERNEL32.dll"]))
        files = {
            module: pe(machine=machine, needed=["python312.dll", "add-1f.dll", "KERNEL32.dll"]),
            "sums.libs/add-1f.dll": pe(machine=machine, needed=["VCRUNTIME140.dll"]),
        }
    made.install("sums", {"sums/__init__.py": "", **files})
    return made


def rules(report: Report, *severities: str) -> list[tuple[str, str]]:
    """Return rule and file of the findings of some severities."""
    wanted = severities or ("error", "warning")
    return [(finding.rule, finding.file) for finding in report.findings if finding.severity in wanted]
