"""Images that start the Python of a bundle, read back by other clients and run in a root made of them alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.remotes.images import (
    Base,
    RunnableImage,
    artifact_of,
    base_of_other,
    runnable_config_of,
    runnable_image_of,
)
from bundle.artifacts.remotes.published import Blob
from bundle.artifacts.remotes.registry import Registry
from bundle.base.errors import ConfigError
from bundle.base.processes.run import run
from bundle.base.report import Reporter
from bundle.make.publish.candidates import Candidate
from bundle.make.publish.runnable import require_registry, warn_of_outdated
from bundle.model.manifest import Manifest, PythonRecord
from tests.artifacts.remotes.made import CONTENT, document, publish
from tests.artifacts.remotes.made import layer as layer_of
from tests.artifacts.remotes.pushed import TAR
from tests.artifacts.remotes.stores import registry
from tests.cli.results import result_of
from tests.foreign.bundles import program
from tests.make.projects import VERSION, SmallProject, World, small_world, this_machine
from tests.make.publish.built import Built
from tests.make.publish.images import pushed_base, skopeo, umoci
from tests.reporters import Told

real = pytest.mark.real

BUNDLE = Manifest(
    version="3.12.10",
    platform="linux-x64",
    python=PythonRecord(requested="3.12.10", actual="3.12.10", source="host"),
    environment={"DATA": "{bundle}/data"},
)


def base(**config: Any) -> Base:
    return Base(
        name="host.example/debian:12",
        digest=f"sha256:{'d' * 64}",
        layers=((TAR, Blob.of(b"layer")),),
        diff_ids=(f"sha256:{'e' * 64}",),
        config=config,
    )


def started(**config: Any) -> dict[str, Any]:
    value = json.loads(runnable_config_of(document(), base(**config), BUNDLE, 0))["config"]
    assert isinstance(value, dict)
    return value


class TestConfiguration:
    def test_the_bundles_python_is_started_by_a_user_who_owns_nothing(self) -> None:
        value = started()
        assert value["Entrypoint"] == ["/python/bin/python3.12"]
        assert (value["User"], value["WorkingDir"]) == ("65534:65534", "/")
        env = dict(one.split("=", 1) for one in value["Env"])
        assert env["PATH"].startswith("/python/bin:/usr/local/sbin:")
        assert (env["DATA"], env["PYTHONNOUSERSITE"]) == ("/python/data", "1")

    def test_what_the_base_says_stays_unless_it_leads_to_another_python(self) -> None:
        own = ["PATH=/opt/bin", "PYTHONHOME=/usr", "LANG=C.UTF-8", "odd"]
        value = started(Env=own, User="app", WorkingDir="/srv", Entrypoint=["/bin/sh"], Cmd=["-c"])
        assert (value["User"], value["WorkingDir"]) == ("app", "/srv")
        assert "Cmd" not in value
        env = dict(one.split("=", 1) for one in value["Env"])
        assert (env["PATH"], env["LANG"]) == ("/python/bin:/opt/bin", "C.UTF-8")
        assert "PYTHONHOME" not in env

    @pytest.mark.parametrize("odd", [1, None, [1], {"a": []}, [["A=1"]], "A=1"])
    def test_odd_values_of_the_base_are_left_out(self, odd: object) -> None:
        value = started(Env=odd, User=odd if odd != "A=1" else "", WorkingDir=[odd], StopSignal={})
        assert (value["User"], value["WorkingDir"], "StopSignal" in value) == ("65534:65534", "/", False)

    def test_layers_are_those_of_the_base_and_then_the_same_blobs(self) -> None:
        config = runnable_config_of(document(), base(), BUNDLE, 0)
        about = json.loads(config)
        image = json.loads(runnable_image_of(document(), base(), config, 0))
        blobs = [base().layers[0][1], *(layer.blob for layer in document().layers)]
        assert [one["digest"] for one in image["layers"]] == [f"sha256:{blob.sha256}" for blob in blobs]
        assert len(about["rootfs"]["diff_ids"]) == len(about["history"]) == len(blobs)
        assert image["config"]["digest"] == f"sha256:{Blob.of(config).sha256}"
        annotations = image["annotations"]
        assert annotations["org.opencontainers.image.base.name"] == "host.example/debian:12"
        assert annotations["org.opencontainers.image.base.digest"] == base().digest

    def test_an_image_of_other_layers_tells_its_base(self) -> None:
        config = runnable_config_of(document(), base(), BUNDLE, 0)
        image = runnable_image_of(document(), base(), config, 0)
        own = [one.blob for one in document().layers]
        assert base_of_other(image, own) is None
        assert base_of_other(image, own[::-1]) == "host.example/debian:12"
        assert base_of_other(image.replace(b"host.example/debian:12", b"\\u202e"), own[::-1]) == ""
        assert [base_of_other(one, own) for one in (artifact_of("removed"), b"", b"[]", b'{"layers":[5]}')] == 4 * [
            None
        ]

    def test_a_remote_of_files_has_no_use_for_a_base(self, tmp_path: Path) -> None:
        built = Built(tmp_path / "project")
        built.bundle()
        words = ("publish", "--all", "--to", str(tmp_path / "remote"), "--base", "host.example/debian:12")
        with pytest.raises(ConfigError, match="no use for --base"):
            result_of(built.project.root, *words, environ={"BUNDLE_CACHE_DIR": str(built.store.root)})
        assert not (tmp_path / "remote").exists()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


@real
def test_the_index_follows_from_the_images_of_all_platforms(host: str) -> None:
    remote = require_registry(Registry(f"oci://{host}/team/index", {}, Reporter()))
    layer = b"base"

    def put(version: str, key: str) -> str:
        one = document(version, key)
        config = runnable_config_of(one, base(), BUNDLE, 0)
        manifest = json.loads(runnable_image_of(one, base(), config, 0))
        manifest["layers"][0] |= {"digest": f"sha256:{Blob.of(layer).sha256}", "size": len(layer)}
        content = json.dumps(manifest).encode()
        remote.put_runnable(
            RunnableImage(
                version=version,
                platform=key,
                config=config,
                manifest=content,
                origin="http://127.0.0.1:9/v2/other",
                base={Blob.of(layer): lambda: [layer]},
            )
        )
        return f"sha256:{Blob.of(content).sha256}"

    def index() -> list[str]:
        value = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{host}/team/index:run-3.12.10"))
        return [one["digest"] for one in value.get("manifests", ())]

    keys = ("linux-x64", "linux-aarch64")
    publish(remote, *(document("3.12.10", key, document("3.12.10").layers) for key in keys))
    assert set(CONTENT) >= set(document("3.12.10").blobs)
    digests = [put("3.12.10", key) for key in keys]
    assert index() == digests
    told = Told()
    other = document("3.12.10", "linux-x64", layers=[layer_of("cpython", b"one")])
    for one in (document("3.12.10", "linux-x64"), other, document("3.12.11")):
        warn_of_outdated([Candidate(document=one, sources={})], remote, reporter=told)
    (warning,) = told.warnings
    assert warning.startswith("The image run-3.12.10 for linux-x64 still holds an earlier bundle;")
    assert "`bundle publish 3.12.10 --base host.example/debian:12` renews it." in warning
    catalogue, token = remote.catalogue()
    remote.replace_catalogue(catalogue.without("3.12.10", keys[:1]), token)
    assert index() == digests[1:]
    catalogue, token = remote.catalogue()
    remote.replace_catalogue(catalogue.without("3.12.10", keys[1:]), token)
    assert index() == []


@real
@pytest.mark.parametrize("same", [True, False], ids=["the same registry", "another registry"])
def test_the_image_is_read_by_other_clients_and_its_python_runs(
    world: World, host: str, tmp_path: Path, *, same: bool
) -> None:
    project = world.project(tmp_path / "project", runtime={"environment": {"*": {"DATA": "{bundle}/data"}}})
    project.build()
    name = f"team/base-{'here' if same else 'there'}"
    if same:
        base = pushed_base(f"{host}/{name}:12", tmp_path)
        image = published(project, host, name, f"{host}/{name}:12", base)
    else:
        (tmp_path / "registry").mkdir()
        with registry(tmp_path / "registry") as other:
            base = pushed_base(f"{other}/{name}:12", tmp_path)
            image = published(project, host, name, f"{other}/{name}:12@{base}", base)
    layout = tmp_path / "layout"
    # umoci reads no layers that are compressed by zstd.
    gzip = ("--dest-compress", "--dest-compress-format=gzip")
    skopeo("copy", "--quiet", "--src-tls-verify=false", *gzip, f"docker://{image}", f"oci:{layout}:it")
    umoci("unpack", "--rootless", "--image", f"{layout}:it", str(tmp_path / "unpacked"))
    spec = json.loads((tmp_path / "unpacked" / "config.json").read_text())["process"]
    assert (spec["args"][0], spec["user"]["uid"], spec["cwd"]) == ("/python/bin/python3.12", 65534, "/")
    code = "import hello, native, os, sys; print(native.answer(), sys.prefix, os.environ['DATA'])"
    root = tmp_path / "unpacked" / "rootfs"
    for folder in ("proc", "dev"):
        (root / folder).mkdir(exist_ok=True)
    view = ("--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all", "--clearenv")
    user = ("--uid", "65534", "--gid", "65534", "--chdir", spec["cwd"])
    env = [word for one in spec["env"] for word in ("--setenv", *one.split("=", 1))]
    done = run([program("bwrap", "bubblewrap"), *view, *user, *env, *spec["args"], "-c", code], timeout=60)
    assert (done.output, done.errors) == ("42 /python /python/data\n", "")


def published(project: SmallProject, host: str, name: str, reference: str, digest: str) -> str:
    """Publish the small version with a base; return the image's reference."""
    words = ("--to", f"oci://{host}/{name}/runtimes", "--allow-substitute", "--base", reference)
    said = project.run("--json", "publish", VERSION, *words, "--dry-run")
    assert said.code == 0, said.errors
    assert said.json["bases"] == {this_machine().key: f"{reference.partition('@')[0]}@{digest}"}
    assert said.json["images"] == []
    done = project.run("--json", "publish", VERSION, *words)
    assert done.code == 0, done.errors
    (image,) = done.json["images"]
    assert image["base"] == f"{reference.partition('@')[0]}@{digest}"
    assert image["reference"].startswith(f"{host}/{name}/runtimes:run-{VERSION}@sha256:")
    inspected = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{host}/{name}/runtimes:run-{VERSION}"))
    plain = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{host}/{name}/runtimes:{VERSION}"))
    assert inspected["Layers"][1:] == plain["Layers"]
    return f"{host}/{name}/runtimes:run-{VERSION}"
