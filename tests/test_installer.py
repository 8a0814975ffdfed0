"""The tool as a bundle of itself, on a machine that has a C library and busybox alone."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.base.processes.run import Completed, run
from tests.artifacts.remotes.stores import free_port, served
from tests.foreign.bundles import found, program
from tests.foreign.systems import only_the_c_library, system
from tests.make.projects import host_python, this_machine

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[1]

VERSION = "3.12.10-bundle"
OTHER = "3.12.10-empty"

HOME = "/home/somebody"
COMMAND = f"{HOME}/.local/share/bundle/installed/{VERSION}/bin/bundle"


class Clone:
    """A copy of what the tool is made from, with two versions of bundles.

    Args:
        root: the copy's folder; made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.remote = root.with_name("remote")
        root.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE", "shared-config.json"):
            shutil.copy(ROOT / name, root)
        shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for version in (VERSION, OTHER):
            shutil.copytree(ROOT / "versions" / version, root / "versions" / version)

    def bundle(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "bundle", "--quiet", "--project", str(self.root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def publish(self, address: str) -> None:
        self.bundle("build", "--all", "--locked", "--interpreter", "host")
        to = ("--to", str(self.remote), "--address", address)
        self.bundle("publish", "--all", *to, "--installer", "--allow-substitute")


class Bare:
    """A machine without Python, which shares the network with this one.

    Args:
        root: its files; made.
    """

    def __init__(self, root: Path) -> None:
        release = platform.freedesktop_os_release()
        suite = found(
            release.get("VERSION_CODENAME") if release["ID"] == "debian" else None, "this system is no Debian"
        )
        self.root = only_the_c_library(system(suite, "libc6", "busybox-static"), this_machine(), root)
        self.home = root.with_name("home")
        (root / "bin").mkdir(exist_ok=True)
        busybox = root / "bin" / "busybox"
        shutil.copy(system(suite, "libc6", "busybox-static") / "bin" / "busybox", busybox)
        for name in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            if name != "busybox":
                (root / "bin" / name).symlink_to("busybox")
        for folder in (self.home, *(root / name for name in ("proc", "dev", "tmp", "home/somebody"))):
            folder.mkdir(parents=True, exist_ok=True)

    def run(self, *command: str) -> Completed:
        """Run a command as a person who may write below the home folder alone, and in an empty `/tmp`."""
        view = ("--ro-bind", self.root, "/", "--bind", self.home, HOME, "--tmpfs", "/tmp", "--proc", "/proc")
        user = ("--unshare-user", "--uid", "1000", "--gid", "1000", "--clearenv", "--setenv", "HOME", HOME)
        path = ("--setenv", "PATH", "/bin", "--chdir", HOME)
        return run([program("bwrap", "bubblewrap"), *view, "--dev", "/dev", *user, *path, *command], timeout=300)

    def bundle(self, *arguments: str) -> str:
        done = self.run(COMMAND, *arguments)
        assert done.code == 0, done.errors
        return done.output

    def upgrades(self, version: str) -> bool:
        (one,) = (one for one in json.loads(self.bundle("--json", "list"))["installed"] if one["version"] == version)
        return bool(one["upgrade"]["state"] == "upgrade")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    host_python()
    return Clone(tmp_path / "clone")


@pytest.fixture
def url(clone: Clone) -> Iterator[str]:
    clone.remote.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(clone.remote), str(port)]
    with served(command, port):
        yield f"http://127.0.0.1:{port}"


def test_a_machine_without_python_gets_the_tool_and_bundles(clone: Clone, url: str, tmp_path: Path) -> None:
    clone.publish(url)
    bare = Bare(tmp_path / "bare")
    assert bare.run("sh", "-c", "python3").code == 127
    done = bare.run("sh", "-c", f"wget -q -O - {url}/install.sh | sh")
    assert done.code == 0, done.errors
    assert f'export PATH="{COMMAND.removesuffix("/bundle")}:$PATH"' in done.output

    bare.bundle("install", OTHER, "--from", url)
    assert bare.bundle("run", OTHER, "--", "python", "-c", "import ssl, sqlite3; print(6 * 7)") == "42\n"
    assert not bare.upgrades(VERSION)

    # The tool replaces the folder that it runs from.
    page = clone.root / "src" / "bundle" / "cli" / "use" / "which.py"
    page.write_text(page.read_text().replace("Print the folder", "Tell the folder"))
    clone.publish(url)
    assert bare.upgrades(VERSION)
    assert "installed" in bare.bundle("install", VERSION, "--from", url, "--keep-previous")
    assert "Tell the folder" in bare.bundle("which", "--help")
    assert "Print the folder" in bare.bundle("rollback", VERSION) + bare.bundle("which", "--help")
    bare.bundle("rollback", VERSION)
    assert "Tell the folder" in bare.bundle("which", "--help")

    # The script may run again, and brings an older install up to date.
    bare.bundle("rollback", VERSION)
    again = bare.run("sh", "-c", f"wget -q -O - {url}/install.sh | sh -s -- --into tool")
    assert again.code == 0, again.errors
    assert "Tell the folder" in bare.run(f"{HOME}/tool/bin/bundle", "which", "--help").output

    bare.bundle("uninstall", OTHER)
    bare.bundle("uninstall", f"{HOME}/tool")
    bare.bundle("uninstall", VERSION)
    data = bare.home / ".local" / "share" / "bundle"
    assert [path for path in data.rglob("*") if path.is_file()] == []
