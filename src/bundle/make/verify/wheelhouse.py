"""The carried wheels of a bundle, installed in a scratch folder, so that they are verified like installed packages."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.pylock import PylockValidationError

from bundle.artifacts.wheel.lay_out import Laid, lay_out
from bundle.base.errors import BundleError, IntegrityError, WorkError
from bundle.base.files import sha256_of
from bundle.base.folders import copy_tree, listing
from bundle.base.text import last_lines
from bundle.base.threads import in_parallel
from bundle.make.verify.checks.carried import CarriedWheel, carried_wheels
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.findings import Finding, Outcome
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.make.verify.trials.failure import inconclusive, no_interpreter
from bundle.make.verify.trials.isolation import Isolation
from bundle.make.verify.trials.scripts import start_scripts
from bundle.model.file_list import FILE_LIST
from bundle.model.manifest import WHEELHOUSE, Conflict
from bundle.model.wheel_flaws import WheelFlaw

_TIMEOUT = 900.0

_LONGEST = 230
"""Characters of a folder up to which the first lines of scripts that pip writes fit what Linux takes (255)."""


@dataclass(frozen=True, kw_only=True)
class Packages:
    """The packages of one set that a bundle carries as wheels, installed."""

    subject: Subject
    """A copy of the bundle in which they are installed; nothing of the bundle was run for it."""
    set_name: str = ""
    """The set that they are; empty for the packages of no set."""
    isolation: Isolation | None = None
    """A virtual environment of the bundle in which its own pip installed them; None if there is none."""
    wheels: tuple[CarriedWheel, ...] = ()
    """Those that are installed."""
    findings: tuple[Finding, ...] = ()
    """About the wheels that cannot be installed."""
    unseen: tuple[str, ...] = ()
    """What is not installed."""

    def named(self, outcome: Outcome) -> Outcome:
        """Return an outcome about these packages, with their set."""
        if not self.set_name:
            return outcome
        return replace(
            outcome,
            findings=tuple(replace(finding, set_name=self.set_name) for finding in outcome.findings),
            unseen=tuple(f"{one} (set {self.set_name})" for one in outcome.unseen),
        )


def unpack(subject: Subject, scratch: Path, set_name: str) -> Packages:
    """Lay the wheels of a set out in a copy of the bundle, for any platform.

    A wheel that has not the hash of the lock beside it is left out: the check `files` tells it.
    """
    place = scratch / _named("unpacked", set_name)
    manifest = subject.manifest.members[set_name]
    copy_tree(subject.root, place, without=(WHEELHOUSE, FILE_LIST))
    merging = _Merging(place)
    refused: list[Finding] = []
    try:
        carried = carried_wheels(subject.root, set_name)
        unseen: list[str] = []
    except (OSError, ValueError, RecursionError, PylockValidationError):
        carried, unseen = (), ["the carried wheels: their lock cannot be read"]
    whole = list({wheel.sha256: wheel for wheel in carried if _is_whole(subject, wheel)}.values())
    unseen += (f"{wheel.path}: not the wheel of the lock" for wheel in carried if wheel not in whole)

    def lay(wheel: CarriedWheel) -> tuple[Path, Laid]:
        tree = scratch / _named("wheels", set_name) / wheel.sha256
        tree.mkdir(parents=True)
        python = subject.contents.python
        return tree, lay_out(subject.root / wheel.path, tree, platform=subject.platform, python=python)

    installed: list[CarriedWheel] = []
    with subject.reporter.task("unpacking the carried wheels"):
        for wheel, outcome in zip(whole, in_parallel(lay, whole, threads=subject.jobs), strict=True):
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                merging.add(*outcome)
                installed.append(wheel)
            except BundleError as error:
                why = " ".join(filter(None, (error.what, error.cause)))
                refused.append(RULES["wheel-refused"].finding(wheel.path, f"cannot be installed: {why}"))
                unseen.append(f"{wheel.path}: refused")
    manifest = replace(
        manifest,
        conflicts=(*manifest.conflicts, *merging.conflicts),
        flaws=tuple(dict.fromkeys((*manifest.flaws, *merging.flaws))),
    )
    contents = read_contents(place, python=subject.contents.python, platform=subject.platform)
    copy = replace(subject, contents=contents, manifest=manifest, bundle=subject)
    return Packages(
        subject=copy, set_name=set_name, wheels=tuple(installed), findings=tuple(refused), unseen=tuple(unseen)
    )


def _named(name: str, set_name: str) -> str:
    return "-".join(filter(None, (name, set_name)))


def _is_whole(subject: Subject, wheel: CarriedWheel) -> bool:
    scanned = subject.scanned.get(wheel.path)
    return scanned is not None and scanned.sha256.hex() == wheel.sha256


@dataclass
class _Merging:
    """A tree that wheels are added to; a later one wins, as in a bundle of installed packages."""

    tree: Path
    conflicts: list[Conflict] = field(default_factory=list)
    flaws: list[WheelFlaw] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    """The package of each path."""

    def __post_init__(self) -> None:
        self._held = listing(self.tree)
        for path, status in self._held.items():
            if stat.S_ISDIR(status.st_mode) and not status.st_mode & stat.S_IWUSR:
                (self.tree / path).chmod(stat.S_IRWXU)

    def add(self, tree: Path, laid: Laid) -> None:
        """Move the files of a laid out wheel into the tree.

        Raises:
            IntegrityError: it has a file where another one has a folder or a link, or the other way round; none of its
                files is moved then.
        """
        found = dict(sorted(listing(tree).items()))
        for path, status in found.items():
            held = self._held.get(path)
            if held is not None and stat.S_IFMT(held.st_mode) != stat.S_IFMT(status.st_mode):
                other = self._names.get(path, "the bundle")
                raise IntegrityError(f"{path} is another kind of file in {other}.")
        self.flaws += laid.flaws
        for path, status in found.items():
            target = self.tree / path
            if stat.S_ISDIR(status.st_mode):
                target.mkdir(exist_ok=True)
            else:
                if path in self._held and sha256_of(target) != sha256_of(tree / path):
                    self.conflicts.append(Conflict(path=path, kept=laid.name, lost=self._names.get(path, "python")))
                (tree / path).replace(target)
                self._names[path] = laid.name
            self._held[path] = status


def install(packages: Packages, isolation: Isolation) -> Packages:
    """Let a bundle's own pip install the wheels of a set into a virtual environment, offline and by their hashes.

    The environment also sees what the bundle itself has installed.
    """
    root = isolation.scratch / _named("installed-wheels", packages.set_name)
    environment = replace(isolation, root=root, base=isolation.root)
    finding = _install(packages.wheels, isolation, environment)
    if finding is None:
        return replace(packages, isolation=environment)
    return replace(packages, findings=(*packages.findings, finding))


def _install(wheels: Sequence[CarriedWheel], isolation: Isolation, environment: Isolation) -> Finding | None:
    listed = isolation.scratch / "wheels.txt"
    lines = (f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)
    listed.write_text("".join(lines), encoding="utf-8")
    make: list[str | Path] = ["-m", "venv", "--without-pip", "--system-site-packages", environment.root]
    pip: list[str | Path] = ["-m", "pip", "install", "--no-index", "--require-hashes", "--no-deps", "--no-compile"]
    pip += ["--quiet", "--find-links", isolation.root / WHEELHOUSE, "--requirement", listed]
    steps = [(isolation, make, "make a virtual environment")]
    if wheels:
        steps.append((environment, pip, "install the carried wheels"))
    for where, arguments, what in steps:
        try:
            completed = where.run_python(arguments, timeout=_TIMEOUT)
        except WorkError as error:
            return no_interpreter("requirements", error)
        if completed.code or completed.timed_out:
            details = last_lines(completed.errors or completed.output)
            if words := where.inconclusive(completed):
                return inconclusive("install-fails", "the carried wheels", words, details)
            return RULES["install-fails"].about("the carried wheels", f"the bundle cannot {what}.", details=details)
    return None


def start_packaged_scripts(subject: Subject, isolation: Isolation) -> Outcome:
    """Start the scripts of packages in the virtual environment that these were installed into."""
    if not subject.platform.is_windows and (" " in str(isolation.root) or len(str(isolation.root)) > _LONGEST):
        return Outcome(unseen=("the packages' scripts: pip writes none that start in a folder of such a name",))
    contents = read_contents(isolation.root, python=subject.contents.python, platform=subject.platform)
    return start_scripts(replace(subject, contents=contents), isolation)
