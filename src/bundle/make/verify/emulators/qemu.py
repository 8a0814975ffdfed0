"""qemu-user: runs the programs of bundles for the other Linux architecture."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.artifacts.runtime import Again
from bundle.base.processes.run import Completed
from bundle.base.text import last_lines
from bundle.make.verify.emulators.loader_errors import has_loader, require_loader, too_old
from bundle.make.verify.emulators.protocol import EmulatedRunner, EmulatorWorkspace, Missing, Which
from bundle.model.platforms import Platform

VARIABLE = "BUNDLE_SYSROOT"
"""Names a sysroot; with the platform's key appended, such as `BUNDLE_SYSROOT_LINUX_AARCH64`, for that platform only."""

_BINFMT = Path("/proc/sys/fs/binfmt_misc")

_GUESTS_SIGNAL = re.compile(r"qemu: uncaught target signal (\d+) \(.*")
"""qemu's last line when a signal ends the program; then qemu ends itself by the same signal."""

_AMBIGUOUS = frozenset({signal.SIGILL, signal.SIGSYS})
"""Signals that a program raises, or gets for what qemu or this machine's kernel does not know."""

_OWN_LINE = re.compile(r"qemu-\S+: (?!.*Invalid ELF image).*")

_NO_SUCH_CALL = re.compile(r"Function not implemented|\b(?:Errno|os error) 38\b")
"""The answer to an unknown system call, as C, Python and Rust print it."""

_UNKNOWN_CALL = re.compile(r"^Unsupported syscall: (\d+)$", re.MULTILINE)

_HARMLESS_CALLS = frozenset({"293", "334", "435"})
"""rseq (of ARM and x86) and clone3: the C library does without."""

_LOGGED_SIGNAL = re.compile(r"^--- (SIG\w+) \{.*?si_code=(\w+)", re.MULTILINE)

_MOST_LOGGED = 2**22
"""Bytes at the end of a log that are read."""


@dataclass(frozen=True, kw_only=True)
class Qemu(EmulatedRunner):
    """qemu-user with a sysroot, both emulator and runner."""

    refusal = re.compile(r"qemu-\S+: \S*/?\S.*: Invalid ELF image for this architecture|Error while loading .*")

    program: str
    platform: Platform
    sysroot: Path
    chosen: bool
    """Whether the user named the sysroot; a bundle that is too new for it has failed then."""
    children: bool
    """Whether the system starts the architecture's programs by qemu itself (binfmt_misc)."""
    patience: float = 10.0
    scratch: Path | None = None
    """The folder for qemu's logs."""
    log: Path | None = None
    """Where qemu writes each system call, signal, and what it does not know; None for no log."""

    @property
    def name(self) -> str:
        """The program's name."""
        return Path(self.program).name

    @property
    def shell(self) -> bool:
        """Whether scripts can be started: their shell is this machine's, the program that it starts is not."""
        return self.children

    @property
    def place(self) -> str:
        """The sysroot."""
        return f"the sysroot {self.sysroot}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The options of the command line, as variables for programs that the system starts."""
        variables = {"QEMU_CPU": self.platform.qemu_cpu, "QEMU_LD_PREFIX": str(self.sysroot)}
        if self.log is not None:
            # One file for each process: qemu puts its number in the place of %d.
            variables |= {"QEMU_LOG": "unimp", "QEMU_STRACE": "1", "QEMU_LOG_FILENAME": f"{self.log}/%d"}
        return variables

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command line; without qemu where the system starts it."""
        if self.children:
            return [str(program), *arguments]
        return [self.program, "-cpu", self.platform.qemu_cpu, "-L", str(self.sysroot), str(program), *arguments]

    def inconclusive(self, completed: Completed, again: Again) -> str | None:
        """Return qemu's message about a feature that it lacks, or the version that its own sysroot lacks."""
        if completed.timed_out:
            return f"no answer within {completed.seconds:.0f} s under {self.name}"
        if completed.code < 0:
            return self._of_signal(-completed.code, completed, again)
        if words := self._of_log(completed, again):
            return words
        if not self.chosen and (older := too_old(completed.errors)):
            return f"{older[1]}: the sysroot {self.sysroot} is too old for an answer"
        return None

    def _of_signal(self, number: int, completed: Completed, again: Again) -> str | None:
        """Return qemu's failure if it was ended by a signal that the program neither raised nor deserved."""
        last = _GUESTS_SIGNAL.fullmatch((last_lines(completed.errors, 1) or ("",))[0])
        if last and int(last[1]) == number and number not in _AMBIGUOUS:
            return None
        log = self._logged(again)
        told = [(name, code) for name, code in _LOGGED_SIGNAL.findall(log) if _number(name) == number]
        if told and number in _AMBIGUOUS and told[-1][1].isdigit():
            what = "an instruction" if number == signal.SIGILL else "a system call"
            return f"{self.name} ({self.platform.qemu_cpu}) does not know {what} of the program"
        if told or re.search(rf"\b(?:t?g?kill)\([\d,]+,{_name(number)}\)", log):
            return None
        return f"{self.name} was ended by signal {number}"

    def _of_log(self, completed: Completed, again: Again) -> str | None:
        """Return what qemu's log says of a failure that looks like qemu's in the program's output."""
        lines = last_lines(completed.errors, 2)
        refused = len(lines) == 1 and completed.code and _OWN_LINE.fullmatch(lines[0])
        unknown = _NO_SUCH_CALL.search(completed.errors)
        if not refused and not unknown:
            return None
        log = self._logged(again)
        if refused and not log:
            return lines[0]  # The program never began.
        calls = [number for number in _UNKNOWN_CALL.findall(log) if number not in _HARMLESS_CALLS]
        return f"Unsupported syscall: {calls[-1]}" if unknown and calls else None

    def _logged(self, again: Again) -> str:
        """Return the log of a second run."""
        with TemporaryDirectory(dir=self.scratch, prefix="qemu-log-") as folder:
            again(replace(self, log=Path(folder)))
            logs = sorted(Path(folder).iterdir(), key=lambda path: path.stat().st_mtime_ns)
            return "".join(_end_of(path) for path in logs)

    @contextmanager
    def ready(self, workspace: EmulatorWorkspace) -> Iterator[Qemu]:
        """Give the runner."""
        yield replace(self, scratch=workspace.scratch)


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _MOST_LOGGED))
        return file.read(_MOST_LOGGED).decode(errors="replace")


