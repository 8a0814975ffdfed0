from typing import Any

import pytest

from bundle.model.config.merge import merge
from bundle.model.config.patterns import ByName, platform_keys
from bundle.model.platforms import PLATFORMS
from tests.model.configs import table


def skips(shared: dict[str, Any], own: dict[str, Any]) -> Any:
    merged = merge(table({"packages": {"skip": shared}}), table({"packages": {"skip": own}}, "config.json"))
    return merged.value.get("packages", {}).get("skip")


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("linux-x64", ["linux-x64"]),
        ("macosx-*", ["macosx-x64", "macosx-aarch64"]),
        ("*-aarch64", ["linux-aarch64", "macosx-aarch64"]),
        ("*", list(PLATFORMS)),
        ("!linux-x64", [key for key in PLATFORMS if key != "linux-x64"]),
        ("!linux-*", ["macosx-x64", "macosx-aarch64", "windows-x64"]),
        ("!*", []),
        ("linux", []),
        ("!linux", []),
    ],
)
def test_a_pattern_stands_for_platforms(pattern: str, keys: list[str]) -> None:
    assert sorted(platform_keys(pattern)) == sorted(keys)


def test_a_pattern_is_written_once_for_several_platforms_and_an_exact_key_wins() -> None:
    assert skips({"torch": {"!linux-x64": "no GPU", "windows-x64": "too large"}}, {}) == {
        "torch": {key: "too large" if key == "windows-x64" else "no GPU" for key in PLATFORMS if key != "linux-x64"}
    }


def test_a_version_takes_away_what_a_shared_pattern_gave() -> None:
    assert skips({"torch": {"macosx-*": "no GPU"}}, {"torch": {"macosx-x64": None}}) == {
        "torch": {"macosx-aarch64": "no GPU"}
    }
    assert skips({"torch": {"macosx-x64": "no GPU"}}, {"torch": {"macosx-*": None}}) in (None, {})
    assert skips({"nvidia-*": {"macosx-*": "no GPU"}}, {"NVIDIA_*": None}) in (None, {})


def test_an_exact_name_wins_over_a_glob_and_the_first_glob_over_the_next() -> None:
    rules = ByName({"nvidia-*": "a", "*": "b", "nvidia-nccl": "c"})
    assert [rules[name] for name in ("nvidia-nccl", "nvidia-x", "torch")] == ["c", "a", "b"]
    assert "torch" not in ByName({"nvidia-*": "a"})
    assert ByName({"nvidia-*": "a"}).get("torch") is None
