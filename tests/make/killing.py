"""Commands that are killed at random moments, and what the next run makes of the rest."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bundle.base.files import sha256_of
from bundle.base.folders import remove_tree
from tests.make.projects import VERSION, SmallProject, Started, World, leftovers, this_machine

PACKAGES: dict[str, Any] = {
    "dependencies": ["hello", "sourced"],
    "copyFiles": [{"from": "own/bin", "to": "bin"}],
}


@dataclass(frozen=True, kw_only=True)
class Victim:
    """A command that is killed."""

    command: tuple[str, ...]
    lacks: Callable[[SmallProject], list[Path]]
    """What the command has to make: taken out of a copy of the finished project before."""
    share: int
    """How many of twenty kills it gets."""


VICTIMS: Mapping[str, Victim] = {
    "build from nothing": Victim(
        command=("build", VERSION), lacks=lambda project: [project.cache, *_results(project)], share=3
    ),
    "build": Victim(
        command=("build", VERSION),
        lacks=lambda project: [project.cache / "frames", project.cache / "keys", *_results(project)],
        share=7,
    ),
    "catalogue": Victim(command=("build", VERSION), lacks=lambda project: _results(project), share=3),
    "lock": Victim(command=("lock", VERSION, "--upgrade"), lacks=lambda project: [project.lock], share=3),
    "prune": Victim(command=("cache", "prune", "--older-than", "0"), lacks=lambda _: [], share=4),
}


def _results(project: SmallProject) -> list[Path]:
    return [project.output, project.catalogue, project.lock]


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What came of one kill."""

    victim: str
    moment: float
    """Seconds after the command began."""
    left: tuple[str, ...]
    """Names of half-made files and folders that it left."""
    wrong: str
    """What is wrong after the next run; empty if nothing is."""

    def __str__(self) -> str:
        return f"{self.victim}: killed after {self.moment:.2f} s, left {list(self.left)}; {self.wrong or 'ended well'}"


class Killing:
    """Copies of a project that was built undisturbed, whose commands are killed.

    Args:
        folder: gets the copies.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._folder = folder
        platforms = [this_machine().key]
        place = {"root": folder / "project", "cache": folder / "cache"}
        self.project = world.project(**place, packages=PACKAGES, platforms=platforms)
        self.project.build()
        self._made = self._bytes(self.project)

    @cached_property
    def seconds(self) -> dict[str, float]:
        """How long each command takes when nothing disturbs it."""
        taken = {}
        for name, victim in VICTIMS.items():
            project = self._copy(f"timed {name}", victim)
            started = time.monotonic()
            done = project.run(*victim.command)
            taken[name] = time.monotonic() - started
            if done.code:
                raise RuntimeError(f"{name}: {done.errors}")
            self._forget(project)
        return taken

    def kills(self, count: int, *, seed: int = 20, at_once: int = 2) -> Iterator[Kill]:
        """Kill commands, at moments spread over their time, and yield what comes of each.

        Args:
            at_once: so that the moments of one run fall where the other one makes it slow.
        """
        chance = random.Random(seed)
        shares = [name for name, victim in VICTIMS.items() for _ in range(victim.share)]
        names = [shares[number * len(shares) // count % len(shares)] for number in range(count)]
        each = {name: names.count(name) for name in names}
        place = dict.fromkeys(names, 0)
        jobs = []
        for number, name in enumerate(names):
            moment = self.seconds[name] * (place[name] + chance.random()) / each[name]
            place[name] += 1
            jobs.append((number, name, moment))
        with ThreadPoolExecutor(at_once) as pool:
            yield from pool.map(lambda job: self._kill(*job), jobs)

    def _kill(self, number: int, name: str, moment: float) -> Kill:
        victim = VICTIMS[name]
        project, running = self._start(f"{number}", victim)
        while not running.killed_after(moment):
            # The machine is quicker now than it was when the time was taken.
            self._forget(project)
            moment /= 2
            project, running = self._start(f"{number} after {moment}", victim)
        left = tuple(path.name for path in leftovers(project.root, project.cache))
        wrong = self._wrong_in_the_next(project)
        self._forget(project)
        return Kill(victim=name, moment=moment, left=left, wrong=wrong)

    def _start(self, name: str, victim: Victim) -> tuple[SmallProject, Started]:
        project = self._copy(name, victim)
        # The library that calls build backends cannot remove its temporary folder when it is killed.
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(project.root.parent))
        return project, project.start(*victim.command, environ=temporary)

    def _copy(self, name: str, victim: Victim) -> SmallProject:
        project = replace(self.project, root=self._folder / name / "project", cache=self._folder / name / "cache")
        for source, target in ((self.project.root, project.root), (self.project.cache, project.cache)):
            target.parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)
        for path in victim.lacks(project):
            remove_tree(path)
        if not project.cache.exists() and "nothing" not in name:
            # That the result was verified saves the most of the time, and nothing else.
            shutil.copytree(self.project.cache / "verified", project.cache / "verified")
        return project

    def _forget(self, project: SmallProject) -> None:
        remove_tree(project.root.parent)

    def _wrong_in_the_next(self, project: SmallProject) -> str:
        again = project.run("build", VERSION)
        if again.code:
            return again.errors
        if self._bytes(project) != self._made:
            return "other bytes"
        if remaining := leftovers(project.root):
            return f"left {remaining}"
        for what in ("cache", "catalogue"):
            checked = project.run(what, "verify")
            if checked.code:
                return checked.output + checked.errors
        remaining = leftovers(project.cache)
        return f"left {remaining}" if remaining else ""

    def _bytes(self, project: SmallProject) -> list[str]:
        return [sha256_of(path) for path in (project.archive, project.lock, project.catalogue)]
