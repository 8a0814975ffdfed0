"""Credentials that pages, redirections or similar names could lead astray."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from bundle.artifacts.registries.registries import Registries
from bundle.base.errors import ConfigError, Problems
from bundle.base.http import urls
from bundle.base.http.client import Answer, Conditional
from bundle.base.http.urls import CredentialStore, holds_concealed, redact
from bundle.model.config.config import Registries as Configured
from bundle.model.config.merge import merge
from bundle.model.config.reader import Reader
from tests.model.configs import table

CORP = {"BUNDLE_INDEX_PYPI_CORP_USERNAME": "u", "BUNDLE_INDEX_PYPI_CORP_PASSWORD": "p"}


@pytest.mark.parametrize("other", ["https://pypi-corp/x", "http://PYPI_CORP:8080/", "https://u:p@pypi-corp/simple"])
def test_a_variable_that_could_be_for_two_registries_is_refused(other: str) -> None:
    store = CredentialStore(CORP)
    with pytest.raises(ConfigError, match=r"BUNDLE_INDEX_PYPI_CORP_PASSWORD.*pypi\.corp"):
        store.configure(["https://pypi.corp/simple", other])


def test_a_variable_that_is_not_set_is_for_nobody_and_two_ports_are_one_host() -> None:
    CredentialStore({}).configure(["https://pypi.corp/simple", "https://pypi-corp/simple"])
    store = CredentialStore(CORP)
    store.configure(["https://pypi.corp/simple", "https://pypi.corp:8443/simple"])
    assert store.of("https://pypi.corp:8443/x")[1] == store.of("https://pypi.corp/x")[1] == ("u", "p")


@pytest.mark.parametrize("configured", [True, False], ids=["configured", "first"])
@pytest.mark.parametrize(
    "other",
    [
        "https://pypi-corp/x",
        "http://pypi.corp/x",
        "https://pypi.corp:8443/x",
        "https://pypi_corp/x",
        "http://pypi-corp",
    ],
)
def test_credentials_of_a_variable_go_to_the_origin_that_they_are_for(configured: bool, other: str) -> None:
    store = CredentialStore(CORP)
    if configured:
        store.of(other)
        store.configure(["https://pypi.corp/simple"])
    assert store.of("https://pypi.corp/simple/x")[1] == ("u", "p")
    assert store.of(other) == (other, None)


@pytest.mark.parametrize(
    "other", ["http://index.example/x", "https://index.example:444/x", "https://index.example.evil/x", "https://evil/"]
)
def test_credentials_of_a_url_go_to_its_origin(other: str) -> None:
    store = CredentialStore({})
    store.of("https://u:p@index.example/simple")
    assert store.of("https://index.example/x")[1] == ("u", "p")
    assert store.of(other)[1] is None


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/t/S3CR3T/simple",
        "https://a.example/ghp_S3CR3T/x",
        "https://a.example/glpat-S3CR3T/x",
        "https://a.example/pypi-AgS3CR3T/x",
        "https://a.example/S3CR3Taaaaaaaaaaaaaaaaa/simple/",
        "https://a.example/x?token=S3CR3T",
        "https://a.example/x?b=1&Signature=S3CR3T",
        "https://a.example/x#password=S3CR3T",
        "https://S3CR3T@a.example/x",
    ],
)
def test_a_secret_is_shown_in_no_message(url: str) -> None:
    assert "S3CR3T" not in redact(f"{url} failed")


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "_concealed", set())


def conceal(value: str, template: str) -> str:
    """Configure a registry whose address has a value of the environment, and return the address."""
    tree = table({"registries": {"default": template}})
    reader = Reader(merge(tree, table({})), root=Path("/x"), environ={"SECRET": value}, problems=Problems())
    config = reader.config(version="3.12.10", python="3.12.10", variant=None, folder=Path("/x/versions/3.12.10"))
    assert config.registries.default
    return config.registries.default


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    "template",
    [
        "https://a.example/${SECRET}/simple",
        "https://a.example/x/${SECRET}",
        "https://a.example/x-${SECRET}-y/simple",
        "https://a.example/simple?k=${SECRET}",
        "https://a.example/simple#${SECRET}",
        "https://user:${SECRET}@a.example/simple",
        "https://${SECRET}@a.example/simple",
    ],
)
@pytest.mark.parametrize("value", ["correcthorsebattery", "a b/c+d=e&f@g", "ünlock-mé", "(.*)+[x]{9}", "%41%42cdefg"])
def test_what_a_variable_put_into_a_url_is_shown_nowhere(template: str, value: str) -> None:
    url = conceal(value, template)
    for spelled in (value, quote(value), quote(value, safe=""), quote(value, safe="").lower(), quote_plus(value)):
        assert spelled not in redact(f"GET {url} and {spelled} failed: https://b.example/{spelled}")
    assert holds_concealed(f'<a href="{url}">'.encode())
    assert "a.example" in redact(url)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("value", "template"),
    [
        ("index.corp", "https://${SECRET}/simple"),
        ("https://a.example/simple", "${SECRET}"),
        ("eu", "https://${SECRET}.x/"),
    ],
)
def test_a_variable_with_no_secret_is_shown(value: str, template: str) -> None:
    url = conceal(value, template)
    assert redact(f"{url}/numpy/") == f"{url}/numpy/"


@pytest.mark.usefixtures("forgotten")
def test_an_address_from_a_variable_is_shown_without_its_tokens() -> None:
    url = conceal("https://u:p@a.example/feed/zz9zz9zz/simple", "${SECRET}")
    assert redact(url) == "https://a.example/feed/***/simple"


@pytest.mark.usefixtures("forgotten")
def test_a_page_that_names_a_secret_is_not_kept(tmp_path: Path) -> None:
    url = conceal("correcthorsebattery", "https://a.example/${SECRET}/simple")
    page = f'<a href="{url}/demo-1.0.tar.gz#sha256={"a" * 64}">x</a>'.encode()

    def get(url: str, *, accept: str | None = None, cached: Conditional | None = None) -> Answer:
        return Answer(url=url, status=200, headers={"content-type": "text/html"}, content=page)

    registries = Registries(Configured(default=url), get=get, folder=tmp_path, environ={})
    found = registries.page("demo")
    assert found is not None
    registries.remember(found.files[0])
    assert found.files[0].url.startswith(url)
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"correcthorse" in content for content in kept)


@pytest.mark.parametrize(
    "url",
    [
        f"https://files.example/packages/3d/1a/{'0123456789abcdef' * 4}/Demo_Package-1.0-cp310-cp310-win_amd64.whl",
        "https://a.example/owner/Some-Project-2024/releases/download/20250101/cpython-3.12.tar.gz",
        "https://a.example/a/t",
    ],
)
def test_an_honest_path_is_shown_whole(url: str) -> None:
    assert redact(url) == url


@pytest.mark.parametrize("unit", ["/Aa1", "?token", "//", "/t/", "&key", "Aa1-", "@", "//a@"])
def test_a_long_url_is_shown_in_one_pass(unit: str) -> None:
    redact("https://a.example/" + unit * 5000)
