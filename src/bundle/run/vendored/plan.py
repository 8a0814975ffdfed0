"""What provisioning would change, worked out before anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from packaging.version import Version

from bundle.artifacts.vendored.offers import Offer
from bundle.artifacts.vendored.package import PACKAGE_FILE, Package
from bundle.artifacts.vendored.selection import Demand, Selection, select
from bundle.base.errors import ConfigError, IntegrityError, MissingPackageError, Problems
from bundle.base.text import shortened
from bundle.run.vendored.search_path import SearchPath
from bundle.run.vendored.target import Installed, Target, stamp_of
from bundle.run.vendored.wheels import Wheelhouse, checked_hash, look

Source = Literal["wheels", "registry", "installed", "nothing", "missing"]
"""Where the distributions of a package come from; `nothing`: it needs none."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The state that is wanted, and what is to be done for it."""

    target: Target
    packages: tuple[Package, ...]
    sources: Mapping[str, Source]
    """By package name."""
    locked: frozenset[str]
    """Names of packages whose wheels a lock describes."""
    wheels: Mapping[str, Installed]
    """By distribution, each wheel that is to be installed in the end."""
    install: tuple[Offer, ...]
    """The wheels that are not installed yet."""
    online: tuple[str, ...]
    """Requirements that a registry is asked for."""
    path: SearchPath
    warnings: tuple[str, ...]
    problems: Problems = field(repr=False)

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        target = self.target
        return not target.exists or bool(self.install or self.online) or not self.path.is_current(target)

    @property
    def pins(self) -> tuple[str, ...]:
        """The versions that come from wheels, as constraints."""
        return tuple(f"{name}=={version}" for name, version in sorted(self._versions.items()))

    @property
    def _versions(self) -> dict[str, Version]:
        fresh = {one.name: one.version for one in self.install}
        return {name: fresh.get(name) or self.target.installed[name].version for name in self.wheels}

    def as_json(self) -> dict[str, Any]:
        """Return the plan as the JSON value that `--json` prints."""
        return {
            "environment": str(self.target.root),
            "exists": self.target.exists,
            "python": self.target.python,
            "platform": self.target.platform.key,
            "packages": [
                {
                    "name": one.name,
                    "folder": str(one.folder),
                    "requirements": list(one.texts),
                    "source": self.sources.get(one.name, "nothing"),
                    "locked": one.name in self.locked,
                }
                for one in self.packages
            ],
            "install": [
                {"name": one.name, "version": str(one.version), "wheel": str(one.path), "package": one.package}
                for one in self.install
            ],
            "online": list(self.online),
            "search": [str(folder) for folder in self.path.folders.values()],
            "warnings": list(self.warnings),
            "problems": [error.as_json() for error in self.problems.errors],
        }


def make_plan(packages: Sequence[Package], target: Target, path: SearchPath, *, online: bool) -> Plan:
    """Compare what packages need with what they carry and with what is installed.

    Args:
        online: whether a registry may be asked for what packages without wheels need.

    Returns:
        A plan whose problems say why it must not be carried out.
    """
    problems = Problems()
    warnings = [text for package in packages for text in package.check_eaten(problems)]
    for package in packages:
        if package.minimum is not None and Version(target.python) < package.minimum:
            problems.add(
                ConfigError(
                    f"{package.name} needs Python {package.minimum} or newer, and {target.root} has {target.python}.",
                    remedy="Name a newer Python with --python, and another folder with --into."
                    if target.exists
                    else "Name a newer Python with --python.",
                )
            )
    house = look(packages, target, problems)
    wanted = [Demand(one, package.name) for package in packages for one in package.requirements]
    selection = Selection(chosen={}, unmet={}, demands={})
    # What a changed wheel says about itself does not count.
    if not any(isinstance(one, IntegrityError) for one in problems.errors):
        with problems.collecting():
            selection = select(wanted, house.offers, target.markers)
    missing = _unmet(selection, house, target, problems)
    wheels: dict[str, Installed] = {}
    install = []
    for offer in selection.chosen.values():
        with problems.collecting():
            if offer.package and _is_to_install(offer, target, wheels):
                install.append(offer)
    return Plan(
        target=target,
        packages=tuple(packages),
        sources={one.name: _source(one, house, missing, online=online) for one in packages},
        locked=frozenset(house.locked),
        wheels=wheels,
        install=tuple(install),
        online=tuple(sorted({text for one in packages if one.name in missing for text in one.texts})) if online else (),
        path=path,
        warnings=tuple(warnings if online else [*warnings, *_absent(packages, missing)]),
        problems=problems,
    )


