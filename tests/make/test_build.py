from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from uv import find_uv_bin

from bundle.artifacts.archives.bundle_archive import read_index
from bundle.artifacts.documents.names import DOCUMENTS
from bundle.base.files import sha256_of
from bundle.base.reflink import _clone as clones
from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import (
    VERSION,
    SmallProject,
    World,
    host_python,
    leftovers,
    output_of,
    rows_of,
    small_world,
)

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


@pytest.fixture(scope="module")
def project(world: World, tmp_path_factory: pytest.TempPathFactory) -> SmallProject:
    """A project whose bundle is built; tests look at it, and leave it as it is."""
    project = world.project(tmp_path_factory.mktemp("first") / "project")
    project.build()
    return project


@pytest.fixture(scope="module")
def unpacked(project: SmallProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as a user gets it: unpacked by tar, in a folder whose name is not easy."""
    folder = tmp_path_factory.mktemp("a b ü")
    subprocess.run(["tar", "--zstd", "-xf", project.archive, "-C", folder], check=True)
    return folder / "python"


@pytest.fixture(scope="module")
def moved(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was unpacked, moved, for tests that change it."""
    place = tmp_path_factory.mktemp("ano ther ø") / "python"
    shutil.copytree(unpacked, place, symlinks=True)
    return place


@pytest.fixture
def own(project: SmallProject, world: World, tmp_path: Path) -> SmallProject:
    """A project with the same lock, not built yet, that a test may do anything to."""
    own = world.project(tmp_path / "own")
    shutil.copyfile(project.lock, own.lock)
    return own


class TestABuild:
    def test_leaves_bundle_archive_lock_and_catalogue_entry(self, project: SmallProject) -> None:
        entry = project.entries()[VERSION]
        assert (project.tree / "bundle.json").is_file()
        assert project.lock.is_file()
        assert entry["archives"][0]["sha256"] == sha256_of(project.archive)
        assert {one["name"]: one["decision"] for one in entry["packages"]} == {
            "hello": "wheel",
            "native": "wheel",
            "sourced": "source",
            "compiled": "source",
        }
        assert {"files", "licences"} < {*entry["evidence"]["audited"]}
        assert entry["evidence"]["run"] == ["requirements", "relocation", "imports"]
        assert project.run("catalogue", "verify").code == 0

    def test_leaves_nothing_half_made(self, project: SmallProject) -> None:
        assert leftovers(project.root, project.cache) == []

    def test_gives_a_python_that_has_the_packages_and_the_own_files(self, project: SmallProject) -> None:
        program = "import hello, native, sourced, compiled, own_module as own; print(native.answer(), own.ANSWER)"
        assert output_of([project.tree / "bin" / "python", "-c", program]) == "42 42\n"

    def test_gives_a_bundle_that_names_no_folder_of_this_machine(self, project: SmallProject) -> None:
        needles = [str(project.root).encode(), str(project.cache).encode(), host_python().location.encode()]
        told = [
            name
            for name, (_, _, content) in rows_of(project.tree).items()
            if any(needle in (content.encode() if isinstance(content, str) else content) for needle in needles)
        ]
        assert told == []

    def test_keeps_modes_to_two_and_times_to_one(self, project: SmallProject) -> None:
        rows = rows_of(project.tree)
        assert {mode for kind, mode, _ in rows.values() if kind == "file"} == {0o644, 0o755}
        assert {mode for kind, mode, _ in rows.values() if kind == "folder"} == {0o755}
        assert rows["bin/tool"][1] == 0o755
        assert rows["bin/tool-link"] == ("link", 0, "tool")

    def test_prints_one_document_on_stdout_with_json(self, project: SmallProject) -> None:
        done = project.run("--json", "build", VERSION)
        (bundle,) = done.json["bundles"]
        assert (bundle["status"], bundle["path"]) == ("unchanged", str(project.tree))
        assert bundle["archive"]["sha256"] == sha256_of(project.archive)
        assert done.json["failed"] == []

    def test_tells_on_stderr_what_it_does_and_nothing_with_quiet(self, own: SmallProject) -> None:
        assert "assemble" in own.run("--verbose", "build", VERSION, "--no-verify", "--no-archive").errors
        assert own.run("--quiet", "build", VERSION, "--no-verify").errors == ""


class TestAChangeThatConcernsOtherBundles:
    def test_leaves_lock_archive_and_verification_as_they_are(self, own: SmallProject) -> None:
        built = own.build()
        lock = own.lock.read_bytes()
        shared = own.root / "shared-config.json"
        config = json.loads(shared.read_text())
        config.setdefault("packages", {}).setdefault("skip", {})["foo"] = {own.machine.key: "not for us"}
        entry = {"rule": "import-fails", "package": "torchaudio", "error": "ffmpeg", "reason": "not used"}
        config.setdefault("verify", {}).setdefault("accept", []).append(entry)
        shared.write_text(json.dumps(config))

        again = own.run("--json", "build", VERSION, "--locked")

        assert "already verified on this machine" in again.errors
        (value,) = again.json["bundles"]
        assert value["archive"]["sha256"] == built["archive"]["sha256"]
        assert own.lock.read_bytes() == lock


class TestAnArchive:
    def test_unpacks_to_the_very_tree(self, project: SmallProject, unpacked: Path) -> None:
        assert rows_of(unpacked) == rows_of(project.tree)

    def test_says_which_layers_are_in_it(self, project: SmallProject) -> None:
        names = [layer.name for layer in read_index(project.archive)]
        assert names[0] == "python"
        assert sorted(names) == sorted(["python", "hello", "native", "sourced", "compiled", "copyFiles", "bundle.json"])

    def test_is_the_same_from_another_folder_cache_umask_locale_and_time_zone(
        self, project: SmallProject, world: World, tmp_path: Path
    ) -> None:
        other = world.project(tmp_path / "elsewhere ü", cache=tmp_path / "another cache")
        strange = {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1"}
        built = other.build("--no-verify", umask=0o077, environ=strange)
        assert built["archive"]["sha256"] == sha256_of(project.archive)
        assert rows_of(other.tree) == rows_of(project.tree)
        assert other.lock.read_bytes() == project.lock.read_bytes()

    def test_comes_in_every_format(self, own: SmallProject, tmp_path: Path) -> None:
        formats = ["tar.zst", "tar.gz", "zip", "sh"]
        packages = json.loads((own.folder / "config.json").read_text())["packages"]
        own.configure(packages=packages, build={"archives": {own.machine.key: formats}})
        own.build()
        archives = [own.archive.with_name(own.archive.name.replace("tar.zst", one)) for one in formats]
        (entry,) = own.entries().values()
        assert [one["sha256"] for one in entry["archives"]] == [sha256_of(archive) for archive in archives]
        (tmp_path / "tar").mkdir()
        subprocess.run(["tar", "-xzf", archives[1], "-C", tmp_path / "tar"], check=True)
        assert rows_of(tmp_path / "tar" / "python") == rows_of(own.tree)
        subprocess.run(["sh", archives[3], "--into", tmp_path / "sh" / "new"], check=True)
        assert rows_of(tmp_path / "sh" / "new") == rows_of(own.tree)
        assert own.run("verify", str(archives[3])).code == 0
        with zipfile.ZipFile(archives[2]) as archive:
            contents = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        rows = {f"python/{name}": row[2] for name, row in rows_of(own.tree).items() if row[0] == "file"}
        assert {name: content for name, content in contents.items() if name in rows} == rows


class TestItsDocuments:
    def test_are_valid_name_the_bundle_and_are_the_same_from_another_folder(
        self, project: SmallProject, world: World, tmp_path: Path
    ) -> None:
        other = world.project(tmp_path / "elsewhere", cache=tmp_path / "cache")
        shutil.copyfile(project.lock, other.lock)
        other.build("--no-verify")
        for end in DOCUMENTS.values():
            text = (project.output / f"{VERSION}-{project.machine.key}.{end}").read_text()
            assert text == (other.output / f"{VERSION}-{other.machine.key}.{end}").read_text()
        sbom = project.output / f"{VERSION}-{project.machine.key}.{DOCUMENTS['sbom']}"
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom.read_text()) is None
        assert sbom.read_bytes() == (project.tree / "sbom.cdx.json").read_bytes()
        named = {one["name"] for one in json.loads(sbom.read_text())["components"]}
        assert {"CPython", "hello", "native", "compiled", "sourced"} <= named

    def test_are_compared_with_the_catalogue_and_made_again_if_they_are_gone(self, own: SmallProject) -> None:
        own.build()
        (path,) = own.output.glob("*.provenance.json")
        text = path.read_text()
        path.write_text(text.replace("wheel", "whale"))
        assert own.run("catalogue", "verify").code == 4
        path.unlink()
        assert own.run("catalogue", "verify").code == 1
        assert own.build()["status"] == "built"
        assert path.read_text() == text

    def test_never_replace_a_file_of_the_user(self, own: SmallProject) -> None:
        mine = own.output / f"{VERSION}-{own.machine.key}.cdx.json"
        mine.parent.mkdir(exist_ok=True)
        mine.write_text("mine")
        done = own.run("build", VERSION)
        assert done.code == 2
        assert "in the way" in done.errors
        assert mine.read_text() == "mine"


class TestAMovedBundle:
    def test_says_that_it_is_where_it_is(self, moved: Path) -> None:
        program = "import sys, sysconfig; print(sys.prefix, sysconfig.get_path('purelib'), sysconfig.get_path('data'))"
        where = output_of([moved / "bin" / "python", "-c", program])
        assert where == f"{moved} {moved / 'lib' / 'python3.12' / 'site-packages'} {moved}\n"

    def test_starts_its_console_scripts(self, moved: Path) -> None:
        assert output_of([moved / "bin" / "hello", "a b"]) == f"hello 42 {moved} a b\n"
        assert output_of([moved / "bin" / "tool-link", "x"]) == "tool x\n"

    def test_starts_them_through_a_symlink_and_through_path(self, moved: Path, tmp_path: Path) -> None:
        link = tmp_path / "far away" / "hi"
        link.parent.mkdir()
        link.symlink_to(moved / "bin" / "hello")
        assert output_of([link]) == f"hello 42 {moved}\n"
        path = {"PATH": f"{moved / 'bin'}:{os.defpath}"}
        assert output_of(["sh", "-c", "hello"], environ=path, cwd=tmp_path) == f"hello 42 {moved}\n"

    def test_has_a_working_pip(self, moved: Path, tmp_path: Path) -> None:
        python = moved / "bin" / "python"
        assert "compiled 3.0" in " ".join(output_of([python, "-m", "pip", "list"]).split())
        assert output_of([python, "-m", "pip", "check"]) == "No broken requirements found.\n"
        wheel = make_wheel(tmp_path, "another", files={"another.py": "ANSWER = 1\n"})
        output_of([python, "-m", "pip", "install", "--no-index", "--disable-pip-version-check", wheel])
        assert output_of([python, "-c", "import another; print(another.ANSWER)"]) == "1\n"
        output_of([python, "-m", "pip", "uninstall", "--yes", "another", "hello"])
        assert not (moved / "bin" / "hello").exists()

    def test_makes_virtual_environments(self, moved: Path, tmp_path: Path) -> None:
        output_of([moved / "bin" / "python", "-m", "venv", tmp_path / "made"])
        program = "import native, sys; print(native.answer(), sys.base_prefix)"
        inside = tmp_path / "made" / "bin" / "python"
        assert output_of([inside, "-c", "import pip, sys; print(sys.base_prefix)"]) == f"{moved}\n"
        output_of([moved / "bin" / "python", "-m", "venv", "--system-site-packages", "--without-pip", tmp_path / "all"])
        assert output_of([tmp_path / "all" / "bin" / "python", "-c", program]) == f"42 {moved}\n"


class TestASecondBuild:
    def test_does_nothing_and_says_so(self, project: SmallProject) -> None:
        before = project.archive.stat(), project.catalogue.read_bytes()
        assert "unchanged" in project.run("build", VERSION).output
        assert (project.archive.stat(), project.catalogue.read_bytes()) == before

    def test_does_nothing_after_the_bundle_was_merely_used(self, own: SmallProject) -> None:
        own.build()
        output_of([own.tree / "bin" / "python", "-c", "import hello"], environ={"PYTHONDONTWRITEBYTECODE": ""})
        assert list(own.tree.rglob("hello/__pycache__"))
        assert own.build()["status"] == "unchanged"

    def test_builds_again_by_a_program_whose_rules_have_another_revision(
        self, own: SmallProject, tmp_path: Path
    ) -> None:
        own.build()
        (tmp_path / "sitecustomize.py").write_text("from bundle.model import revisions\n\nrevisions.FRAME += 1\n")
        paths = os.pathsep.join([str(tmp_path), own.variables()["PYTHONPATH"]])
        raised = {"PYTHONPATH": paths}
        assert own.build(environ=raised)["status"] == "built"
        assert own.build(environ=raised)["status"] == "unchanged"

    @pytest.mark.parametrize("damage", ["touched", "edited", "deleted", "added", "mode", "archive", "no archive"])
    def test_mends_what_was_changed(self, project: SmallProject, own: SmallProject, damage: str) -> None:
        assert own.build()["status"] == "built"
        module = own.tree / "lib" / "python3.12" / "site-packages" / "hello" / "__init__.py"
        match damage:
            case "touched":
                os.utime(module)
            case "edited":
                module.write_text("edited")
            case "deleted":
                module.unlink()
            case "added":
                (own.tree / "lib" / "added.txt").write_text("")
            case "mode":
                module.chmod(0o600)
            case "archive":
                own.archive.write_bytes(own.archive.read_bytes()[:-1])
            case _:
                own.archive.unlink()
        assert own.build()["status"] == "built"
        assert sha256_of(own.archive) == sha256_of(project.archive)
        assert rows_of(own.tree) == rows_of(project.tree)
        assert own.build()["status"] == "unchanged"

    def test_never_lets_an_edited_bundle_change_the_store(self, own: SmallProject, project: SmallProject) -> None:
        own.build()
        for path in own.tree.rglob("*.py"):
            path.write_text("edited")
        assert own.run("cache", "verify").code == 0

    def test_follows_a_changed_configuration(self, own: SmallProject) -> None:
        own.build("--no-verify")
        configuration = own.folder / "config.json"
        configuration.write_text(configuration.read_text().replace('"sourced",', ""))
        built = own.build("--no-verify")
        assert built["status"] == "built"
        assert {package["name"] for package in built["packages"]} == {"hello", "native", "compiled"}
        assert not list(own.tree.rglob("sourced*"))

    def test_follows_a_changed_own_file(self, own: SmallProject) -> None:
        own.build("--no-verify")
        (own.folder / "own" / "bin" / "tool").write_text("#!/bin/sh\necho another\n")
        assert own.build("--no-verify")["status"] == "built"
        assert output_of([own.tree / "bin" / "tool"]) == "another\n"

    def test_follows_what_was_edited_while_the_first_one_ran(self, own: SmallProject) -> None:
        running = own.start("build", VERSION, "--no-verify")
        while running.process.poll() is None and not list(own.output.glob(f"{VERSION}/.*")):
            time.sleep(0.005)
        (own.folder / "own" / "bin" / "tool").write_text("#!/bin/sh\necho another\n")
        assert running.ended().code == 0
        assert own.build("--no-verify")["status"] == "built"
        assert output_of([own.tree / "bin" / "tool"]) == "another\n"

    def test_brings_a_lost_catalogue_back(self, own: SmallProject) -> None:
        own.build()
        before = own.entries()
        own.catalogue.unlink()
        assert own.build()["status"] == "built"
        assert own.entries() == before


class TestTheStore:
    @pytest.fixture
    def alone(self, project: SmallProject, world: World, tmp_path: Path) -> SmallProject:
        """A project with a copy of the store, for tests that damage it."""
        shutil.copytree(world.store, tmp_path / "store", symlinks=True)
        alone = world.project(tmp_path / "alone", cache=tmp_path / "store")
        shutil.copyfile(project.lock, alone.lock)
        return alone

    @pytest.mark.parametrize(
        "damage", ["a layer", "a layer, unseen", "a layer, found as it is copied", "a frame", "a file", "a key"]
    )
    def test_is_mended_where_it_was_damaged(
        self, project: SmallProject, alone: SmallProject, damage: str, tmp_path: Path
    ) -> None:
        options = []
        match damage:
            case "a layer":
                (path,) = alone.cache.glob("layers/??/*/tree/lib/python3.12/site-packages/hello/__init__.py")
                path.write_text("damaged")
            case "a layer, unseen" | "a layer, found as it is copied":
                (path,) = alone.cache.glob("layers/??/*/tree/lib/python3.12/site-packages/hello/__init__.py")
                status = path.stat()
                path.write_bytes(path.read_bytes().replace(b"hello", b"HELLO"))
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
                if damage == "a layer, unseen":
                    options = ["--verify-store"]
                else:
                    with (tmp_path / "one").open("x+b", 0) as one, (tmp_path / "two").open("x+b", 0) as two:
                        if clones(one, two):
                            pytest.skip("this file system clones files, unread")
            case "a frame":
                for path in alone.cache.glob("frames/??/*.tar.zst/data"):
                    path.write_bytes(path.read_bytes()[::-1])
            case "a file":
                shutil.rmtree(alone.cache / "layers")
                for path in alone.cache.glob("files/??/*/*.whl"):
                    path.write_bytes(b"damaged")
            case _:
                for path in alone.cache.glob("keys/??/*"):
                    path.write_bytes(b"damaged")
        assert alone.run("cache", "verify").code == 4
        assert alone.build("--no-verify", *options)["archive"]["sha256"] == sha256_of(project.archive)
        assert rows_of(alone.tree) == rows_of(project.tree)


class TestLocked:
    def test_refuses_to_write_a_missing_lock(self, own: SmallProject) -> None:
        own.lock.unlink()
        done = own.run("--json", "build", VERSION, "--locked")
        assert done.code == 2
        assert "missing" in done.errors
        assert "bundle lock" in done.errors
        assert not own.lock.exists()

    def test_refuses_to_write_a_stale_lock(self, own: SmallProject) -> None:
        before = own.lock.read_bytes()
        own.configure(packages={"dependencies": ["native"]})
        done = own.run("build", VERSION, "--locked")
        assert done.code == 2
        assert "stale" in done.errors
        assert own.lock.read_bytes() == before
        assert not own.tree.exists()

    def test_is_content_with_a_fresh_one(self, own: SmallProject) -> None:
        assert own.build("--locked", "--no-verify")["status"] == "built"


class TestOffline:
    def test_builds_from_a_warm_cache_without_asking_anybody(self, own: SmallProject, world: World) -> None:
        asked = len(world.registry.requests)
        assert own.build("--offline")["status"] == "built"
        assert len(world.registry.requests) == asked

    def test_lists_all_that_an_empty_cache_lacks(self, own: SmallProject, world: World, tmp_path: Path) -> None:
        empty = SmallProject(root=own.root, cache=tmp_path / "empty", registry=own.registry)
        asked = len(world.registry.requests)
        done = empty.run("--json", "build", VERSION, "--offline")
        assert done.code == 3
        assert len(world.registry.requests) == asked
        for name in ("hello-1.0", "native-1.0", "sourced-2.0", "compiled-3.0", "setuptools-80.9.0"):
            assert name in done.errors
        assert not empty.tree.exists()


class TestWithoutEverything:
    @pytest.mark.parametrize("option", ["--no-archive", "--no-verify"])
    def test_an_incomplete_build_is_not_catalogued(self, own: SmallProject, option: str) -> None:
        built = own.build(option)
        assert not built["catalogued"]
        assert own.entries() == {}
        assert (own.tree / "bundle.json").exists()
        assert own.archive.exists() == (option != "--no-archive")
        assert own.build()["catalogued"]

    def test_an_incomplete_build_over_a_catalogued_one_warns_that_the_catalogue_is_behind(
        self, own: SmallProject
    ) -> None:
        own.build()
        before = own.catalogue.read_bytes()
        (own.folder / "own" / "bin" / "tool").write_text("another")
        done = own.run("--quiet", "build", VERSION, "--no-verify")
        assert (done.code, own.catalogue.read_bytes()) == (0, before)
        assert "still describes" in done.errors

    def test_an_output_folder_has_its_own_catalogue(self, own: SmallProject, tmp_path: Path) -> None:
        output = tmp_path / "out put"
        built = own.build("--output", output)
        assert Path(built["path"]).is_relative_to(output)
        entry = own.entries(output / "catalogue.json")[VERSION]
        assert (output / entry["archives"][0]["path"]).is_file()
        assert not own.catalogue.exists()
        assert not own.output.exists()
        assert own.build("--output", output)["status"] == "unchanged"
        moved = own.build("--output", output.rename(tmp_path / "moved"))
        assert Path(moved["path"]) == tmp_path / "moved" / VERSION / own.machine.key

    def test_a_failed_verification_leaves_the_previous_bundle(self, own: SmallProject) -> None:
        own.build()
        before = rows_of(own.tree), sha256_of(own.archive), own.catalogue.read_bytes()
        leak = own.folder / "own" / "site-packages" / "leak.py"
        leak.write_text(f"HERE = {str(own.root)!r}\n")
        done = own.run("--json", "build", VERSION)
        assert done.code == 5
        assert "leak.py" in done.errors
        assert done.json["failed"][0]["exitCode"] == 5
        assert (rows_of(own.tree), sha256_of(own.archive), own.catalogue.read_bytes()) == before
        assert leftovers(own.output) == []
        assert not (own.output / ".state" / "failed").exists()

        told = own.run("--json", "build", VERSION, "--keep-failed").json["failed"][0]["details"][-1]
        failed = own.output / ".state" / "failed" / f"{VERSION}-{own.machine.key}"
        assert told == f"(the bundle that failed: {failed})"
        assert "leak" in output_of([failed / "bin" / "python", "-c", "import leak; print(leak.__name__)"])
        assert leftovers(own.output) == []
        leak.unlink()
        own.build()
        assert not failed.exists()

    def test_a_build_and_bundle_verify_judge_a_bundle_alike(self, own: SmallProject) -> None:
        folders = {"root": own.root, "cache": own.cache, "running": sys.prefix, "host": host_python().location}
        for name, folder in folders.items():
            (own.folder / "own" / "site-packages" / f"{name}.py").write_text(f"HERE = {str(folder)!r}\n")
        built = own.run("build", VERSION)
        own.build("--no-verify")
        verified = own.run("verify", VERSION)
        assert (built.code, verified.code) == (5, 5)
        named = {f"site-packages/{name}.py" for name in folders}
        for said in (built.errors, " ".join(verified.output.split())):
            assert {name for name in named if f"{name}: names a folder of the build machine" in said} == named

    def test_a_log_is_kept_on_request(self, own: SmallProject) -> None:
        configuration = own.folder / "config.json"
        configuration.write_text(
            configuration.read_text().rstrip().removesuffix("}") + ', "build": {"enableLogging": true}}'
        )
        own.build("--no-verify")
        (log,) = own.output.glob("*.log")
        assert "assemble" in log.read_text()


class TestLayouts:
    @pytest.mark.parametrize("layout", ["wheelhouse", "both"])
    def test_carried_wheels_install_offline(
        self, project: SmallProject, own: SmallProject, tmp_path: Path, layout: str
    ) -> None:
        values: dict[str, Any] = {"packages": {"dependencies": ["hello", "sourced", "compiled"]}}
        own.configure(**values, build={"layout": layout})
        built = own.build(*(("--no-verify",) if layout == "both" else ()))
        if layout == "wheelhouse":
            checked = built["verification"]["checked"]
            assert checked["imports"] > 1
            assert set(built["verification"]["unseen"]) == {"relocation"}
        site = own.tree / "lib" / "python3.12" / "site-packages"
        assert (site / "hello").exists() == (layout == "both")
        environment = tmp_path / "environment"
        output_of([own.tree / "bin" / "python", "-m", "venv", environment])
        python = environment / "bin" / "python"
        empty = {"HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_NO_CONFIG": "1"}
        lock = own.tree / "packages" / "pylock.toml"
        output_of([find_uv_bin(), "pip", "install", "--offline", "--python", python, "-r", lock], environ=empty)
        assert output_of([environment / "bin" / "hello"]) == f"hello 42 {environment}\n"
        pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
        output_of([*pip, "uninstall", "--yes", "hello", "native", "sourced", "compiled"])
        output_of([*pip, "install", "--no-index", "--find-links", lock.parent, "hello", "sourced", "compiled"])
        assert output_of([environment / "bin" / "hello"]) == f"hello 42 {environment}\n"

    def test_bytecode_is_the_same_wherever_it_was_compiled(self, world: World, tmp_path: Path) -> None:
        values: dict[str, Any] = {"packages": {"dependencies": ["hello"]}, "build": {"bytecode": True}}
        first = world.project(tmp_path / "first", **values)
        second = world.project(tmp_path / "the second", cache=tmp_path / "cache", **values)
        digests = [first.build("--no-verify")["archive"]["sha256"]]
        digests.append(second.build("--no-verify", umask=0o077, environ={"TZ": "Asia/Tokyo"})["archive"]["sha256"])
        assert digests[0] == digests[1]
        modules = [path for path in first.tree.rglob("*.py") if "site-packages" in path.parts]
        compiled = {path.name.split(".")[0] for path in first.tree.rglob("__pycache__/*.pyc")}
        assert {path.stem for path in modules if "pip" not in path.parts} <= compiled
        told = [path for path in first.tree.rglob("*.pyc") if str(tmp_path).encode() in path.read_bytes()]
        assert told == []
        output_of([first.tree / "bin" / "python", "-c", "import hello"], environ={"PYTHONDONTWRITEBYTECODE": ""})
        assert first.build("--no-verify")["status"] == "unchanged"


class TestManyVersions:
    def test_a_failing_one_keeps_no_other_from_being_built(self, own: SmallProject) -> None:
        own.configure("3.12.1-failing", packages={"dependencies": ["hello==7"]})
        done = own.run("--json", "build", "--all", "--no-verify")
        assert done.code == 2
        assert [one["version"] for one in done.json["failed"]] == ["3.12.1-failing"]
        assert [one["version"] for one in done.json["bundles"]] == [VERSION]
        assert "building 3.12.1-failing" in done.errors


class TestAtOnce:
    def test_two_builds_of_one_bundle_end_well(self, own: SmallProject, project: SmallProject) -> None:
        both = [own.start("--json", "build", VERSION) for _ in range(2)]
        ended = [one.ended() for one in both]
        assert [one.code for one in ended] == [0, 0], [one.errors for one in ended]
        assert sorted(one.json["bundles"][0]["status"] for one in ended) == ["built", "unchanged"]
        assert sha256_of(own.archive) == sha256_of(project.archive)

    def test_two_versions_end_well_and_are_both_in_the_catalogue(self, world: World, tmp_path: Path) -> None:
        # With an empty store, so that both want to make the same layers.
        one = world.project(tmp_path / "project", cache=tmp_path / "cache", packages={"dependencies": ["hello"]})
        one.configure("3.12.1-other", packages={"dependencies": ["native"]})
        both = [one.start("--json", "build", version) for version in (VERSION, "3.12.1-other")]
        ended = [started.ended() for started in both]
        assert [run.code for run in ended] == [0, 0], [run.errors for run in ended]
        assert one.entries().keys() == {VERSION, "3.12.1-other"}
        assert one.run("cache", "verify").code == 0
        assert one.run("catalogue", "verify").code == 0
