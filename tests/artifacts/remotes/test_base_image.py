"""Base images, in a registry on loopback."""

from __future__ import annotations

import gzip
import json
from secrets import token_hex

import pytest

from bundle.artifacts.remotes.base_image import BaseImage, read_base_image
from bundle.artifacts.remotes.images import INDEX
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.registry_files import RegistryFiles
from bundle.base.errors import ConfigError, IntegrityError
from bundle.base.report import Reporter
from tests.artifacts.remotes.pushed import TAR, files_of, layer_of, push

LAYER = layer_of({"etc/name": b"base"})


@pytest.fixture
def repository(host: str) -> str:
    return f"{host}/base/r{token_hex(4)}"


@pytest.fixture
def files(repository: str) -> RegistryFiles:
    return files_of(repository)


def read(reference: str, key: str = "linux-x64") -> BaseImage:
    return read_base_image(reference, key, {}, Reporter())


@pytest.mark.real
class TestReading:
    def test_an_image_is_pinned_by_its_digest(self, files: RegistryFiles, repository: str) -> None:
        pushed = push(files, [LAYER], config={"config": {"Env": ["A=1"], "User": "me"}})
        found = read(f"oci://{repository}:1")
        assert (found.base.name, found.base.digest) == (f"{repository}:1", pushed["digest"])
        (layer,) = found.base.layers
        assert layer[0] == TAR
        assert gzip.decompress(b"".join(found.sources[layer[1]]())) == LAYER
        assert found.base.diff_ids == (f"sha256:{Blob.of(LAYER).sha256}",)
        assert found.base.config == {"Env": ["A=1"], "User": "me"}
        push(files, [])
        assert read(f"{repository}:1@{pushed['digest']}").base.layers == (layer,)
        assert read(f"{repository}@{pushed['digest']}").base == found.base.__class__(
            **{**vars(found.base), "name": repository}
        )

    def test_of_an_index_the_image_of_the_platform_is_read(self, files: RegistryFiles, repository: str) -> None:
        images = []
        for machine in ("arm64", "amd64"):
            pushed = push(files, [layer_of({machine: b"x"})], tag=machine, config={"architecture": machine})
            images.append(pushed | {"platform": {"os": "linux", "architecture": machine}})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": images}
        files.client.put(files.manifest_address("both"), json.dumps(index).encode(), INDEX)
        for key, image in zip(("linux-aarch64", "linux-x64"), images, strict=True):
            assert read(f"{repository}:both", key).base.digest == image["digest"]
        with pytest.raises(ConfigError, match="not for linux-x64"):
            read(f"{repository}:arm64")
        index["manifests"] = images[:1]
        files.client.put(files.manifest_address("one"), json.dumps(index).encode(), INDEX)
        with pytest.raises(ConfigError, match="no image for linux-x64"):
            read(f"{repository}:one")

    def test_layers_of_docker_get_the_names_of_the_specification(self, files: RegistryFiles, repository: str) -> None:
        push(files, [LAYER], layer_type="application/vnd.docker.image.rootfs.diff.tar.gzip")
        assert read(f"{repository}:1").base.layers[0][0] == TAR

    def test_a_blob_is_mounted_from_another_repository(self, files: RegistryFiles, host: str) -> None:
        push(files, [LAYER])
        blob = Blob.of(gzip.compress(LAYER, mtime=0))
        other = files_of(f"{host}/other/r{token_hex(4)}")
        name = files.address.partition("/v2/")[2]
        assert other.client.mount(other.address, blob.sha256, name)
        assert other.client.size(other.blob_address(blob.sha256)) == blob.size
        assert not other.client.mount(other.address, "0" * 64, name)

    def test_an_image_that_is_not_there_is_told(self, repository: str) -> None:
        with pytest.raises(ConfigError, match="no image"):
            read(f"{repository}:none")


@pytest.mark.parametrize(
    "reference",
    [
        "debian:12",
        "library/debian:12",
        "host.example/x",
        "host.example/X:1",
        "host.example/x@sha256:12",
        "a:b@c/x:1",
        "",
    ],
)
def test_a_reference_has_a_host_and_a_tag_or_a_digest(reference: str) -> None:
    with pytest.raises(ConfigError, match="no image of a registry"):
        read(reference)


DEEP = b"[" * 100_000
HUGE = {"digest": f"sha256:{'a' * 64}", "size": 2**40, "mediaType": TAR}


@pytest.mark.real
@pytest.mark.parametrize(
    "changes",
    [
        {"layers": None},
        {"layers": [HUGE] * 200},
        {"layers": [HUGE]},
        {"layers": [HUGE | {"size": -1}]},
        {"layers": [HUGE | {"size": True}]},
        {"layers": [HUGE | {"size": 9, "digest": "sha256:../../x"}]},
        {"layers": [HUGE | {"size": 9, "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"}]},
        {"layers": [HUGE | {"size": 9, "mediaType": ["x"]}]},
        {"layers": []},
        {"config": HUGE},
        {"config": "x"},
        {"manifests": ["x", {"platform": {"os": "linux", "architecture": "amd64"}, "digest": 1}]},
    ],
)
def test_a_malformed_image_is_refused(files: RegistryFiles, repository: str, changes: dict[str, object]) -> None:
    """The registry takes no such manifest, so a server of files gives it."""
    from tests.base.server import serving

    pushed = push(files, [LAYER])
    manifest = files.manifest("1")
    assert manifest is not None
    value = json.loads(manifest) | changes
    config = value["config"]
    with serving() as site:
        site.files = {"/v2/x/manifests/1": json.dumps(value).encode(), "/v2/x/manifests/deep": DEEP}
        if isinstance(config, dict):
            own = json.loads(manifest)["config"]["digest"]
            content = b"".join(
                files.parts(own.removeprefix("sha256:"), 0, config["size"] if config["size"] < 2**20 else 9)
            )
            site.files[f"/v2/x/blobs/{config['digest']}"] = content
        place = site.url.removeprefix("http://")
        with pytest.raises(IntegrityError):
            read(f"{place}/x:1")
        with pytest.raises(IntegrityError):
            read(f"{place}/x:deep")
        site.files[f"/v2/x/manifests/{pushed['digest']}"] = json.dumps(value).encode()
        with pytest.raises(IntegrityError):
            read(f"{place}/x@{pushed['digest']}")
