"""Whether a bundle is the one that a catalogue and a lock describe, and its wheels those of the lock beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from packaging.pylock import PylockValidationError

from bundle.make.verify.checks.carried import carried_wheels
from bundle.make.verify.checks.findings import Finding
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.locks.lock import Lock
from bundle.model.manifest import MANIFEST, WHEELHOUSE, Manifest, carried_lock_path

_SHOWN = 10


def compare_with_known(subject: Subject) -> Iterator[Finding]:
    """Yield the differences between a bundle and what is known of it from outside.

    `bundle.json` holds the hash of the list of all files, so its own hash stands for the whole bundle.
    """
    known = subject.policy.known
    if known is None:
        return
    scanned = subject.scanned.get(MANIFEST)
    actual = scanned.sha256.hex() if scanned else ""
    confirmed = bool(known.manifest) and actual == known.manifest
    if not known.by:
        message = "is described by no catalogue here: the bundle is compared with its own list only."
        yield RULES["bundle-unknown"].about(MANIFEST, message)
    elif not confirmed and actual == known.rebuilt:
        message = f"is not what {known.by} describes: the bundle was built since, without verification or archive."
        yield RULES["bundle-differs"].about(MANIFEST, message, file=MANIFEST, severity="warning")
    elif not confirmed:
        message = f"is not what {known.by} describes: it was changed, or belongs to another build."
        yield RULES["bundle-differs"].finding(MANIFEST, message)
    members = subject.manifest.members
    for lock in known.locks:
        if member := members.get(lock.set_name):
            yield from _compare_lock(member, lock, confirmed=confirmed)


def _compare_lock(manifest: Manifest, lock: Lock, *, confirmed: bool) -> Iterator[Finding]:
    rule = RULES["lock-differs"]
    if manifest.lock != lock.inputs:
        message = "was built from other requirements than the lock of its version has; their packages are not compared."
        yield rule.about(f"the set {lock.set_name}" if lock.set_name else "the bundle", message, severity="note")
        return
    folders = {package.name for package in lock.packages if package.folder}  # A lock does not say what is in them.
    locked = {package.name: (package.version, package.key) for package in lock.packages}
    held = {package.name: (package.version, package.sha256 or package.commit) for package in manifest.packages}
    names = (locked.keys() | held.keys()) - folders
    different = sorted(name for name in names if locked.get(name) != held.get(name))
    if different:
        details = [f"{name}: {_shown(held.get(name))}; in the lock: {_shown(locked.get(name))}" for name in different]
        of_set = f" of the set {lock.set_name}" if lock.set_name else ""
        message = f"names {len(different)} packages{of_set} otherwise than the lock of its version."
        severity = "warning" if confirmed else rule.severity
        yield rule.about(MANIFEST, message, file=MANIFEST, details=details[:_SHOWN], severity=severity)


def _shown(package: tuple[str, str] | None) -> str:
    return f"{package[0]} ({package[1][:16]})" if package else "not there"


def compare_wheels(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each wheel below `packages/` that the locks there do not have so, or that is missing.

    What differs from the list of the bundle's files is told with that.
    """
    rule = RULES["wheel-differs"]
    if subject.manifest.layout not in ("wheelhouse", "both"):
        return
    told = subject.told
    locks = {carried_lock_path(name): name for name in subject.manifest.members}
    locked: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for place, name in locks.items():
        try:
            for wheel in carried_wheels(subject.root, name):
                locked[wheel.path].append((wheel.sha256, place))
        except (OSError, ValueError, RecursionError, PylockValidationError) as error:
            if place not in told:
                yield rule.finding(place, f"is no lock of wheels: {error}.")
            return
    held = {path for path in subject.scanned if path.startswith(f"{WHEELHOUSE}/")} - locks.keys()
    for path in sorted((held | locked.keys()) - told):
        if path not in locked:
            yield rule.finding(path, f"is in no package of {' or '.join(locks)}.")
        elif path not in held:
            yield rule.finding(path, f"is missing; {locked[path][0][1]} names it.")
        elif wrong := [place for sha256, place in locked[path] if subject.scanned[path].sha256.hex() != sha256]:
            yield rule.finding(path, f"has another SHA-256 than {wrong[0]} says.")
