"""The audit of `bundle verify` on the wheels of much used packages with native files, on all platforms, as a table.

Run it with the toolchain's Python: `.venv/bin/python benchmarks/native_packages.py [FOLDER]`. It locks and fetches the
newest versions (2.5 GB), lays them out, a platform at a time, and runs every check that runs nothing of the bundle.
`native_packages.toml` has the names of the packages, and a judgement of each error and warning. The result is
`docs/native-packages.md`. A finding without a judgement, and an error that is judged false, end it with exit code 1.

There is no CPython 3.12 to be had for every platform, and the wheels are what counts: on Windows, whose modules need
its libraries, a real one stands beside them; elsewhere a program of a package stands for its executable.
"""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.foreign.bundles import foreign_tree  # noqa: E402

from bundle.artifacts.wheel.lay_out import lay_out  # noqa: E402
from bundle.base.folders import listing, remove_tree  # noqa: E402
from bundle.base.native.formats import native_format  # noqa: E402
from bundle.base.report import Reporter  # noqa: E402
from bundle.make.verify.checks.contents import read_contents  # noqa: E402
from bundle.make.verify.checks.findings import Finding, Report  # noqa: E402
from bundle.make.verify.checks.policy import Policy  # noqa: E402
from bundle.make.verify.verify import CHECKS, VerificationHost, verify_bundle  # noqa: E402
from bundle.model.locks.pylock import read_lock  # noqa: E402
from bundle.model.manifest import Manifest, PythonRecord  # noqa: E402
from bundle.model.platforms import PLATFORMS, Platform  # noqa: E402
from bundle.model.wheel_flaws import WheelFlaw  # noqa: E402

PYTHON = "3.12.10"
DATA = Path(__file__).with_suffix(".toml")
PAGE = ROOT / "docs" / "native-packages.md"

PROGRAM = "ruff"
"""The package whose program stands for the interpreter's executable."""

_WORST = ("error", "warning", "known", "note", "ok")


