"""Credentials planted wherever one finds them, searched for in all that commands print, write and send."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import pytest
import zstandard

from tests.artifacts.remotes.stores import SECRET, registry, s3
from tests.base.server import serving
from tests.make.projects import VERSION, Run, SmallProject, World, small_world

pytestmark = pytest.mark.real

INDEX, NETRC, ADDRESS, QUERY = (f"planted-{name}-5Ecr3t" for name in ("index", "netrc", "address", "query"))

PLANTED = (SECRET, INDEX, NETRC, ADDRESS, QUERY)

SPELLINGS = tuple(
    spelled
    for secret in PLANTED
    for spelled in (
        secret.encode(),
        base64.b64encode(secret.encode()),
        base64.b64encode(f"publisher:{secret}".encode()),
        base64.b64encode(f"me:{secret}".encode()),
    )
)

ZSTD = b"\x28\xb5\x2f\xfd"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory) as world:
        yield world


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder, and what is compressed in it."""
    for path in folder.rglob("*"):
        if path.is_symlink():
            yield str(path), os.fsencode(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
            yield str(path), content
            if content.startswith(ZSTD):
                reader = zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)
                yield f"{path} unpacked", reader.read()


def objects(environ: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield every object of the bucket, as another client reads it."""
    files = fsspec.filesystem(
        "s3",
        key=environ["AWS_ACCESS_KEY_ID"],
        secret=SECRET,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        skip_instance_cache=True,
    )
    for path in files.find("runtimes"):
        yield path, files.cat_file(path)


def planted_in(found: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]]) -> list[str]:
    """Return where a planted secret was found."""
    return [f"{spelled.decode()} in {name}" for name, content in found for spelled in SPELLINGS if spelled in content]


def with_user(url: str, secret: str) -> str:
    return url.replace("//", f"//me:{secret}@")


def project_of(world: World, folder: Path) -> SmallProject:
    """A project whose registry takes a password from the environment, with further ones in the user's files."""
    home = folder / "home"
    (home / ".docker").mkdir(parents=True)
    environ = {
        "HOME": str(home),
        "NETRC": str(home / ".netrc"),
        "DOCKER_CONFIG": str(home / ".docker"),
        "REGISTRY_SECRET": INDEX,
        "BUNDLE_DATA_DIR": str(folder / "data"),
    }
    project = world.project(folder / "project", cache=folder / "cache", packages={"dependencies": ["hello"]})
    shared = json.loads((project.root / "shared-config.json").read_text())
    shared["registries"]["default"] = project.registry.replace("//", "//publisher:${REGISTRY_SECRET}@")
    shared["build"] = {"enableLogging": True}
    (project.root / "shared-config.json").write_text(json.dumps(shared))
    (home / ".netrc").write_text(f"machine 127.0.0.1 login publisher password {NETRC}\n")
    (home / ".netrc").chmod(0o600)
    return SmallProject(root=project.root, cache=project.cache, registry=project.registry, environ=environ)


def test_what_is_searched_for_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(f"https://me:{ADDRESS}@host/")
    (tmp_path / "packed").write_bytes(zstandard.compress(SECRET.encode() * 9))
    (tmp_path / "coded").write_bytes(base64.b64encode(f"publisher:{SECRET}".encode()))
    (tmp_path / "link").symlink_to(f"/{NETRC}")
    found = " ".join(planted_in(contents(tmp_path)))
    assert [name in found for name in ("/plain", "/packed unpacked", "/coded", "/link")] == [True] * 4


def test_no_planted_credential_is_found_anywhere(world: World, tmp_path: Path) -> None:
    project = project_of(world, tmp_path)
    (tmp_path / "registry").mkdir()
    outputs: list[tuple[str, bytes]] = []

    def run(*words: str, code: int | None = 0) -> Run:
        done = project.run("--debug", "--verbose", *words, environ=environ)
        outputs.append((" ".join(words), (done.output + done.errors).encode()))
        assert code in (None, done.code), done.errors
        return done

    with s3() as aws, registry(tmp_path / "registry", locked=True) as host, serving() as site:
        login = base64.b64encode(f"publisher:{SECRET}".encode()).decode()
        (tmp_path / "home" / ".docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
        environ = dict(aws)
        key = ("--platform", project.machine.key)
        bucket, images, folder = "s3://runtimes/all", f"oci://{host}/runtimes", str(tmp_path / "remote")
        run("lock", VERSION, *key)
        for url in (folder, bucket, images):
            run("release", "--to", url, *key, "--allow-substitute")
            run("--json", "release", "--to", url, *key, "--allow-substitute", "--dry-run")
            run("publish", VERSION, "--to", url, "--allow-substitute")
            run("--json", "catalogue", "list", "--from", url)
        for path in (one for one in Path(folder).rglob("*") if one.is_file()):
            site.files[f"/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
        web = with_user(site.url, ADDRESS)
        for number, url in enumerate((folder, bucket, images, web, site.url)):
            run("install", VERSION, "--from", url, "--into", str(tmp_path / "opt" / str(number)))
            run("--json", "list")
        assert {seen.credentials for seen in site.seen} >= {f"me:{ADDRESS}", f"publisher:{NETRC}"}
        site.behaviours = ["401"] * 3 + ["503"] * 30
        # Refusals and failures, whose messages say the most.
        for url in (
            *(web, f"{site.url}/x?token={QUERY}", with_user("https://absent.invalid/x", ADDRESS)),
            *(with_user("s3://absent-bucket/x", ADDRESS), f"oci://me:{ADDRESS}@{host}/other"),
            *(f"oci://127.0.0.1:{urlsplit(site.url).port}/x", with_user("ftp://host/x", ADDRESS)),
        ):
            run("release", "--to", url, *key, "--dry-run", code=None)
            run("publish", VERSION, "--to", url, "--allow-substitute", code=None)
            run("catalogue", "list", "--from", url, code=None)
            run("install", VERSION, "--from", url, "--into", str(tmp_path / "opt" / "other"), code=None)
        run("list", code=None)
        sent = list(objects(aws))
    assert len(sent) > 5
    assert planted_in(outputs) == []
    assert planted_in(sent) == []
    # The folder of the registry's users holds the secret's hash alone.
    for place in ("project", "remote", "registry", "data", "opt", "cache"):
        found = list(contents(tmp_path / place))
        assert found
        assert planted_in(found) == []
