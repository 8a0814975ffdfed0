from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.artifacts.registries.registries import Registries
from bundle.artifacts.registries.simple_api import RemoteFile
from bundle.base.errors import ConfigError, IntegrityError, NetworkError
from bundle.base.http.client import Answer, Conditional, NotFoundError
from bundle.model.config.config import Registries as Configured
from bundle.model.config.config import Registry

DEFAULT = "https://index.example/simple"
EXTRA = "https://user:secret@extra.example/simple"
DIGEST = "a" * 64


class Internet:
    """Pages in memory, by address."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = pages
        self.asked: list[str] = []
        self.etag: str | None = None

    def get(self, url: str, *, accept: str | None = None, cached: Conditional | None = None) -> Answer:
        self.asked.append(url)
        if cached is not None and cached.etag == self.etag:
            return Answer(url=url, status=304, headers={}, content=b"")
        if url not in self.pages:
            raise NotFoundError("not there")
        headers = {"content-type": "text/html", **({"etag": self.etag} if self.etag else {})}
        return Answer(
            url=url.replace("user:secret@", ""), status=200, headers=headers, content=self.pages[url].encode()
        )


def link(name: str, digest: str = DIGEST) -> str:
    return f'<a href="/files/{name}#sha256={digest}">{name}</a>'


def registries(internet: Internet, folder: Path, *additional: Registry, offline: bool = False) -> Registries:
    return Registries(
        Configured(default=DEFAULT, additional=additional),
        get=internet.get,
        folder=folder,
        environ={},
        offline=offline,
    )


def test_the_first_registry_that_has_a_name_serves_it(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-2.0.tar.gz"), f"{EXTRA}/a/": link("a-1.0.tar.gz")})
    there = registries(internet, tmp_path, Registry(url=EXTRA))

    page = there.page("a")

    assert page is not None
    assert [file.filename for file in page.files] == ["a-1.0.tar.gz"]
    assert there.page("nowhere") is None
    assert internet.asked == [f"{EXTRA}/a/", f"{EXTRA}/nowhere/", f"{DEFAULT}/nowhere/"]


def test_a_tied_registry_is_the_only_one_for_its_names(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/cuda-x/": link("cuda-x-9.tar.gz"), f"{DEFAULT}/a/": link("a-1.tar.gz")})
    there = registries(internet, tmp_path, Registry(url=EXTRA, packages=["CUDA_*"]))

    assert there.page("cuda-x") is None
    assert there.page("a") is not None
    assert internet.asked == [f"{EXTRA}/cuda-x/", f"{DEFAULT}/a/"]


def test_a_missing_variable_matters_only_when_its_registry_is_asked(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz")})
    tied = Registry(url="https://${HOST}/simple", packages=["cuda"], missing=["HOST"])
    there = registries(internet, tmp_path, tied)

    assert there.page("a") is not None
    with pytest.raises(ConfigError, match="HOST"):
        there.page("cuda")


def test_a_page_is_asked_for_once_in_a_run(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz")})
    there = registries(internet, tmp_path)

    assert there.page("a") == there.page("a")
    assert len(internet.asked) == 1


def test_a_page_that_did_not_change_comes_from_the_cache(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz")})
    internet.etag = '"one"'
    first = registries(internet, tmp_path).page("a")

    internet.pages = {}

    assert registries(internet, tmp_path).page("a") == first


def test_offline_the_cache_answers_or_says_that_it_cannot(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz")})
    first = registries(internet, tmp_path).page("a")

    assert registries(internet, tmp_path, offline=True).page("a") == first
    with pytest.raises(NetworkError, match="--offline"):
        registries(internet, tmp_path, offline=True).page("b")
    assert len(internet.asked) == 1


def test_a_damaged_page_in_the_cache_is_no_page(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz")})
    registries(internet, tmp_path).page("a")
    (cached,) = (tmp_path / "pages").glob("*/*.json")
    cached.write_bytes(cached.read_bytes() + b"x")

    with pytest.raises(NetworkError):
        registries(internet, tmp_path, offline=True).page("a")


def test_credentials_go_with_the_files_of_the_same_server_and_into_no_cache(tmp_path: Path) -> None:
    elsewhere = '<a href="https://cdn.example/b.tar.gz">b</a>'
    internet = Internet({f"{EXTRA}/a/": link("a-1.tar.gz") + elsewhere})
    there = registries(internet, tmp_path, Registry(url=EXTRA))

    page = there.page("a")
    assert page is not None
    there.remember(page.files[0])

    assert [file.url for file in page.files] == [
        "https://user:secret@extra.example/files/a-1.tar.gz",
        "https://cdn.example/b.tar.gz",
    ]
    assert page.registry == "https://extra.example/simple"
    assert there.remembered(DIGEST) == page.files[0].url
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_a_file_is_found_by_its_hash_wherever_it_is(tmp_path: Path) -> None:
    internet = Internet({f"{EXTRA}/a/": link("a-1.tar.gz", "b" * 64), f"{DEFAULT}/a/": link("a-1.tar.gz")})
    there = registries(internet, tmp_path, Registry(url=EXTRA))

    assert list(there.locate("a", "a-1.tar.gz", DIGEST)) == ["https://index.example/files/a-1.tar.gz"]


def test_where_a_file_was_seen_comes_first(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz")})
    there = registries(internet, tmp_path)
    there.remember(RemoteFile("a-1.tar.gz", "https://old.example/a-1.tar.gz", sha256=DIGEST, size=7))
    there.remember(RemoteFile("a-1.tar.gz", "https://old.example/a-1.tar.gz", sha256=DIGEST))

    assert next(there.locate("a", "a-1.tar.gz", DIGEST)) == "https://old.example/a-1.tar.gz"
    assert there.remembered_size(DIGEST) == 7
    assert not internet.asked


def test_the_same_name_with_another_hash_is_an_integrity_error(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz", "b" * 64)})

    with pytest.raises(IntegrityError, match=r"a-1\.tar\.gz is on https://index\.example/simple with another hash"):
        list(registries(internet, tmp_path).locate("a", "a-1.tar.gz", DIGEST))


def test_the_cache_holds_what_a_page_said(tmp_path: Path) -> None:
    internet = Internet({f"{DEFAULT}/a/": link("a-1.tar.gz")})
    registries(internet, tmp_path).page("a")

    (cached,) = (tmp_path / "pages").glob("*/*.json")
    assert json.loads(cached.read_bytes())["value"]["url"] == f"{DEFAULT}/a/"