@dataclass(kw_only=True)
class Row:
    """A package."""

    versions: dict[str, str] = field(default_factory=dict)
    """By platform."""
    findings: dict[str, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    """By platform."""
    native: bool = False
    """Whether a wheel of it has native files."""

    def cell(self, key: str) -> str:
        """Return the word for what was found on a platform."""
        if key not in self.versions:
            return "no wheel"
        return min((_severity(one) for one in self.findings[key]), key=_WORST.index, default="ok")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether findings are true."""

    package: str
    rule: str
    true: bool
    text: str
    files: str = "*"
    """A glob of paths."""
    platforms: str = "*"
    """A glob of platform keys."""

    def fits(self, package: str, key: str, finding: Finding) -> bool:
        """Return whether it is about a finding."""
        return (
            (self.package, self.rule) == (package, finding.rule)
            and fnmatchcase(finding.file, self.files)
            and fnmatchcase(key, self.platforms)
        )


def main() -> None:
    """Write the table."""
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    judgements = [Judgement(**entry) for entry in data["judgement"]]
    rows: defaultdict[str, Row] = defaultdict(Row)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        project = _project(folder / "project", data["packages"])
        for key, platform in PLATFORMS.items():
            _audit(project, folder / key, platform, rows)
    problems = list(_problems(rows, judgements))
    native = {name: row for name, row in rows.items() if row.native and row.versions}
    PAGE.write_text(_page(native, judgements, len(data["packages"])), encoding="utf-8")
    print(*problems or ["every error and warning has its judgement"], sep="\n")
    sys.exit(bool(problems))


def _project(project: Path, packages: Iterable[str]) -> Path:
    """Make a project with the packages, and fetch their wheels."""
    (project / "versions" / PYTHON).mkdir(parents=True, exist_ok=True)
    shared = {"packages": {"dependencies": list(packages), "resolution": {"strictMissing": False}}}
    (project / "shared-config.json").write_text(json.dumps(shared))
    (project / "versions" / PYTHON / "config.json").write_text("{}")
    for command in ("lock", "fetch"):
        line = [sys.executable, "-m", "bundle", "--project", project, "--quiet", command, PYTHON, "--platform", "all"]
        subprocess.run([str(part) for part in line], check=True)
    return project


def _audit(project: Path, root: Path, platform: Platform, rows: defaultdict[str, Row]) -> None:
    """Lay the packages of a platform out, and add what is found to the rows."""
    manifest = _lay_out(project, root, platform)
    report = _verified(root, manifest)
    contents = read_contents(root, python=PYTHON, platform=platform)
    for one in contents.distributions:
        if one.name != "pip":  # The interpreter's.
            rows[one.name].versions[platform.key] = one.version
    for path, owner in contents.owners.items():
        rows[owner].native |= _is_native(root / path, platform)
    for finding in report.findings:
        if owner := contents.owners.get(finding.file, ""):
            rows[owner].findings[platform.key].append(finding)
    print(f"{platform.key}: {len(contents.distributions)} packages, {report.checked['binaries']} native files")
    remove_tree(root)


def _lay_out(project: Path, root: Path, platform: Platform) -> Manifest:
    lock = read_lock(project / "versions" / PYTHON / f"pylock.{platform.key}.toml")
    remove_tree(root)
    if platform.is_windows:
        shutil.copytree(foreign_tree(platform.key)[0], root, symlinks=True)
    else:
        root.mkdir()
    flaws: list[WheelFlaw] = []
    for package in lock.packages:
        if package.file is None:
            raise ValueError(f"{package.name} comes from no index")
        wheel = project / "pydist" / "wheelhouse" / package.file.name
        tree = root.with_name("wheel")
        tree.mkdir()
        flaws += lay_out(wheel, tree, platform=platform, python=PYTHON).flaws
        _move_into(root, tree)
    if not platform.is_windows:
        shutil.copyfile(root / "bin" / PROGRAM, root / platform.executable(PYTHON))
        (root / platform.executable(PYTHON)).chmod(0o755)
        for name in ("python3", "python"):
            (root / "bin" / name).symlink_to(Path(platform.executable(PYTHON)).name)
    python = PythonRecord(requested=PYTHON, actual=PYTHON, source="archive")
    return Manifest(version=PYTHON, platform=platform.key, python=python, flaws=tuple(flaws))


def _move_into(root: Path, tree: Path) -> None:
    """Move the files of a package into the bundle; another package may have brought the same ones."""
    for path, status in sorted(listing(tree).items()):
        if stat.S_ISDIR(status.st_mode):
            (root / path).mkdir(exist_ok=True)
        else:
            (tree / path).replace(root / path)
    remove_tree(tree)


def _verified(root: Path, manifest: Manifest) -> Report:
    host = VerificationHost(machine=None, work=root.parent / "work", reporter=Reporter(), jobs=2)
    checks = [check for check in CHECKS if not check.runs and check.name != "files"]
    return verify_bundle(root, manifest, Policy(), host, checks=checks)


def _is_native(path: Path, platform: Platform) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    if platform.is_windows and path.parent.name == platform.scripts:
        return False  # A launcher, which every package with scripts has.
    with path.open("rb") as file:
        return native_format(file.read(4)) == platform.binary_format


def _severity(finding: Finding) -> str:
    return "known" if finding.known is not None else finding.severity


def _judged(judgements: Iterable[Judgement], package: str, key: str, finding: Finding) -> Judgement | None:
    return next((one for one in judgements if one.fits(package, key, finding)), None)


def _problems(rows: Mapping[str, Row], judgements: list[Judgement]) -> Iterable[str]:
    used = set()
    for package, row in sorted(rows.items()):
        for key, findings in row.findings.items():
            for one in findings:
                if one.severity not in ("error", "warning"):
                    continue
                judged = _judged(judgements, package, key, one)
                used.add(judged)
                where = f"{key}: {package}: {one.file}: {one.message} ({one.rule}, {_severity(one)})"
                if judged is None:
                    yield f"not judged: {where}"
                elif _severity(one) == "error" and not judged.true:
                    yield f"false, and an error: {where}"
    yield from (f"a judgement of nothing: {one.package} {one.rule}" for one in judgements if one not in used)


def _page(rows: Mapping[str, Row], judgements: list[Judgement], named: int) -> str:
    lines = [_HEAD.format(named=named, rows=len(rows), python=PYTHON.rpartition(".")[0])]
    lines.append(f"| package | version | {' | '.join(PLATFORMS)} | errors and warnings, and the judgement |")
    lines.append(f"| --- | --- |{' --- |' * len(PLATFORMS)} --- |")
    for package, row in sorted(rows.items()):
        cells = [package, _versions(row), *(row.cell(key) for key in PLATFORMS)]
        lines.append(f"| {' | '.join(cells)} | {'<br>'.join(_told(package, row, judgements))} |")
    return "\n".join(lines) + "\n"


def _versions(row: Row) -> str:
    """Return the version, and the others with their platforms."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for key, version in row.versions.items():
        keys[version].append(key)
    (usual, _), *others = sorted(keys.items(), key=lambda item: -len(item[1]))
    return ", ".join([usual, *(f"{version} ({', '.join(found)})" for version, found in others)])


def _told(package: str, row: Row, judgements: list[Judgement]) -> Iterable[str]:
    """Yield one text for each judgement that applies."""
    places: defaultdict[tuple[Judgement, str], list[tuple[str, Finding]]] = defaultdict(list)
    for key, findings in row.findings.items():
        for one in findings:
            judged = _judged(judgements, package, key, one)
            if judged and one.severity in ("error", "warning"):
                places[judged, _severity(one)].append((key, one))
    for (judged, severity), found in places.items():
        keys = ", ".join(dict.fromkeys(key for key, _ in found))
        first = found[0][1]
        more = f" (and {len(found) - 1} alike)" if len(found) > 1 else ""
        what = f"`{Path(first.file).name}` {first.message.rstrip('.')}{more}"
        yield f"`{first.rule}`, {severity} on {keys}: {what}. **{'True' if judged.true else 'False'}.** {judged.text}"


_HEAD = """# Packages with native files, audited

The findings of `bundle verify` (all checks that [run nothing](verification.md)) on the wheels of {named} much used
packages, and of those that they bring, for CPython {python} on all platforms. `benchmarks/native_packages.py` writes
this page. Each error and each warning was compared with the wheel, and judged, in `benchmarks/native_packages.toml`. A
finding is true if what it says is so. No false one is an error.

- ok: nothing was found.
- note: notes only, such as run paths to folders outside, data for other machines, libraries that only a minimal system
  lacks, lines of a `.pth` file.
- known: a finding of the [table of known findings](verification.md#known-findings), harmless wherever the package is
  used.
- warning, error: see the last column.
- no wheel: the package has none for the platform, or is not needed there.

The {rows} packages with native files:
"""


if __name__ == "__main__":
    main()
