import pytest

from bundle.base.errors import ConfigError
from bundle.model.config.config import PlatformPackages, Registries, Registry


def test_a_registry_shows_its_credentials_to_nobody_but_the_one_who_asks_for_the_url() -> None:
    registry = Registry(url="https://me:secret@index.example/simple")
    assert registry.url == "https://me:secret@index.example/simple"
    shown = f"{registry} {registry!r} {Registries(default=registry.url, additional=(registry,))!r}"
    assert "secret" not in shown
    assert "index.example/simple" in shown


def test_a_tied_registry_serves_its_names_only_however_they_are_spelled() -> None:
    registry = Registry(url="https://index.example/simple", packages=["Nvidia_*", "triton"])
    assert registry.serves("nvidia-cublas-cu12")
    assert registry.serves("triton")
    assert not registry.serves("torch")
    assert Registry(url="https://index.example/simple").serves("torch")


def test_a_registry_without_its_variable_fails_when_it_is_needed_and_names_the_variable() -> None:
    registry = Registry(url="${CUDA_INDEX}", packages=["nvidia-*"], missing=["CUDA_INDEX"])
    assert registry.serves("nvidia-nccl-cu12")
    with pytest.raises(ConfigError, match=r"registry for nvidia-\* needs the environment variable CUDA_INDEX"):
        _ = registry.url


def test_a_registry_without_its_variable_says_where_it_is_configured_and_what_would_do() -> None:
    registry = Registry(url="${X}", packages=["nvidia-*"], missing=["X"], origin="shared-config.json:5")
    with pytest.raises(ConfigError) as caught:
        _ = registry.url
    assert "(shared-config.json:5)" in caught.value.what
    assert "your default index" in caught.value.remedy
    assert "docs/locking.md" in caught.value.remedy
    assert caught.value.as_json()["error"] == "ConfigError"


def test_packages_by_default_are_none() -> None:
    assert PlatformPackages().dependencies == ()
