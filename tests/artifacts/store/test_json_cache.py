from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.store.json_cache import JsonCache, is_sound


def numbers(value: Any) -> tuple[int, ...]:
    if not all(isinstance(one, int) for one in value):
        raise TypeError("no numbers")
    return tuple(value)


@pytest.fixture
def cache(tmp_path: Path) -> JsonCache[tuple[int, ...]]:
    return JsonCache(tmp_path / "audits", numbers)


def file_of(folder: Path) -> Path:
    (path,) = folder.rglob("*.json")
    return path


def test_a_value_is_made_once(cache: JsonCache[tuple[int, ...]]) -> None:
    assert cache.find("key") is None
    assert cache.get("key", lambda: [1, 2]) == (1, 2)
    assert cache.get("key", lambda: [3]) == (1, 2)
    assert cache.find("other") is None


def test_an_empty_value_is_a_value(cache: JsonCache[tuple[int, ...]]) -> None:
    assert cache.put("key", []) == ()
    assert cache.get("key", lambda: [1]) == ()


def test_the_order_of_a_keys_names_says_nothing(cache: JsonCache[tuple[int, ...]]) -> None:
    cache.put({"a": 1, "b": (2, 3)}, [1])

    assert cache.find({"b": [2, 3], "a": 1}) == (1,)


def test_other_rules_make_it_anew(cache: JsonCache[tuple[int, ...]], tmp_path: Path) -> None:
    cache.put("key", [1])

    assert JsonCache(tmp_path / "audits", numbers, rules=2).find("key") is None


@pytest.mark.parametrize("cut", [0, 1, 10, 80])
def test_a_file_that_was_cut_off_is_made_anew(cache: JsonCache[tuple[int, ...]], tmp_path: Path, cut: int) -> None:
    cache.put("key", [1])
    path = file_of(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])

    assert not is_sound(path)
    assert cache.find("key") is None
    assert cache.get("key", lambda: [2]) == (2,)
    assert cache.find("key") == (2,)


def test_every_changed_byte_is_damage(cache: JsonCache[tuple[int, ...]], tmp_path: Path) -> None:
    cache.put("key", [10])
    path = file_of(tmp_path)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert cache.find("key") is None, place


def test_the_file_of_another_key_is_not_believed(cache: JsonCache[tuple[int, ...]], tmp_path: Path) -> None:
    cache.put("key", [1])
    path = file_of(tmp_path)
    cache.put("other", [2])
    (other,) = set(tmp_path.rglob("*.json")) - {path}
    path.write_bytes(other.read_bytes())

    assert is_sound(path)
    assert cache.find("key") is None


def test_a_whole_file_with_a_wrong_value_is_made_anew(cache: JsonCache[tuple[int, ...]], tmp_path: Path) -> None:
    JsonCache(tmp_path / "audits", lambda value: value).put("key", {"no": "numbers"})

    assert cache.get("key", lambda: [1]) == (1,)


def test_a_file_is_json(cache: JsonCache[tuple[int, ...]], tmp_path: Path) -> None:
    cache.put("key", [1])

    value = json.loads(file_of(tmp_path).read_bytes())
    assert value["value"] == [1]
    assert value.keys() == {"sha256", "key", "value"}