def _name(number: int) -> str:
    return signal.Signals(number).name


def _number(name: str) -> int:
    return signal.Signals[name] if name in signal.Signals.__members__ else 0


def find_qemu(
    platform: Platform,
    environ: Mapping[str, str],
    which: Which,
    root: Path | None = None,
    *,
    binfmt: Path = _BINFMT,
) -> Qemu | Missing:
    """Find qemu and a sysroot for a Linux platform.

    Args:
        environ: may name the sysroot.
        root: the sysroot that the user named, if any.
        binfmt: the kernel's folder of the emulators that it starts by itself.

    Raises:
        ConfigError: the named sysroot has no program loader of the platform.
    """
    # Where Debian's cross packages put the C library.
    usual = Path("/usr", platform.multiarch)
    variables = (f"{VARIABLE}_{platform.key.upper().replace('-', '_')}", VARIABLE)
    named = next((name for name in variables if environ.get(name)), None)
    chosen = None
    if root is not None:
        chosen = require_loader(root, platform, "--root")
    elif named is not None:
        chosen = require_loader(Path(environ[named]), platform, named)
    names = (f"qemu-{platform.machine}-static", f"qemu-{platform.machine}")
    program = next((found for name in names if (found := which(name))), None)
    packages = " ".join(f"{library}-{platform.debian}-cross" for library in ("libc6", "libgcc-s1", "libstdc++6"))
    remedy = f"Install it (Debian: apt-get install qemu-user-static {packages}), or run `bundle verify` on a "
    remedy += f"machine of {platform.key}."
    if program is None:
        what = f"{names[0]} is not on PATH; without it this machine cannot run programs for {platform.key}."
        return Missing(what=what, remedy=remedy)
    # Without cross packages, the architecture's libraries may be installed beside the machine's own.
    sysroot = chosen or next((path for path in (usual, Path("/")) if has_loader(path, platform)), None)
    if sysroot is None:
        return Missing(
            what=f"{Path(program).name} has no C library of {platform.key}: {usual} does not exist.",
            remedy=f"{remedy} {VARIABLE} names another folder.",
        )
    return Qemu(
        program=program,
        platform=platform,
        sysroot=sysroot,
        chosen=chosen is not None,
        children=_registered(binfmt / f"qemu-{platform.machine}"),
    )


def _registered(entry: Path) -> bool:
    return entry.is_file() and entry.read_text().startswith("enabled")
