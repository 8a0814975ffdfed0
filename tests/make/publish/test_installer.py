"""The installer of a remote: what is published, and its scripts under several shells with a stand-in for the tool."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from bundle.artifacts.catalogue_entry import ArchiveRecord, Entry, PackageRecord
from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.report import Reporter
from bundle.make.publish.candidates import part_of
from bundle.make.publish.collect import collect
from bundle.make.publish.installer import (
    TOOL,
    Installer,
    installer_of,
    publish_installer,
    require_address,
    withdraw_installer,
)
from tests.artifacts.remotes.stores import SECRET
from tests.base.server import Site, serving
from tests.foreign.bundles import found, program
from tests.make.publish.built import Built

real = pytest.mark.real

VERSION = "3.12.10-bundle"

SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])

TOOL_SCRIPT = """\
#!/bin/sh
case $1 in
--version) exit "${START:-0}" ;;
which) echo "/opt/it" ;;
*)
    for word; do echo "<$word>"; done
    [ -z "${WAIT:-}" ] || { touch "$WAIT"; while :; do sleep 0.05; done; }
    exit "${END:-0}"
    ;;
esac
"""
"""Stands for the tool: says how it was called."""

PROGRAMS = ("sh", "cat", "head", "wc", "tar", "gzip", "rm", "mktemp", "uname", "sleep", "touch")


def archive_of(folder: Path, content: bytes = TOOL_SCRIPT.encode()) -> Path:
    path = folder / "tool.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("python/bin/bundle")
        member.size, member.mode = len(content), 0o755
        tar.addfile(member, io.BytesIO(content))
    return path


def record_of(path: Path, suffix: str = "tar.gz") -> ArchiveRecord:
    content = path.read_bytes()
    digest = sha256(content).hexdigest()
    return ArchiveRecord(format=suffix, path=f"archives/{digest}.{suffix}", sha256=digest, size=len(content))


def installer(path: Path, *keys: str) -> Installer:
    record = record_of(path)
    source = partial(part_of, path, 0, record.size)
    return Installer(
        version=VERSION,
        archives=dict.fromkeys(keys, record),
        sources=dict.fromkeys(keys, source),
        floors={"glibc": "2.28", "macos": "13.0"},
    )


@pytest.fixture
def remote(tmp_path: Path) -> FileRemote:
    remote = FileRemote(Folder(tmp_path / "a remote", reporter=Reporter()))
    remote.replace_catalogue(PublishedCatalogue(), None)
    return remote


def published(remote: FileRemote, tmp_path: Path, *, address: str = "", content: str = TOOL_SCRIPT) -> Path:
    """Publish the installer for all POSIX platforms and return the remote's folder."""
    keys = ("linux-x64", "linux-aarch64", "macosx-x64", "macosx-aarch64")
    made = installer(archive_of(tmp_path, content.encode()), *keys)
    publish_installer(made, remote, address, reporter=Reporter())
    return Path(remote.url)


