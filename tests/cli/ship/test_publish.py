from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import zstandard

from bundle.artifacts.remotes.published import FORMAT
from bundle.base.errors import ConfigError, IntegrityError
from bundle.cli.app import Result
from tests.cli.results import result_of, text_of
from tests.make.publish.built import Built


@pytest.fixture
def built(tmp_path: Path) -> Built:
    built = Built(tmp_path / "project")
    built.bundle()
    return built


def call(built: Built, *arguments: str) -> Result:
    environ = {"BUNDLE_CACHE_DIR": str(built.store.root), "BUNDLE_DATA_DIR": str(built.project.root / "data")}
    return result_of(built.project.root, *arguments, environ=environ)


def test_a_bundle_is_published_listed_unpublished_and_collected(built: Built, tmp_path: Path) -> None:
    remote = str(tmp_path / "remote")
    said = call(built, "publish", "3.12.10", "--to", remote, "--dry-run")
    assert "would be new, 2 of 2 layers" in text_of(said)
    assert not Path(remote).exists()

    done = call(built, "publish", "--all", "--to", remote)
    (one,) = done.data["bundles"]
    assert (one["version"], one["platform"], one["status"]) == ("3.12.10", "linux-x64", "new")
    assert (one["layers"], one["sent"], one["bytesSent"]) == (2, 2, one["size"])
    assert "2 of 2 layers" in text_of(done)
    assert done.data["page"] == {"bundles": 1, "written": 1}
    assert "The page tells of 1 bundle; 1 written." in text_of(done)

    listed = call(built, "catalogue", "list", "--from", remote)
    assert [entry["version"] for entry in listed.data["bundles"]] == ["3.12.10"]
    assert text_of(listed).splitlines()[0].split()[-1] == "COMPRESSED"

    gone = call(built, "unpublish", "3.12.10", "--from", remote)
    assert gone.data["removed"] == [{"version": "3.12.10", "platform": "linux-x64"}]
    assert "no longer has 3.12.10 for linux-x64" in text_of(gone)
    assert "has no bundle" in text_of(call(built, "catalogue", "list", "--from", remote))

    assert "There is no bundle yet" in Path(remote, "index.html").read_text()

    young = call(built, "gc", "--from", remote)
    assert (young.data["removed"], young.data["young"]) == ([], 5)
    said = call(built, "gc", "--from", remote, "--grace", "0s", "--dry-run")
    assert "Would remove 5" in text_of(said)
    assert len(call(built, "gc", "--from", remote, "--grace", "0s").data["removed"]) == 5
    left = {path.relative_to(remote).as_posix() for path in Path(remote).rglob("*") if path.is_file()}
    pages = {"index.html", *(f"page/{name}" for name in ("difference.html", "shared.html", "index.json.zst"))}
    assets = {f"page/{name}" for name in ("page.css", "page.js", "difference.js", "search.js", "sharing.js")}
    assert left - {".catalogue.json.lock"} == {"catalogue.json"} | pages | assets


