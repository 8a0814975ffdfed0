"""Files of the project and the store in place of which there is something else, or which hold nonsense."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.catalogue import Catalogue, record, verify
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.file_cache import FileCache
from bundle.artifacts.store.frames import compressor_name
from bundle.artifacts.store.json_cache import JsonCache, to_json
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.errors import ConfigError, IntegrityError, Problems
from bundle.base.files import canonical_json, open_regular, read_regular, sha256_of
from bundle.base.report import Reporter
from bundle.make.build_state import Record, read_record, write_record
from bundle.model.config.import_allowlist import refusal
from bundle.model.config.json_source import read
from bundle.model.locks.pylock import read_lock
from bundle.model.manifest import read_manifest
from tests.artifacts.bundles import bundle
from tests.artifacts.trees import SMALL, grow

Replace = Callable[[Path], object]


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**33)


THINGS: dict[str, Replace] = {
    "a folder": Path.mkdir,
    "a folder with files": lambda path: (path / "more").mkdir(parents=True),
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a terminal": lambda path: path.symlink_to("/dev/ptmx"),
    "a loop": lambda path: path.symlink_to(path.name),
    "a huge file": huge,
}

TEXTS = {
    "empty": b"",
    "cut off": b'{"a": ',
    "no UTF-8": b'{"a": "\xff"}',
    "nested lists": b"[" * 200_000,
    "nested closed lists": b"[" * 5000 + b"]" * 5000,
    "nested objects": b'{"a":' * 200_000,
    "a long number": b'{"a": ' + b"9" * 10_000 + b"}",
    "a list": b"[]",
    "a text": b'"text"',
    "nothing": b"null",
    "zeros": bytes(1000),
}

CONTENTS: dict[str, Replace] = {
    name: lambda path, content=content: path.write_bytes(content)  # type: ignore[misc]
    for name, content in TEXTS.items()
}

every_thing = pytest.mark.parametrize("replace", THINGS.values(), ids=THINGS)
everything = pytest.mark.parametrize("replace", [*THINGS.values(), *CONTENTS.values()], ids=[*THINGS, *CONTENTS])


def swap(path: Path, replace: Replace) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path)


@every_thing
def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path, replace: Replace) -> None:
    swap(tmp_path / "file", replace)

    with pytest.raises(OSError, match="file"):
        read_regular(tmp_path / "file")


@pytest.mark.parametrize("name", [name for name in THINGS if name != "a huge file"])
def test_nothing_but_a_regular_file_is_hashed(tmp_path: Path, name: str) -> None:
    swap(tmp_path / "file", THINGS[name])

    with pytest.raises(OSError, match="file"):
        sha256_of(tmp_path / "file")


def test_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")

    assert [read_regular(tmp_path / name, most=5) for name in ("file", "link")] == [b"12345"] * 2
    with open_regular(tmp_path / "file") as file:
        assert file.read(2) == b"12"
    with pytest.raises(OSError, match="Larger"):
        read_regular(tmp_path / "file", most=4)


@everything
def test_a_cached_value_is_made_again(tmp_path: Path, replace: Replace) -> None:
    cache: JsonCache[Any] = JsonCache(tmp_path / "audits", lambda value: value)
    cache.put("key", 1)
    (path,) = tmp_path.rglob("*.json")
    swap(path, replace)

    assert cache.find("key") is None
    assert cache.get("key", lambda: 2) == 2
    assert cache.find("key") == 2


@everything
def test_the_record_of_a_build_is_made_again(tmp_path: Path, replace: Replace) -> None:
    path = tmp_path / "3.12.10-linux-x64.json"
    swap(path, replace)
    made = Record(inputs="i", tree="t", archives={}, result={})

    assert read_record(path) is None
    write_record(path, made)
    assert read_record(path) == made


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], {}, {"inputs": 1}),
        {"inputs": "", "tree": "", "archives": [], "result": {}},
        {"inputs": "", "tree": "", "archives": {"a": 1}, "result": {}},
    ],
    ids=repr,
)
def test_a_record_of_other_types_counts_as_none(tmp_path: Path, value: object) -> None:
    path = tmp_path / "name.json"
    path.write_bytes(to_json([2, "name"], value))

    assert read_record(path) is None


@everything
def test_a_configuration_is_told(tmp_path: Path, replace: Replace) -> None:
    swap(tmp_path / "shared-config.json", replace)
    problems = Problems()
    node = read(tmp_path / "shared-config.json", "shared-config.json", problems)

    assert node is None or not problems.errors
    assert all(isinstance(error, ConfigError) and "shared-config.json" in error.what for error in problems.errors)


@everything
def test_an_import_allow_list_is_told(tmp_path: Path, replace: Replace) -> None:
    swap(tmp_path / "import-allowlist.json", replace)
    refused = refusal(tmp_path, ".", "shared-config.json")

    assert refused is None or "is not read" in refused.what


@everything
def test_a_lock_is_told(tmp_path: Path, replace: Replace) -> None:
    path = tmp_path / "3.12.10" / "pylock.linux-x64.toml"
    swap(path, replace)

    with pytest.raises(ConfigError) as refused:
        read_lock(path)

    assert "bundle lock 3.12.10 --platform linux-x64" in refused.value.remedy


@pytest.mark.parametrize(
    "content",
    ["a = " + "[" * 100_000, "a = " + "9" * 10_000, "a = " + '{"b"=' * 5000],
    ids=["lists", "number", "tables"],
)
def test_a_lock_that_no_parser_can_hold_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "3.12.10" / "pylock.linux-x64.toml"
    swap(path, lambda path: path.write_text(content))

    with pytest.raises(ConfigError, match="is not TOML"):
        read_lock(path)


@everything
def test_a_manifest_is_told(tmp_path: Path, replace: Replace) -> None:
    swap(tmp_path / "bundle.json", replace)

    with pytest.raises(ConfigError, match=r"bundle\.json"):
        read_manifest(tmp_path)


@everything
def test_a_catalogue_is_told_and_kept(tmp_path: Path, replace: Replace) -> None:
    path = tmp_path / "catalogue.json"
    swap(path, replace)

    for use in (Catalogue.load, lambda path: record(path, bundle(), reporter=Reporter())):
        with pytest.raises(IntegrityError, match="is not a catalogue"):
            use(path)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "a/../../b", "C:/Windows", ""], ids=repr)
def test_a_catalogue_names_nothing_outside_its_folder(tmp_path: Path, place: str) -> None:
    path = tmp_path / "catalogue.json"
    record(path, bundle(), reporter=Reporter())
    value = json.loads(path.read_text())
    value["bundles"][0]["archives"][0]["path"] = place
    path.write_text(json.dumps(value))

    with pytest.raises(IntegrityError, match="is not a catalogue"):
        verify(path, tmp_path)


@every_thing
def test_an_archive_that_a_catalogue_names_is_compared_without_waiting(tmp_path: Path, replace: Replace) -> None:
    path = tmp_path / "catalogue.json"
    record(path, bundle(), reporter=Reporter())
    swap(tmp_path / bundle().archives[0].path, replace)

    assert [finding.kind for finding in verify(path, tmp_path)] == ["changed"]


@pytest.mark.parametrize("name", [name for name in THINGS if name != "a huge file"])
def test_a_cached_file_is_removed(tmp_path: Path, name: str) -> None:
    cache = FileCache(tmp_path / "files", reporter=Reporter())
    path = cache.path_for("ab" * 32, "numpy.whl")
    swap(path, THINGS[name])

    assert cache.get("ab" * 32, filename="numpy.whl") is None
    assert not os.path.lexists(path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", reporter=Reporter(), full=True)


def add(store: Store, tmp_path: Path, name: str = "numpy") -> Layer:
    tree = grow(tmp_path / "trees" / name, SMALL if name == "numpy" else {"other.py": next(iter(SMALL.values()))})
    return store.add("wheel", {"name": name}, tree, name=name, version="1", about={})


@everything
@pytest.mark.parametrize("place", ["layer.json", "keys", "frames.json", "data"])
def test_a_layer_and_its_frames_are_made_again(tmp_path: Path, store: Store, place: str, replace: Replace) -> None:
    layer = add(store, tmp_path)
    frames = store.frames([layer], Compression(format="tar.zst"))
    (path,) = store.root.glob("keys/??/*.json") if place == "keys" else store.root.rglob(place)
    swap(path, replace)

    assert (store.find("wheel", {"name": "numpy"}) is None) == (place in ("layer.json", "keys"))
    assert add(store, tmp_path) == layer
    assert store.frames([layer], Compression(format="tar.zst")) == frames
    assert store.find("wheel", {"name": "numpy"}) == layer


def forge(path: Path, change: Callable[[Any], object]) -> None:
    """Change a value of a cache, and its hash with it."""
    kept = json.loads(path.read_bytes())
    path.write_bytes(to_json(kept["key"], change(kept["value"])))


FORGED_KEYS: dict[str, dict[str, Any]] = {
    "no digest": {"digest": ""},
    "a path": {"digest": "../" * 20},
    "a number": {"digest": 5},
    "a list": {"digest": []},
    "a layer that is not there": {"digest": "f" * 64},
    "a name that is none": {"name": ["numpy"]},
    "notes that are none": {"about": 5},
    "more": {"more": 1},
}


@pytest.mark.parametrize("change", FORGED_KEYS.values(), ids=FORGED_KEYS)
def test_a_forged_key_counts_as_none(tmp_path: Path, store: Store, change: dict[str, Any]) -> None:
    layer = add(store, tmp_path)
    (path,) = store.root.glob("keys/??/*.json")
    forge(path, lambda value: {**value, **change})

    assert store.find("wheel", {"name": "numpy"}) is None
    assert add(store, tmp_path) == layer


def test_the_key_of_another_layer_counts_as_none(tmp_path: Path, store: Store) -> None:
    layer = add(store, tmp_path)
    (path,) = store.root.glob("keys/??/*.json")
    add(store, tmp_path, "other")
    (other,) = set(store.root.glob("keys/??/*.json")) - {path}
    path.write_bytes(other.read_bytes())

    assert store.find("wheel", {"name": "numpy"}) is None
    assert add(store, tmp_path) == layer


FORGED_LISTINGS: dict[str, Callable[[Any], object]] = {
    "no entries": lambda value: {**value, "entries": None},
    "a number among entries": lambda value: {**value, "entries": [1]},
    "short entries": lambda value: {**value, "entries": [["a"]]},
    "a path that is a list": lambda value: {**value, "entries": [[["a"], *value["entries"][0][1:]]]},
    "a path that is outside": lambda value: {**value, "entries": [["../a", *value["entries"][0][1:]]]},
    "a kind that is unknown": lambda value: {**value, "entries": [["bin", "door", False, 0, None, None]]},
    "a size that is a text": lambda value: {**value, "entries": [["bin", "file", False, "0", None, None]]},
    "fewer entries": lambda value: {**value, "entries": value["entries"][:-1]},
    "a time that is a text": lambda value: {**value, "epoch": "1" * 100},
    "another time": lambda value: {**value, "epoch": 7},
}


@pytest.mark.parametrize("change", FORGED_LISTINGS.values(), ids=FORGED_LISTINGS)
@pytest.mark.parametrize("full", [False, True], ids=["stamps", "every byte"])
def test_a_forged_listing_counts_as_damage(tmp_path: Path, full: bool, change: Callable[[Any], object]) -> None:
    store = Store(tmp_path / "cache", reporter=Reporter(), full=full)
    layer = add(store, tmp_path)
    (path,) = store.root.rglob("layer.json")
    forge(path, change)

    assert store.find("wheel", {"name": "numpy"}) is None
    assert add(store, tmp_path) == layer


def test_a_forged_file_shows_when_every_byte_is_read(tmp_path: Path, store: Store) -> None:
    layer = add(store, tmp_path)
    path = store.tree(layer) / "lib/python3.12/os.py"
    status = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    (listing,) = store.root.rglob("layer.json")
    forge(listing, lambda value: {**value, "entries": _resealed(value["entries"], "lib/python3.12/os.py", path)})

    assert store.find("wheel", {"name": "numpy"}) is None


def _resealed(entries: list[list[Any]], name: str, path: Path) -> list[list[Any]]:
    return [[*one[:4], sha256_of(path), one[5]] if one[0] == name else one for one in entries]


def test_a_layer_in_the_place_of_another_is_removed(tmp_path: Path, store: Store) -> None:
    layer, other = add(store, tmp_path), add(store, tmp_path, "other")
    folders = [store.tree(one).parent for one in (layer, other)]
    folders[0].rename(tmp_path / "aside")
    folders[1].rename(folders[0])

    assert store.find("wheel", {"name": "numpy"}) is None
    assert store.find("wheel", {"name": "other"}) is None


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz"])
def test_the_frames_of_another_layer_are_made_again(tmp_path: Path, store: Store, format_: str) -> None:
    layer, other = add(store, tmp_path), add(store, tmp_path, "other")
    sound, foreign = store.frames([layer, other], Compression(format=format_))
    before = sound.path.read_bytes()
    records = [frames.path.with_name("frames.json") for frames in (sound, foreign)]
    sound.path.write_bytes(foreign.path.read_bytes())
    value = json.loads(records[1].read_bytes())["value"]
    forge(records[0], lambda _: value)

    assert any("another layer" in line for line in store.check(full=True))
    assert store.frames([layer], Compression(format=format_)) == [sound]
    assert sound.path.read_bytes() == before


FORGED_FRAMES: dict[str, object] = {
    "none": [],
    "a number": [1],
    "a negative length": [[-5, "a" * 64, 5]],
    "an infinite length": [[1e308, "a" * 64, 5]],
    "a length that is a text": [["9" * 5000, "a" * 64, 5]],
    "a digest that is none": [[5, None, 5]],
    "an object": {"a": 1},
}


@pytest.mark.parametrize("value", FORGED_FRAMES.values(), ids=FORGED_FRAMES)
def test_a_forged_record_of_frames_is_made_again(tmp_path: Path, store: Store, value: object) -> None:
    layer = add(store, tmp_path)
    (sound,) = store.frames([layer], Compression(format="tar.zst"))
    forge(sound.path.with_name("frames.json"), lambda _: value)

    assert store.frames([layer], Compression(format="tar.zst")) == [sound]


def test_a_file_in_place_of_frames_is_replaced(tmp_path: Path, store: Store) -> None:
    layer = add(store, tmp_path)
    place = (
        store.root / "frames" / layer.digest[:2] / f"{layer.digest}.{compressor_name(Compression(format='tar.zst'))}"
    )
    place.parent.mkdir(parents=True)
    place.write_bytes(canonical_json([]))

    assert store.frames([layer], Compression(format="tar.zst"))[0].path == place / "data"
