"""qemu-user: runs the programs of bundles for the other Linux architecture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle.base.processes.run import Completed
from bundle.make.verify.emulators.loader_errors import has_loader, lacking, require_loader, too_old
from bundle.make.verify.emulators.protocol import EmulatedRunner, EmulatorWorkspace, Missing, Which
from bundle.model.platforms import Platform

VARIABLE = "BUNDLE_SYSROOT"
"""Names a sysroot; with the platform's key appended, such as `BUNDLE_SYSROOT_LINUX_AARCH64`, for that platform only."""

_BINFMT = Path("/proc/sys/fs/binfmt_misc")

_EMULATORS_FAULTS = (
    r"qemu: uncaught target signal (?:4 \(Illegal instruction\)|31 \(Bad system call\)).*",
    r"qemu: unhandled .*",
    r"QEMU internal SIG.*",
    r".*\bUnsupported syscall: .*",
    # qemu's answer to an unknown system call.
    r".*OSError: \[Errno 38\] Function not implemented.*",
    r"ERROR:.*",
    r".*(?:qemu|tcg)\S*: .*[Aa]ssertion.*",
    r"qemu-\S+: (?!.*Invalid ELF image).*",
)
_FAULT = re.compile("|".join(f"(?:{pattern})" for pattern in _EMULATORS_FAULTS))
_GUESTS_SIGNAL = re.compile(r"qemu: uncaught target signal \d+.*")


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
        return str(self.sysroot)

    @property
    def environment(self) -> Mapping[str, str]:
        """The options of the command line, as variables for programs that the system starts."""
        return {"QEMU_CPU": self.platform.qemu_cpu, "QEMU_LD_PREFIX": str(self.sysroot)}

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command line; without qemu where the system starts it."""
        if self.children:
            return [str(program), *arguments]
        return [self.program, "-cpu", self.platform.qemu_cpu, "-L", str(self.sysroot), str(program), *arguments]

    def inconclusive(self, completed: Completed) -> str | None:
        """Return qemu's message about a feature that it lacks, or the library that the sysroot lacks."""
        if completed.timed_out:
            return f"no answer within {completed.seconds:.0f} s under {self.name}"
        for line in completed.errors.splitlines():
            if _FAULT.fullmatch(line.strip()):
                return line.strip()
        if completed.code < 0 and not _GUESTS_SIGNAL.search(completed.errors):
            return f"{self.name} was ended by signal {-completed.code}"
        if not self.chosen and (older := too_old(completed.errors)):
            return f"{older[1]}: the sysroot {self.sysroot} is too old for an answer"
        return lacking(completed.errors, f"the sysroot {self.sysroot}")

    @contextmanager
    def ready(self, workspace: EmulatorWorkspace) -> Iterator[Qemu]:  # noqa: ARG002 - nothing to prepare
        """Give the runner."""
        yield self


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
