"""The `.venv` beside the sources: made on first use from the hash-pinned locks, renewed when they change."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "toolchain.stamp"
LOCKS = {"run": ROOT / "scripts" / "requirements.txt", "dev": ROOT / "scripts" / "requirements-dev.txt"}
OLDEST_PYTHON = (3, 11)

Purpose = Literal["run", "dev"]


def ensure(purpose: Purpose) -> Path:
    """Return the Python of the toolchain's own environment, made or renewed if need be.

    Args:
        purpose: "run" for the tool and its dependencies, "dev" for the linters and test runner as well.
    """
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if os.environ.get("LC_ALL") in ("C", "POSIX"):
        # Python reads .pth files in the locale's encoding, and the clone may stand where ASCII has no word for.
        os.environ["LC_ALL"] = "C.UTF-8"
    if _is_current(purpose):
        return python
    _require_python(sys.argv)
    with _only_one():
        if not _is_current(purpose):
            _make(python, purpose)
    return python


def replace_process(arguments: list[str]) -> NoReturn:
    """Go on as another program, so that signals and exit codes are its own."""
    if os.name == "nt":
        sys.exit(subprocess.run(arguments, check=False).returncode)
    os.execv(arguments[0], arguments)  # noqa: S606 - no shell is wanted


def _fingerprint(purpose: Purpose) -> str:
    digest = hashlib.sha256(purpose.encode())
    for path in (LOCKS[purpose], ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_current(purpose: Purpose) -> bool:
    try:
        stamps = STAMP.read_text().split()
    except OSError:
        return False
    return _fingerprint("dev") in stamps or _fingerprint(purpose) in stamps


def _make(python: Path, purpose: Purpose) -> None:
    print(f"Setting up {VENV.name} for the toolchain (once, about 20 seconds) ...", file=sys.stderr, flush=True)
    STAMP.unlink(missing_ok=True)
    _step([sys.executable, "-I", "-m", "venv", "--clear", str(VENV)], "make a virtual environment")
    pip = [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _step([*pip, "--require-hashes", "--requirement", str(LOCKS[purpose])], "install the pinned dependencies")
    _step([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], "install bundle itself")
    STAMP.write_text(_fingerprint(purpose) + "\n")


def _step(arguments: list[str], what: str) -> None:
    result = subprocess.run(arguments, check=False, capture_output=True, text=True)
    if result.returncode:
        sys.stderr.write(result.stdout + result.stderr)
        sys.exit(
            f"error: could not {what}.\n"
            "  cause: usually the package index does not answer, or this Python has no venv module "
            "(on Debian and Ubuntu: the package python3-venv).\n"
            "  to do: mend that and run the same command again."
        )


def _require_python(arguments: list[str]) -> None:
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return
    for minor in range(OLDEST_PYTHON[1], OLDEST_PYTHON[1] + 10):
        if newer := shutil.which(f"python3.{minor}"):
            replace_process([newer, *arguments])
    sys.exit(
        f"error: this is Python {sys.version_info[0]}.{sys.version_info[1]}, and the toolchain needs 3.11 or later.\n"
        "  to do: install one, or name it: python3.12 scripts/bundle ..."
    )


@contextmanager
def _only_one() -> Iterator[None]:
    if os.name == "nt":
        yield
        return
    import fcntl

    with (ROOT / "scripts" / "toolchain.py").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