def test_no_page_is_written_where_none_is_wanted(built: Built, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    done = call(built, "publish", "3.12.10", "--to", str(remote), "--no-page")
    assert done.data["page"] is None
    call(built, "unpublish", "3.12.10", "--from", str(remote))
    assert not (remote / "index.html").exists()


def test_a_remote_is_verified_and_repaired(built: Built, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    call(built, "publish", "--all", "--to", str(remote))
    assert "Everything of 1 bundle is there" in text_of(call(built, "catalogue", "verify", "--from", str(remote)))
    blob = next(path for path in (remote / "blobs").rglob("*") if path.is_file())
    blob.write_bytes(bytes(blob.stat().st_size))
    found = call(built, "catalogue", "verify", "--from", str(remote))
    assert (found.exit_code, [one["kind"] for one in found.data["findings"]]) == (4, ["changed"])
    assert "needed by 3.12.10-linux-x64" in text_of(found)
    call(built, "publish", "3.12.10", "--to", str(remote), "--repair")
    assert call(built, "catalogue", "verify", "--from", str(remote)).exit_code == 0


LATER = FORMAT + 1


def files_of(remote: Path) -> dict[str, bytes]:
    found = {path.relative_to(remote).as_posix(): path for path in remote.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.endswith(".lock")}


def test_nothing_is_read_of_or_written_to_a_remote_of_a_later_format(built: Built, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    call(built, "publish", "3.12.10", "--to", str(remote))
    for path in remote.rglob("*"):
        os.utime(path, (0, 0))
    catalogue = remote / "catalogue.json"
    catalogue.write_text(json.dumps({"published": LATER, "runtimes": {"3.12.10": "a value of another shape"}}))
    before = files_of(remote)
    for words in (
        ("publish", "3.12.10", "--to"),
        ("publish", "3.12.10", "--repair", "--to"),
        ("publish", "3.12.10", "--dry-run", "--to"),
        ("unpublish", "3.12.10", "--from"),
        ("gc", "--grace", "0s", "--from"),
        ("catalogue", "list", "--from"),
        ("catalogue", "verify", "--from"),
        ("catalogue", "page", "--output", str(tmp_path / "page"), "--from"),
        ("install", "3.12.10", "--into", str(tmp_path / "into"), "--from"),
        ("diff", "3.12.10"),
    ):
        last = f"{remote}@3.12.10" if words[0] == "diff" else str(remote)
        with pytest.raises(IntegrityError, match=f"has format {LATER}, and this program is too old for it") as raised:
            call(built, *words, last)
        assert raised.value.remedy == "Install a newer version of this program."
        assert files_of(remote) == before, words
    assert not (tmp_path / "page").exists()
    assert not (tmp_path / "into").exists()


def test_a_remote_of_the_second_format_is_read_and_taken_on_to_the_newest(built: Built, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    call(built, "publish", "3.12.10", "--to", str(remote))
    (packed,) = (remote / "bundles").rglob("*.json.zst")
    packed.with_suffix("").write_bytes(zstandard.ZstdDecompressor().decompress(packed.read_bytes(), 2**20))
    packed.unlink()
    catalogue = remote / "catalogue.json"
    catalogue.write_text(json.dumps(json.loads(catalogue.read_text()) | {"published": 2}))

    assert call(built, "catalogue", "verify", "--from", str(remote)).exit_code == 0
    built.bundle("3.12.10-other")
    call(built, "publish", "3.12.10-other", "--to", str(remote))
    assert call(built, "gc", "--from", str(remote), "--grace", "0s").data["removed"] == []
    listed = call(built, "catalogue", "list", "--from", str(remote)).data["bundles"]
    assert [one["version"] for one in listed] == ["3.12.10", "3.12.10-other"]
    assert json.loads(catalogue.read_text())["published"] == FORMAT
    assert call(built, "catalogue", "verify", "--from", str(remote)).exit_code == 0


def test_an_address_without_a_catalogue_is_not_sound(built: Built, tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing")
    for words in (("catalogue", "verify"), ("gc",)):
        with pytest.raises(ConfigError, match="has no catalogue"):
            call(built, *words, "--from", nothing)
    assert not Path(nothing).exists()


def test_no_other_platform_of_a_version_is_taken_for_a_slip_in_its_name(built: Built, tmp_path: Path) -> None:
    remote = str(tmp_path / "remote")
    call(built, "publish", "3.12.10", "--to", remote)
    with pytest.raises(ConfigError, match=r"no 3\.12\.10 for windows-x64") as raised:
        call(built, "unpublish", "3.12.10", "--platform", "windows-x64", "--from", remote)
    assert "Did you mean" not in raised.value.as_text()


def test_versions_are_named_or_all_are_meant(built: Built, tmp_path: Path) -> None:
    for arguments in ((), ("3.12.10", "--all")):
        with pytest.raises(ConfigError, match="either versions or --all"):
            call(built, "publish", *arguments, "--to", str(tmp_path / "remote"))


def test_the_installer_needs_a_remote_of_files_and_a_version_with_the_tool(built: Built, tmp_path: Path) -> None:
    remote = str(tmp_path / "remote")
    for words, problem in (
        (("--to", "oci://127.0.0.1:9/x", "--installer"), "takes no installer"),
        (("--to", remote, "--installer"), "None of these versions"),
        (("--to", remote, "--address", "https://cdn.example"), "--address is for"),
        (("--to", remote, "--installer", "--address", "s3://x"), "no address that the installer"),
    ):
        with pytest.raises(ConfigError, match=problem):
            call(built, "publish", "--all", *words)
    assert not Path(remote).exists()


def test_a_refused_bundle_keeps_no_other_from_being_published(built: Built, tmp_path: Path) -> None:
    remote = str(tmp_path / "remote")
    built.bundle("3.12.10-other", python="3.12.1")
    done = call(built, "publish", "--all", "--to", remote)
    assert done.exit_code == 2
    assert [one["version"] for one in done.data["bundles"]] == ["3.12.10"]
    assert [(one["version"], one["platform"], one["exitCode"]) for one in done.data["failed"]] == [
        ("3.12.10-other", "linux-x64", 2)
    ]
    assert "3.12.10-other for linux-x64: failed: 3.12.10-other-linux-x64 holds Python 3.12.1" in text_of(done)
    unverified = built.project.output / "3.12.10" / "windows-x64"
    unverified.mkdir(parents=True)
    (unverified / "bundle.json").write_text("{}")
    done = call(built, "publish", "--all", "--to", remote, "--allow-substitute")
    assert done.exit_code == 5
    assert [one["version"] for one in done.data["bundles"]] == ["3.12.10", "3.12.10-other"]
    built.archive().write_bytes(b"")
    built.archive("3.12.10-other").write_bytes(b"")
    done = call(built, "publish", "--all", "--to", remote, "--platform", "linux-x64")
    assert (done.exit_code, done.data["bundles"], len(done.data["failed"])) == (4, [], 2)
    assert "no bundle yet" not in text_of(done)


def test_one_bundle_that_is_refused_alone_is_an_error(built: Built, tmp_path: Path) -> None:
    built.archive().write_bytes(b"")
    with pytest.raises(IntegrityError):
        call(built, "publish", "--all", "--to", str(tmp_path / "remote"))
    assert not (tmp_path / "remote").exists()


def test_scripts_go_with_the_version_that_they_install(built: Built, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    call(built, "publish", "--all", "--to", str(remote))
    (remote / "install.sh").write_text(
        "# Installs 3.12.10, which\n    linux-x64) archive=archives/x.tar.gz size=1 ;;\n"
    )
    done = call(built, "unpublish", "3.12.10", "--from", str(remote))
    assert done.data["scripts"] == ["install.sh"]
    assert "install.sh no longer install it" in text_of(done)
    assert not (remote / "install.sh").exists()
