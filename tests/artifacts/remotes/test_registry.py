"""Container registries, by the server of the CNCF and its clients on loopback."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_hex
from threading import Thread

import pytest
from oras.client import OrasClient

from bundle.artifacts.remotes.addresses import Access, open_writable
from bundle.artifacts.remotes.images import MANIFEST, artifact_of, config_of, image_of
from bundle.artifacts.remotes.published import Blob, PublishedCatalogue, PublishedEntry
from bundle.artifacts.remotes.registry import Registry
from bundle.artifacts.remotes.registry_files import RegistryFiles
from bundle.artifacts.remotes.remote import CatalogueChangedError, ReadOnlyError
from bundle.base.errors import ConfigError, IntegrityError, NetworkError
from bundle.base.http.registry import is_loopback
from bundle.base.report import Reporter
from tests.artifacts.remotes.made import CONTENT, document, publish
from tests.artifacts.remotes.stores import SECRET, registry

real = pytest.mark.real

BLOB = Blob.of(b"onetwo")


@pytest.fixture
def url(host: str) -> str:
    """A new repository."""
    return f"oci://{host}/team/r{token_hex(4)}"


@pytest.fixture
def remote(url: str) -> Registry:
    return Registry(url, {}, Reporter())


@real
def test_other_clients_pull_the_blobs_of_an_image(remote: Registry, url: str, tmp_path: Path) -> None:
    one = document()
    publish(remote, one)
    place = url.removeprefix("oci://")
    skopeo(
        "--insecure-policy", "copy", "--src-tls-verify=false", f"docker://{place}:3.12.10", f"dir:{tmp_path / 'dir'}"
    )
    assert {(tmp_path / "dir" / blob.sha256).read_bytes() for blob in CONTENT} == set(CONTENT.values())
    image = f"{place}@sha256:{Blob.of(image_of(one, 315532800)).sha256}"
    pulled = OrasClient(insecure=True).pull(image, outdir=str(tmp_path / "pulled"))
    assert {Path(path).read_bytes() for path in pulled} == set(CONTENT.values())


@real
def test_other_clients_read_the_image_of_each_platform(remote: Registry, url: str, tmp_path: Path) -> None:
    shared = document().layers
    entries = publish(remote, document("3.12.10-a", "linux-x64", shared), document("3.12.10-a", "windows-x64", shared))
    place = f"docker://{url.removeprefix('oci://')}:3.12.10-a"
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", place))
    assert [(one["platform"]["os"], one["platform"]["architecture"]) for one in raw["manifests"]] == [
        ("linux", "amd64"),
        ("windows", "amd64"),
    ]
    assert [one["digest"] for one in raw["manifests"]] == [f"sha256:{entry.image}" for entry in entries]
    seen = json.loads(
        skopeo("--override-os", "linux", "--override-arch", "amd64", "inspect", "--tls-verify=false", place)
    )
    assert seen["Layers"] == [f"sha256:{layer.blob.sha256}" for layer in shared]
    assert (seen["Os"], seen["Created"]) == ("linux", "1980-01-01T00:00:00Z")
    assert {"catalogue", "3.12.10-a", "entry-3.12.10-a-linux-x64"} <= set(seen["RepoTags"])


@real
def test_a_bundle_that_was_taken_out_is_in_no_catalogue_and_no_index(remote: Registry, url: str) -> None:
    publish(remote, document(), document(platform="windows-x64"))
    for platform, left in (("linux-x64", ["windows-x64"]), ("windows-x64", [])):
        catalogue, token = remote.catalogue()
        remote.replace_catalogue(catalogue.without("3.12.10", [platform]), token)
        assert [entry.platform for entry in remote.catalogue()[0].bundles] == left
        raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{url[6:]}:3.12.10"))
        assert len(raw["manifests"]) == len(left)
    publish(remote, document())
    assert [entry.platform for entry in remote.catalogue()[0].bundles] == ["linux-x64"]


@real
def test_an_entry_that_another_publisher_wrote_meanwhile_is_kept(remote: Registry, url: str) -> None:
    publish(remote, document("3.12.10-kept"))
    _, token = remote.catalogue()
    publish(Registry(url, {}, Reporter()), document("3.12.10-other"))
    one = document("3.12.10-own")
    for blob in one.blobs:
        remote.send(blob, lambda blob=blob: [CONTENT.get(blob, b"three")])  # type: ignore[misc]
    remote.put_bundle(one)
    stale = remote._read[token]
    remote.replace_catalogue(stale.with_entries([PublishedEntry.of(one)]), token)
    assert remote.catalogue()[0].versions() == ["3.12.10-kept", "3.12.10-other", "3.12.10-own"]


@real
def test_what_strangers_write_into_the_repository_is_refused(remote: Registry, url: str) -> None:
    (entry,) = publish(remote, document())
    there = RegistryFiles(url, {}, Reporter())
    with pytest.raises(IntegrityError):
        remote.bundle(replace(entry, document=Blob(sha256=entry.document.sha256, size=entry.document.size + 1)))
    _, token = remote.catalogue()
    there.client.put(there.manifest_address("catalogue"), artifact_of("catalogue"), MANIFEST)
    with pytest.raises(IntegrityError):
        remote.catalogue()
    forged = artifact_of(
        "bundle", None, {"bundle.entry": '{"version": "../..", "platform": "x"}', "bundle.image": "[]"}
    )
    there.client.put(there.manifest_address("entry-3.12.10-forged"), forged, MANIFEST)
    with pytest.raises(IntegrityError, match="holds no entry"):
        remote.replace_catalogue(PublishedCatalogue(), token)


@real
def test_credentials_of_the_environment_open_a_registry_that_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with registry(tmp_path, locked=True) as host:
        with pytest.raises(NetworkError, match="401") as caught:
            Registry(f"oci://{host}/team/x", {}, Reporter()).catalogue()
        assert "docker login" in str(caught.value.remedy)
        monkeypatch.setenv("ORAS_USER", "publisher")
        monkeypatch.setenv("ORAS_PASS", f"{SECRET}-wrong")
        with pytest.raises(NetworkError) as caught:
            Registry(f"oci://{host}/team/x", {}, Reporter()).catalogue()
        assert SECRET not in str(caught.value)
        monkeypatch.delenv("ORAS_PASS")
        login = base64.b64encode(f"publisher:{SECRET}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
        remote = Registry(f"oci://{host}/team/x", {"DOCKER_CONFIG": str(tmp_path)}, Reporter())
        (entry,) = publish(remote, document())
        assert remote.bundle(entry) == document()


@real
@pytest.mark.parametrize("realm", ["", "http://192.0.2.1/token", "http://[::1/token"])
def test_a_token_is_fetched_where_the_registry_says_but_not_without_tls(realm: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            allowed = self.headers.get("Authorization") == "Bearer opened-by-token"
            token = self.path.startswith("/token")
            body = b'{"token": "opened-by-token"}' if token else b'{"tags": ["a"]}'
            self.send_response(200 if token or allowed else 401)
            place = realm or f"http://127.0.0.1:{port}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{place}",service="s",scope="repository:x:pull"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    asked: list[tuple[str, str | None]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            files = RegistryFiles(f"oci://127.0.0.1:{port}/x", {}, Reporter())
            if realm:
                with pytest.raises(NetworkError, match="not HTTPS"):
                    files.tags()
            else:
                assert files.tags() == ["a"]
                assert asked[1] == ("/token?service=s&scope=repository%3Ax%3Apull", None)
        finally:
            server.shutdown()
            thread.join()


@real
def test_what_registries_cannot_do_is_said(remote: Registry) -> None:
    with pytest.raises(ReadOnlyError, match="by itself"):
        remote.stored()
    with pytest.raises(CatalogueChangedError):
        remote.replace_catalogue(PublishedCatalogue(), "another")


@real
def test_names_that_no_tag_can_have_are_refused(remote: Registry) -> None:
    with pytest.raises(ConfigError, match="tag"):
        remote.put_bundle(document(f"3.12.10-{'x' * 120}"))


def skopeo(*words: str) -> str:
    return subprocess.run(["skopeo", *words], check=True, capture_output=True, text=True).stdout


def test_the_same_bundle_gives_the_same_image() -> None:
    image = json.loads(image_of(document(), 0))
    assert image_of(document(), 0) == image_of(document(), 0)
    config = json.loads(config_of(document(), 0))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer.digest}" for layer in document().layers]
    assert (config["os"], config["architecture"], config["created"]) == ("linux", "amd64", "1970-01-01T00:00:00Z")
    assert image["config"]["digest"] == f"sha256:{Blob.of(config_of(document(), 0)).sha256}"
    assert image["annotations"]["org.opencontainers.image.version"] == "3.12.10"
    assert [layer["digest"] for layer in image["layers"]] == [f"sha256:{one.sha256}" for one in document().blobs]


@pytest.mark.parametrize(
    "address",
    ["oci://", "oci://host", "oci://host/Upper", "oci://u:planted-secret@host/x", "oci://host/x?y", "oci://host/../x"],
)
def test_an_address_without_a_repository_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_writable(address, Access(environ=os.environ, reporter=Reporter()))
    assert "planted-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "there"),
    [
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("[::1]:80", True),
        ("example.org", False),
        ("10.0.0.1:5000", False),
    ],
)
def test_only_hosts_of_the_loopback_are_spoken_to_without_tls(host: str, there: bool) -> None:
    assert is_loopback(host) is there


@real
def test_a_catalogue_is_found_by_its_hash_after_another_publisher_overwrote_the_manifest(remote: Registry) -> None:
    first, second = b'{"one": 1}', b'{"two": 2}'
    names = [f"{Blob.of(content).sha256}.catalogue.json" for content in (first, second)]
    remote.put_metadata({names[0]: first, "1.targets.json": b"{}", "timestamp.json": b"{}"}, None)
    found = remote.metadata("timestamp.json", 100)
    assert found is not None
    remote.put_metadata({names[1]: second, "2.targets.json": b"{}", "timestamp.json": b"[]"}, found[1])
    assert remote.metadata("timestamp.json", 100) is not None
    assert remote.metadata("1.targets.json", 100) is None
    for name, content in zip(names, (first, second), strict=True):
        answer = remote.metadata(name, 100)
        assert answer is not None
        assert answer[0] == content
    assert remote.metadata(f"{'0' * 64}.catalogue.json", 100) is None