class TestPublishing:
    def test_archives_are_sent_once_and_replaced_ones_are_collected(self, remote: FileRemote, tmp_path: Path) -> None:
        first = published(remote, tmp_path)
        made = installer(archive_of(tmp_path), "linux-x64")
        assert publish_installer(made, remote, "", reporter=Reporter()) == 0
        (archive,) = (first / "archives").iterdir()
        assert collect(remote, grace=0, reporter=Reporter()).removed == ()
        published(remote, tmp_path, content=TOOL_SCRIPT + "# newer\n")
        assert [one.name for one in collect(remote, grace=0, reporter=Reporter()).removed] == [
            f"archives/{archive.name}"
        ]
        (left,) = (first / "archives").iterdir()
        assert left.name in (first / "install.sh").read_text()

    def test_a_changed_archive_is_not_sent(self, remote: FileRemote, tmp_path: Path) -> None:
        path = archive_of(tmp_path)
        made = installer(path, "linux-x64")
        path.write_bytes(path.read_bytes()[::-1])
        with pytest.raises(IntegrityError):
            publish_installer(made, remote, "", reporter=Reporter())
        assert not (Path(remote.url) / "install.sh").exists()

    def test_scripts_name_no_platform_that_is_unpublished(self, remote: FileRemote, tmp_path: Path) -> None:
        folder = published(remote, tmp_path)
        both = installer(archive_of(tmp_path), "linux-x64", "macosx-x64", "windows-x64")
        publish_installer(both, remote, "", reporter=Reporter())
        before = (folder / "install.sh").read_text(), (folder / "install.ps1").read_text()
        assert withdraw_installer(remote, "3.12.10", ["linux-x64"]) == []
        assert withdraw_installer(remote, VERSION, ["linux-aarch64"]) == []
        assert ((folder / "install.sh").read_text(), (folder / "install.ps1").read_text()) == before
        assert withdraw_installer(remote, VERSION, ["linux-x64"]) == ["install.sh"]
        left = (folder / "install.sh").read_text()
        assert "linux-x64) archive" not in left
        assert before[0].replace(left[left.index("    macosx-x64) archive") :], "") in before[0]
        assert withdraw_installer(remote, VERSION, ["windows-x64"]) == ["install.ps1"]
        assert sorted(remote.installer()) == ["install.ps1", "install.sh"]
        assert withdraw_installer(remote, VERSION, ["macosx-x64"]) == ["install.sh", "install.ps1"]
        assert remote.installer() == {}
        assert [one.kind for one in collect(remote, grace=0, reporter=Reporter()).removed] == ["archive"]

    def test_scripts_are_the_same_for_the_same_archives(self, tmp_path: Path) -> None:
        made = installer(archive_of(tmp_path), "linux-x64", "windows-x64")
        scripts = made.scripts("https://cdn.example/runtimes/")
        assert scripts == made.scripts("https://cdn.example/runtimes")
        digest = made.archives["linux-x64"].sha256
        assert f"'windows-x64' = '{digest}'" in scripts["install.ps1"].decode()
        assert "windows" not in scripts["install.sh"].decode()
        assert all(
            b"@" not in line for line in scripts["install.sh"].splitlines() if b"$@" not in line and b"*@" not in line
        )

    @pytest.mark.parametrize(
        "address",
        ["ftp://x", "https://user:pw@host/x", "https://host/$(id)", "https://host/'", "https://host/x?y", "x"],
    )
    def test_an_address_that_a_script_cannot_hold_is_refused(self, address: str) -> None:
        with pytest.raises(ConfigError):
            require_address(address)


class TestChoice:
    def tool(self, built: Built, version: str = VERSION, formats: tuple[str, ...] = ("tar.zst", "tar.gz")) -> Entry:
        entry = built.bundle(version, formats=formats)
        package = PackageRecord(
            name=TOOL, version="1", decision="source", reason="", file="x", sha256="a" * 64, required_by=("",)
        )
        return replace(entry, packages=(package,))

    def test_the_version_with_the_tool_is_taken(self, tmp_path: Path) -> None:
        built = Built(tmp_path / "project")
        entry = self.tool(built)
        made = installer_of([built.bundle(), entry], built.project)
        (archive,) = made.archives.values()
        assert (made.version, list(made.archives)) == (VERSION, ["linux-x64"])
        assert sha256(b"".join(made.sources["linux-x64"]())).hexdigest() == archive.sha256
        assert archive.path == f"archives/{archive.sha256}.tar.gz"

    def test_it_must_be_one_and_have_an_archive_for_the_script(self, tmp_path: Path) -> None:
        built = Built(tmp_path / "project")
        with pytest.raises(ConfigError, match="None of these versions"):
            installer_of([built.bundle()], built.project)
        with pytest.raises(ConfigError, match="Several"):
            installer_of([self.tool(built), self.tool(built, "3.12.10-other")], built.project)
        with pytest.raises(ConfigError, match=r"no \.tar\.gz"):
            installer_of([self.tool(built, "3.12.10-plain", ("tar.zst",))], built.project)

    def test_a_changed_archive_is_refused(self, tmp_path: Path) -> None:
        built = Built(tmp_path / "project")
        entry = self.tool(built)
        archive = next(one for one in entry.archives if one.format == "tar.gz")
        (built.project.root / archive.path).write_bytes(b"other")
        with pytest.raises(IntegrityError):
            installer_of([entry], built.project)


