"""Wine: runs the programs of Windows bundles, in a prefix of their own."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bundle.artifacts.runtime import Again
from bundle.base.errors import WorkError
from bundle.base.files import locked, read_regular
from bundle.base.folders import copy_tree, listing, remove_tree
from bundle.base.processes.run import Completed, check, run
from bundle.base.staging import staged_folder
from bundle.make.verify.emulators.protocol import EmulatedRunner, EmulatorWorkspace, Missing, Which

_OVERRIDES = "mscoree,mshtml,wbemprox,winemenubuilder.exe,winedbg.exe="
"""Parts of Windows that Python does not need: .NET, a browser, hardware inventories, menus; and a debugger that takes
seconds for each crash and may end it with exit code 0."""

_QUIET = 'exec "$0" "$@" </dev/null >/dev/null 2>&1'
"""Wine's services outlive the program that started them, and would hold its output open."""

_REGISTRY = "system.reg"

_SERVER_FOLDERS = Path("/tmp")  # noqa: S108 - it is Wine that chose it
_SERVER_FOLDER = re.compile(r"\.?wine-\w+")
_FOLDER_NAME, _LONGEST_NAME = "wineserver", 255
"""The file of a prefix in which Debian's Wine keeps the name of its server's folder, and the most bytes of that."""

_PREPARING = 300.0

_LINGERING = "-p60"
"""A server stays that many seconds when its last program has ended, in case no one stops it."""

_APART = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL).returncode & 255)"
"""Starts a program with another standard error than this process's, which is left to Wine's own messages."""

_CHANNELS = "-all,trace+loaddll,err+winediag"
"""The address of each library that is loaded, and the libraries of this machine that Wine's own do not find."""

_OWN = re.compile(r"wine: .*|wine client error:.*|wineserver: .*")

_FAULTS = re.compile(
    r"wine: Call from \S+ to unimplemented function .*"
    r"|wine: Unimplemented function .*"
    r"|wine: Unhandled exception 0x80000100.*"
    r"|wine(?:server)?: (?:could not|cannot|can't) .*"
    r"|wine client error:.*|wineserver: .*"
)

_CRASH = re.compile(r"wine: Unhandled .* at address (?:0x)?([0-9A-Fa-f]+)")
_LOADED = re.compile(r':loaddll:\w+ Loaded L"(?P<path>.*)" at (?P<address>[0-9A-Fa-f]+): (?P<kind>builtin|native)')

_WITHOUT = re.compile(r".*:err:winediag:\w+ (failed to open library .*)")

_BASE = re.compile(r"(?:ntdll|kernel32|kernelbase|ucrtbase|msvc\w*|vcruntime\w*)\.dll")
"""Libraries that crash when a program passes wrong addresses to them."""

_LARGEST = 2**26
"""Bytes of the largest library of Wine."""


@dataclass(frozen=True, kw_only=True)
class WineRunner(EmulatedRunner):
    """Wine with a prefix."""

    refusal = re.compile(r"wine: failed to open .*|.*\bBad EXE format for.*|Application could not be started, or no .*")

    program: str
    prefix: Path
    name: str = "wine"
    children: bool = True
    shell: bool = False
    patience: float = 5.0
    place: str = "Wine"
    channels: str = "-all"
    """Wine's debug output; none by default."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The prefix, and the debug output."""
        return {**prefix_environment(self.prefix), "WINEDEBUG": self.channels}

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command line."""
        return [self.program, str(program), *arguments]

    def translate(self, path: Path) -> str:
        """Return the path on drive Z:, which is this machine's root."""
        return "Z:" + str(path).replace("/", "\\")

    def inconclusive(self, completed: Completed, again: Again) -> str | None:
        """Return Wine's message about a feature that it lacks, or about a fault of its own."""
        if completed.timed_out:
            return f"no answer within {completed.seconds:.0f} s under Wine"
        if completed.code < 0:
            return f"Wine was ended by signal {-completed.code}"
        if not any(_OWN.match(line.strip()) for line in completed.errors.splitlines()):
            return None
        told = again(replace(self, channels=_CHANNELS), through=_APART).errors
        without = None
        for line in told.splitlines():
            if (loaded := _LOADED.search(line)) and loaded["kind"] == "native":
                without = None  # What an earlier module asked for is no reason for a crash in a later one.
            elif lacking := _WITHOUT.match(line):
                without = f"Wine {lacking[1]}"
            if match := _FAULTS.fullmatch(line.strip()):
                return match[0]
            if (crash := _CRASH.match(line.strip())) and (library := _builtin_at(int(crash[1], 16), told)):
                return f"{crash[0]}, inside Wine's own {library}"
            if crash and without:
                return without
        return None


def _builtin_at(address: int, told: str) -> str | None:
    """Return the name of Wine's library at an address, None if it is another one's or the C library."""
    loaded = {int(match["address"], 16): match for match in _LOADED.finditer(told)}
    below = max((start for start in loaded if start <= address), default=None)
    if below is None or address - below > _LARGEST or loaded[below]["kind"] == "native":
        return None
    name = loaded[below]["path"].rpartition("\\")[2].lower()
    return None if _BASE.fullmatch(name) else name


