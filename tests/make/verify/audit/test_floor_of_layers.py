from __future__ import annotations

from pathlib import Path

from bundle.artifacts.interpreters.portable.facts import measure_glibc
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.report import Reporter
from bundle.make.verify.audit.floor_of_layers import floor_of
from bundle.model.platforms import PLATFORMS
from tests.base.nativemaker import elf, macho, pe

LINUX = PLATFORMS["linux-x64"]


def layer(store: Store, folder: Path, name: str, files: dict[str, bytes]) -> Layer:
    tree = folder / name
    tree.mkdir()
    for path, data in files.items():
        (tree / path).write_bytes(data)
    return store.add("wheel", {"name": name}, tree, name=name, version="1.0", about={})


def test_the_floor_of_a_bundle_is_the_highest_of_its_layers(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", reporter=Reporter())
    newest = elf(versions={"libm.so.6": ["GLIBC_2.27"], "libc.so.6": ["GLIBC_2.4"]})
    layers = [
        layer(store, tmp_path, "old", {"a.so": elf(versions={"libc.so.6": ["GLIBC_2.9"]})}),
        layer(store, tmp_path, "new", {"b.so": newest}),
        layer(store, tmp_path, "plain", {"c.py": b"x = 1\n"}),
    ]
    assert floor_of(layers, store, LINUX) == {"glibc": "2.27"}
    assert floor_of(layers[2:], store, LINUX) == {}


def test_a_bundle_and_its_interpreter_are_measured_alike(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", reporter=Reporter())
    python = elf(interpreter=LINUX.loaders[0], versions={"libc.so.6": ["GLIBC_2.17", "GLIBC_ABI_DT_RELR"]})
    own = layer(store, tmp_path, "python", {"python3.12": python})
    assert floor_of([own], store, LINUX) == {"glibc": measure_glibc(store.tree(own), LINUX, "3.12.10").whole}


def test_files_for_other_machines_do_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", reporter=Reporter())
    strangers = {
        "a.so": elf(machine="aarch64", versions={"libc.so.6": ["GLIBC_2.39"]}),
        "b.so": macho(machine="x86_64", minimum="15.0"),
        "c.exe": pe(program=True),
    }
    assert floor_of([layer(store, tmp_path, "strangers", strangers)], store, LINUX) == {}


def test_a_layer_is_measured_once_for_each_platform(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", reporter=Reporter())
    mac = layer(store, tmp_path, "mac", {"a.dylib": macho(machine="arm64", minimum="12.3")})
    assert floor_of([mac], store, PLATFORMS["macosx-aarch64"]) == {"macos": "12.3"}
    (store.tree(mac) / "a.dylib").unlink()
    assert floor_of([mac], store, PLATFORMS["macosx-aarch64"]) == {"macos": "12.3"}
    assert len(list(store.folder("audits").rglob("*.json"))) == 1
