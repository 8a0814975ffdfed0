"""The summary at the end of a build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from bundle.cli.tables import FLOOR_NAMES, asked_by, shown_path
from bundle.model.manifest import Manifest, PythonRecord

if TYPE_CHECKING:
    from rich.console import Console


def print_bundle(console: Console, bundle: Mapping[str, Any], here: Path) -> None:
    """Print the content and the place of one bundle.

    Args:
        bundle: the JSON value of the command `build`.
        here: paths below this folder are printed relative to it.
    """
    # The values of the manifest are among those of the command, under the same names.
    manifest = Manifest.from_json(bundle)
    name = f"{manifest.version} for {manifest.platform}"
    if bundle["status"] == "unchanged":
        console.print(f"{name}: unchanged, nothing to do")
        console.print(f"  bundle    {shown_path(bundle['path'], here)}")
        for archive in bundle["archives"]:
            console.print(f"  archive   {shown_path(archive['path'], here)}  {decimal(archive['size'])}")
        return
    console.print(f"{name}: built")
    console.print(f"  python    {_python(manifest.python)}")
    for system, oldest in manifest.floor.items():
        console.print(f"  runs on   {FLOOR_NAMES.get(system, system)} {oldest} or later")
    console.print(f"  packages  {_packages(manifest)}")
    _print_exceptions(console, manifest)
    for name, member in manifest.members.items():
        if name:
            console.print(f"  set       {name}: {_packages(member)}")
            _print_exceptions(console, member)
    for conflict in manifest.conflicts:
        console.print(f"    conflict {conflict.path}: kept the one of {conflict.kept}")
    console.print(f"  bundle    {shown_path(bundle['path'], here)}  {decimal(bundle['size'])}")
    for archive in bundle["archives"]:
        console.print(f"  archive   {shown_path(archive['path'], here)}  {decimal(archive['size'])}")
        console.print(f"            sha256 {archive['sha256']}")
    for title, path in zip(("documents", ""), bundle["documents"].values(), strict=False):
        console.print(f"  {title:<9} {shown_path(path, here)}")
    spent = [f"{step} {seconds:.1f}" for step, seconds in bundle["seconds"].items() if seconds >= 0.05]
    console.print(f"  seconds   {', '.join(spent)}; in all {sum(bundle['seconds'].values()):.1f}")


def _print_exceptions(console: Console, manifest: Manifest) -> None:
    for package in manifest.packages:
        if package.decision == "source":
            console.print(f"    source   {package.name} {package.version}: {package.reason}")
    for left_out in manifest.skipped:
        asked = f"asked for by {asked_by(left_out.required_by)}"
        console.print(f"    {left_out.kind:<8} {left_out.name}: {left_out.reason} ({asked})")


def _python(python: PythonRecord) -> str:
    substitute = f", a SUBSTITUTE for {python.requested}" if python.substituted else ""
    return f"{python.actual} from {python.source}{substitute}"


def _packages(manifest: Manifest) -> str:
    decisions = [package.decision for package in manifest.packages]
    parts = [f"{decisions.count('wheel')} from wheels", f"{decisions.count('source')} built from source"]
    return ", ".join([*parts, f"{len(manifest.skipped)} left out"])
