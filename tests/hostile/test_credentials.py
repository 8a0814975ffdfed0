"""Credentials that pages, redirections or similar names could lead astray."""

from __future__ import annotations

import pytest

from bundle.base.errors import ConfigError
from bundle.base.http.urls import CredentialStore, redact

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