@dataclass(frozen=True, kw_only=True)
class Wine:
    """A Wine that is installed."""

    program: str
    server: str
    name: str = "wine"

    @contextmanager
    def ready(self, workspace: EmulatorWorkspace) -> Iterator[WineRunner]:
        """Make a prefix for one bundle, with a server that ends with the block."""
        template = self._template(workspace)
        prefix = workspace.scratch / "wine"
        with workspace.reporter.task("preparing Wine"):
            copy_tree(template, prefix)
        env = _outer(workspace.scratch, prefix)
        try:
            # One server, and the services with it, for all programs.
            check(run(["/bin/sh", "-c", _QUIET, self.server, _LINGERING], env=env, timeout=_PREPARING), "Starting Wine")
            first = ["/bin/sh", "-c", _QUIET, self.program, "cmd", "/c", "exit"]
            check(run(first, env=env, timeout=_PREPARING), "Starting Wine")
            yield WineRunner(program=self.program, prefix=prefix)
        finally:
            self._end_server(prefix, env)
            remove_tree(prefix)

    def _end_server(self, prefix: Path, env: Mapping[str, str]) -> None:
        for option in ("-k", "-w"):
            run([self.server, option], env=env, timeout=60)
        with suppress(OSError):
            _remove_server_folder(prefix)

    def _template(self, workspace: EmulatorWorkspace) -> Path:
        """Return a prefix to copy, made once for this Wine: making one takes longer than verifying a small bundle."""
        env = _outer(workspace.scratch, workspace.scratch / "none")
        version = check(run([self.program, "--version"], env=env, timeout=60), "Wine")
        digest = hashlib.sha256(f"{version.output.strip()}\0{_OVERRIDES}".encode()).hexdigest()[:16]
        template = workspace.work / f"wine-{digest}"
        with locked(workspace.work / "wine.lock", reporter=workspace.reporter, what="Wine's template"):
            if template.is_dir():
                os.utime(template / _REGISTRY)  # Templates in use are not pruned.
                return template
            for other in workspace.work.glob("wine-*/"):
                remove_tree(other)  # Of another version of Wine.
            with workspace.reporter.task("making a Wine prefix (once)"), staged_folder(template) as folder:
                env = _outer(workspace.scratch, folder)
                try:
                    made = run(
                        ["/bin/sh", "-c", _QUIET, self.program, "wineboot", "--init"], env=env, timeout=_PREPARING
                    )
                    check(made, "Making a Wine prefix")
                finally:
                    # The registry is written when the server ends.
                    self._end_server(folder, env)
                if not (folder / _REGISTRY).is_file():
                    raise WorkError(
                        "Wine created no prefix.",
                        cause="It ran, but wrote no registry.",
                        remedy="Run `wineboot --init` by hand, and repair the installation.",
                    )
                _close(folder)
        return template


def find_wine(which: Which) -> Wine | Missing:
    """Find Wine on this machine."""
    program = which("wine") or which("wine64")
    if program is None:
        return Missing(
            what="wine is not on PATH; without it this machine cannot run programs for windows-x64.",
            remedy="Install it (Debian: apt-get install --no-install-recommends wine wine64), or run `bundle verify` "
            "on Windows.",
        )
    beside = Path(os.path.realpath(program)).with_name("wineserver")
    server = which("wineserver") or (str(beside) if beside.is_file() else None)
    if server is None:
        return Missing(
            what=f"wine is {program}, but its wineserver is not on PATH.",
            remedy="Install all of Wine, or correct PATH.",
        )
    return Wine(program=program, server=server)


def prefix_environment(prefix: Path) -> dict[str, str]:
    """Return the variables that every program of a prefix is started with."""
    return {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": _OVERRIDES, "WINEARCH": "win64"}


def _outer(home: Path, prefix: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8", **prefix_environment(prefix)}


def _remove_server_folder(prefix: Path) -> None:
    """Remove the folder for sockets that the server of a prefix leaves behind."""
    own = prefix.stat()
    note = prefix / _FOLDER_NAME
    # A program under Wine may have written it.
    name = read_regular(note, most=_LONGEST_NAME).decode(errors="replace") if note.exists() else f".wine-{own.st_uid}"
    place = _SERVER_FOLDERS / name
    if _SERVER_FOLDER.fullmatch(name) and place.lstat().st_uid == own.st_uid:
        remove_tree(place / f"server-{own.st_dev:x}-{own.st_ino:x}")
        # Prefixes that were copied from one share this folder: it stays while another one's server is in it.
        place.rmdir()


def _close(prefix: Path) -> None:
    """Replace the links from a prefix into the home folder by folders; only drive Z: may lead out of it."""
    for path, status in listing(prefix / "drive_c").items():
        link = prefix / "drive_c" / path
        if stat.S_ISLNK(status.st_mode):
            link.unlink()
            link.mkdir()
