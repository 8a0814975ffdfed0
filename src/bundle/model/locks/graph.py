"""Who requires whom in a lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bundle.model.locks.lock import ROOT, Lock, LockedPackage, SkippedPackage


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A package at one place of the tree of requirements."""

    depth: int
    """0 for what the configuration names."""
    package: LockedPackage | SkippedPackage
    last: bool
    """Whether nothing follows at the same place."""
    repeated: bool
    """Whether its own requirements stand at an earlier place."""


@dataclass(frozen=True)
class Graph:
    """The packages of a lock, those that are left out included."""

    lock: Lock

    @cached_property
    def packages(self) -> dict[str, LockedPackage | SkippedPackage]:
        """Every package by its normalised name."""
        left_out = {package.name: package for package in self.lock.skipped}
        return {**left_out, **{package.name: package for package in self.lock.packages}}

    @cached_property
    def required(self) -> dict[str, tuple[str, ...]]:
        """Names of what each package requires, sorted; `ROOT` stands for the configuration."""
        found: dict[str, set[str]] = {}
        for package in self.packages.values():
            for name in package.required_by:
                found.setdefault(name, set()).add(package.name)
        return {name: tuple(sorted(names)) for name, names in found.items()}

    def branches(self) -> Iterator[Branch]:
        """Yield the tree of requirements from its roots on, depth first; what a package requires is told once."""
        told: set[str] = set()
        # A stack of our own, because a forged lock may be as deep as it likes.
        todo = [(-1, ROOT, False)]
        while todo:
            depth, name, last = todo.pop()
            below = self.required.get(name, ())
            if name != ROOT:
                yield Branch(depth=depth, package=self.packages[name], last=last, repeated=name in told and bool(below))
            if name not in told:
                told.add(name)
                todo += [(depth + 1, each, each == below[-1]) for each in reversed(below)]

    def reasons(self, name: str) -> list[tuple[str, ...]]:
        """Return why a package is there: for each that requires it, the shortest chain of names from the configuration.

        Returns:
            Chains that end in the package itself, the shortest first; the configuration is not named.
        """
        chains = []
        for requirer in self.packages[name].required_by:
            chain, step = [name], requirer
            while step not in (ROOT, name):
                chain.append(step)
                step = self._shortest.get(step, ROOT)
            # One that is there for the package's own sake is no reason.
            if step == ROOT:
                chains.append(tuple(reversed(chain)))
        return sorted(chains, key=lambda chain: (len(chain), chain))

    @cached_property
    def _shortest(self) -> dict[str, str]:
        """Who requires each package on the shortest way from the configuration."""
        before: dict[str, str] = {}
        todo = deque([ROOT])
        while todo:
            name = todo.popleft()
            for each in self.required.get(name, ()):
                if each not in before:
                    before[each] = name
                    todo.append(each)
        return before