class Machine:
    """A machine with some programs alone, and a folder for temporary files."""

    def __init__(self, root: Path, shell: list[str]) -> None:
        self.shell = [program(shell[0], shell[0]), *shell[1:]]
        self.path = root / "path"
        self.temporary = root / "tmp"
        for folder in (self.path, self.temporary):
            folder.mkdir(parents=True)
        self.add(*PROGRAMS, "sha256sum", "wget")

    def add(self, *names: str) -> None:
        for name in names:
            (self.path / name).symlink_to(found(shutil.which(name), f"{name} is not installed"))

    def say(self, name: str, script: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        (self.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.path / name).chmod(0o755)

    def environ(self, **variables: str) -> dict[str, str]:
        return {"PATH": str(self.path), "TMPDIR": str(self.temporary), "HOME": "/nonexistent", **variables}

    def run(self, script: Path | str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.shell, str(script), *arguments],
            env=self.environ(**variables),
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert [*self.temporary.iterdir()] == []
        return done


@pytest.fixture(params=SHELLS, ids=" ".join)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine", request.param)


@pytest.fixture
def site(remote: FileRemote, tmp_path: Path) -> Iterator[Site]:
    folder = published(remote, tmp_path)
    with serving() as site:
        site.files = {f"/r/{one.relative_to(folder)}": one.read_bytes() for one in folder.rglob("*") if one.is_file()}
        yield site


def called(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return how the tool was called, without the temporary folder."""
    assert (done.returncode, done.stderr.count("error")) == (0, 0), done.stderr
    words = [line[1:-1] for line in done.stdout.splitlines() if line.startswith("<")]
    return ["TEMPORARY" if "/bundle." in word else word for word in words]


@real
class TestScript:
    def test_beside_its_archives_it_needs_no_address(
        self, machine: Machine, remote: FileRemote, tmp_path: Path
    ) -> None:
        folder = published(remote, tmp_path, address="https://elsewhere.example")
        done = machine.run(folder / "install.sh")
        assert called(done) == ["install", VERSION, "--from", str(folder), "--reuse", "TEMPORARY"]
        assert 'export PATH="/opt/it/bin:$PATH"' in done.stdout
        inside = machine.path.parent / "install.sh"
        inside.symlink_to(folder / "install.sh")
        (machine.path.parent / "archives").symlink_to(folder / "archives")
        assert called(machine.run("install.sh"))[3] == str(machine.path.parent)

    @pytest.mark.parametrize("client", ["curl", "wget", "busybox wget"])
    def test_it_fetches_with_any_client(self, machine: Machine, site: Site, client: str) -> None:
        (machine.path / "wget").unlink()
        if client == "busybox wget":
            machine.say("wget", f'exec {program("busybox", "busybox")} wget "$@"')
        else:
            machine.add(client)
        script = machine.path / "it"
        script.write_bytes(site.files["/r/install.sh"])
        done = machine.run(script, "--into=a b", "--root", "root.json", BUNDLE_FROM=f"{site.url}/r/")
        from_ = f"{site.url}/r"
        words = ["--from", from_, "--reuse", "TEMPORARY", "--into", "a b", "--root", "root.json"]
        assert called(done) == ["install", VERSION, *words]
        assert len(site.seen) == 1

    @pytest.mark.parametrize("name", ["sha256sum", "shasum", "openssl"])
    def test_it_hashes_with_any_program(self, machine: Machine, remote: FileRemote, tmp_path: Path, name: str) -> None:
        folder = published(remote, tmp_path)
        (machine.path / "sha256sum").unlink()
        assert machine.run(folder / "install.sh").returncode == 1
        if name == "shasum":  # A script of Perl.
            machine.say(name, f'exec {program("shasum", "perl")} "$@"')
        else:
            machine.add(name)
        assert called(machine.run(folder / "install.sh"))[:2] == ["install", VERSION]

    @pytest.mark.parametrize("damage", ["changed", "longer", "shorter", "missing"])
    def test_damage_ends_it(self, machine: Machine, site: Site, damage: str) -> None:
        (name,) = (name for name in site.files if name.endswith(".tar.gz"))
        content = site.files.pop(name)
        changed = {"changed": content[::-1], "longer": b"x" + content, "shorter": content[:-1]}
        site.files |= {name: changed[damage]} if damage in changed else {}
        script = machine.path / "it"
        script.write_bytes(site.files["/r/install.sh"])
        done = machine.run(script, "--from", f"{site.url}/r")
        assert done.returncode == (4 if damage in ("changed", "longer") else 3)
        assert done.stdout == ""

    def test_wrong_use_is_told(self, machine: Machine, remote: FileRemote, tmp_path: Path) -> None:
        script = published(remote, tmp_path) / "install.sh"
        alone = tmp_path / "alone.sh"
        shutil.copy(script, alone)
        told = [
            *((script, "--what"), (script, "--into"), (alone,), (alone, "--from", "s3://bucket")),
            *((alone, "--from", ""),),
        ]
        for words in told:
            done = machine.run(*map(str, words))
            assert (done.returncode, done.stdout) == (2, ""), words
            assert done.stderr.startswith("error: ")
        assert machine.run(script, "--version").stdout == f"{VERSION}\n"
        assert "--into DIR" in machine.run(script, "--help").stdout

    @pytest.mark.parametrize(("system", "machine_name"), [("Linux", "riscv64"), ("SunOS", "x86_64")])
    def test_an_unknown_machine_is_told(
        self, machine: Machine, remote: FileRemote, tmp_path: Path, system: str, machine_name: str
    ) -> None:
        script = published(remote, tmp_path) / "install.sh"
        machine.say("uname", f"[ $1 = -m ] && echo {machine_name} || echo {system}")
        done = machine.run(script)
        assert done.returncode == 2
        assert (machine_name if system == "Linux" else system) in done.stderr

    def test_the_end_of_the_tool_is_its_own(self, machine: Machine, remote: FileRemote, tmp_path: Path) -> None:
        script = published(remote, tmp_path) / "install.sh"
        assert machine.run(script, END="4").returncode == 4
        done = machine.run(script, START="127")
        assert (done.returncode, "glibc 2.28 or macos 13.0" in done.stderr) == (1, True)

    def test_a_script_that_arrived_in_part_does_nothing(self, machine: Machine, site: Site) -> None:
        content = site.files["/r/install.sh"]
        script = machine.path / "part.sh"
        for end in range(0, len(content) - len(b'main "$@"\n') + 1, 97):
            script.write_bytes(content[:end])
            machine.run(script, "--from", f"{site.url}/r")
        assert site.seen == []

    def test_credentials_are_not_shown(self, machine: Machine, site: Site) -> None:
        script = machine.path / "it"
        script.write_bytes(site.files.pop("/r/install.sh"))
        address = site.url.replace("://", f"://me:{SECRET}@")
        done = machine.run(script, "--from", f"{address}/none")
        assert (done.returncode, done.stdout) == (3, "")
        assert SECRET not in done.stderr

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_stopped_it_leaves_nothing(
        self, machine: Machine, remote: FileRemote, tmp_path: Path, number: signal.Signals
    ) -> None:
        script = published(remote, tmp_path) / "install.sh"
        reached = tmp_path / "reached"
        process = subprocess.Popen(
            [*machine.shell, str(script)],
            env=machine.environ(WAIT=str(reached)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not reached.exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, number)
        assert process.wait(30) != 0
        assert [*machine.temporary.iterdir()] == []


@real
def test_the_script_for_windows_is_understood_by_powershell(tmp_path: Path) -> None:
    shell = shutil.which("pwsh") or shutil.which("powershell")
    if shell is None:
        pytest.skip("no PowerShell: Debian has none, so install.ps1 is not run here")
    script = tmp_path / "install.ps1"
    script.write_bytes(installer(archive_of(tmp_path), "windows-x64").scripts("")["install.ps1"])
    done = subprocess.run(
        [shell, "-NoProfile", "-File", script, "-Version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, VERSION)
