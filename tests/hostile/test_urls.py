"""Addresses without the parts of one: a host in brackets that is no IPv6 address, a port that is no number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.registries.default_index import default_index
from bundle.base.errors import ConfigError, NetworkError, Problems
from bundle.base.http.responses import raise_for
from bundle.model.config.project import Project
from tests.model.configs import write_project

BROKEN = ["https://[x", "https://[::1/simple", "https://host:port/simple", "https://host:99999/simple"]


def problems(root: Path, shared: dict[str, Any], own: dict[str, Any], environ: dict[str, str]) -> list[str]:
    found = Problems()
    Project(write_project(root, shared, **{"3.12.10": own})).examine("3.12.10", environ, found)
    return [error.what for error in found.errors]


@pytest.mark.parametrize("url", BROKEN)
@pytest.mark.parametrize("place", ["default", "additional", "tied", "mirror", "archive", "requirement", "git"])
def test_a_configuration_with_such_an_address_is_told(tmp_path: Path, url: str, place: str) -> None:
    values: dict[str, dict[str, Any]] = {
        "default": {"registries": {"default": url}},
        "additional": {"registries": {"additional": [url]}},
        "tied": {"registries": {"additional": [{"url": url, "packages": ["a"]}]}},
        "mirror": {"interpreter": {"mirror": url}},
        "archive": {"interpreter": {"archives": {"linux-x64": {"url": url, "sha256": "0" * 64}}}},
    }
    requirement = {"requirement": f"six @ {url}/six.whl", "git": f"six @ git+{url}/six"}.get(place, "six")
    found = problems(tmp_path, values.get(place, {}), {"packages": {"dependencies": [requirement]}}, {})
    assert any("URL" in one or "is not a requirement" in one for one in found), found


@pytest.mark.parametrize("url", BROKEN)
def test_a_variable_that_makes_such_an_address_is_told(tmp_path: Path, url: str) -> None:
    shared = {"registries": {"default": "${INDEX}"}}
    (problem,) = problems(tmp_path, shared, {}, {"INDEX": url})
    assert "${INDEX}, is no URL" in problem
    with pytest.raises(ConfigError, match="is not a URL"):
        default_index({"PIP_INDEX_URL": url})


@pytest.mark.parametrize("url", BROKEN)
def test_an_answer_from_such_an_address_is_a_network_error(url: str) -> None:
    with pytest.raises(NetworkError):
        raise_for(url, 403, "Forbidden", {})