def _is_to_install(offer: Offer, target: Target, wheels: dict[str, Installed]) -> bool:
    known = target.record.get(offer.name)
    sha256 = offer.sha256 or checked_hash(offer, known)
    wheels[offer.name] = Installed(sha256=sha256, stamp=stamp_of(offer.path))
    there = target.installed.get(offer.name)
    # What somebody else has installed in the same version stays.
    return there is None or there.version != offer.version or (known is not None and known.sha256 != sha256)


def _source(package: Package, house: Wheelhouse, missing: Mapping[str, Sequence[Demand]], *, online: bool) -> Source:
    if package.name in house.carriers:
        return "wheels"
    if package.name in missing:
        return "registry" if online else "missing"
    return "installed" if package.requirements else "nothing"


def _absent(packages: Sequence[Package], missing: Mapping[str, Sequence[Demand]]) -> list[str]:
    lines = []
    for package in packages:
        if package.name in missing:
            names = shortened(dict.fromkeys(str(one.requirement) for one in missing[package.name]))
            lines.append(
                f"{package.name} carries no wheels, and ALLOW_ONLINE_PIP is not true: {names} will be missing. Run "
                f"`bundle vendor {package.folder}`, or set ALLOW_ONLINE_PIP=true where there is a network."
            )
    return lines


def _unmet(selection: Selection, house: Wheelhouse, target: Target, problems: Problems) -> dict[str, list[Demand]]:
    """Add what cannot be satisfied to the problems.

    Returns:
        By package without wheels, the demands that a registry would have to satisfy.
    """
    missing: dict[str, list[Demand]] = {}
    for name, demands in selection.unmet.items():
        carried = [one for one in house.offers.of(name) if not one.installed]
        askers = list(dict.fromkeys(one.package for one in demands))
        if carried:
            problems.add(_contradiction(name, demands, carried, target))
        elif lacking := [one for one in demands if one.package in house.carriers]:
            # What a package lacks since its wheels are unfit is said with these.
            if not house.unfit.issuperset(one.package for one in lacking):
                problems.add(_gap(name, lacking, house, target))
        else:
            for asker in askers:
                missing.setdefault(asker, []).extend(one for one in demands if one.package == asker)
    return missing


def _contradiction(
    name: str, demands: Sequence[Demand], carried: Sequence[Offer], target: Target
) -> ConfigError | MissingPackageError:
    there = ", ".join(dict.fromkeys(f"{one.version} ({one.package})" for one in carried))
    details = [*dict.fromkeys(map(str, demands)), f"wheels at hand: {there}"]
    askers = sorted({one.package for one in demands if one.requirement.specifier})
    if len(askers) > 1:
        return ConfigError(
            f"{' and '.join(askers)} want different versions of {name}.",
            details=details,
            remedy="Let them ask for versions that overlap and vendor them again, or provision them into environments "
            "of their own (--into).",
        )
    if all(demand.accepts(one) for demand in demands for one in carried):
        return MissingPackageError(
            f"The wheels of {name} do not run on Python {target.python}: their Requires-Python forbids it.",
            details=details,
            remedy="Choose another Python with --python, or vendor the package for this one.",
        )
    return MissingPackageError(
        f"{demands[0].package} carries no version of {name} that it can use.",
        details=details,
        cause=f"{PACKAGE_FILE} was changed after the wheels were downloaded.",
        remedy="Run `bundle vendor` again where there is a network.",
    )


def _gap(name: str, demands: Sequence[Demand], house: Wheelhouse, target: Target) -> MissingPackageError:
    package = demands[0].package
    details = list(dict.fromkeys(map(str, demands)))
    if others := house.others.get(name):
        return MissingPackageError(
            f"{package} carries {name} for other Pythons or platforms than {target.python} on {target.platform.key}.",
            details=[*details, f"wheels at hand: {shortened(sorted(others))}"],
            remedy="Run `bundle vendor` for this Python and this platform, or name another Python with --python.",
        )
    return MissingPackageError(
        f"{package} carries wheels, and none of {name}.",
        details=details,
        cause="Its wheels were downloaded in part, or for other requirements.",
        remedy="Run `bundle vendor` again where there is a network; without any wheels, ALLOW_ONLINE_PIP=true "
        "installs from there.",
    )
