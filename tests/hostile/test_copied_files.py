from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, WorkError
from bundle.base.report import PlainReporter, PrintableConsole, WarningsReporter
from bundle.base.text import printable
from bundle.make.assemble.copyfiles import fingerprint, plan_copies
from bundle.model.config.config import CopyFile
from bundle.model.config.project import Project
from bundle.model.locks.local_wheels import local_wheels

VERSION = "3.12.10"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "versions" / VERSION
    (folder / "own").mkdir(parents=True)
    (tmp_path / "shared-config.json").write_text("{}")
    return folder


def plan(base: Path, *rules: tuple[str, str]) -> str:
    copies = plan_copies(
        [CopyFile(source=source, target=target, base=base) for source, target in rules],
        site_packages="lib/python3.12/site-packages",
        folders=("bin",),
    )
    return fingerprint(copies)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # A socket's path must be short.
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_circle(path: Path) -> None:
    path.symlink_to("other")
    (path.parent / "other").symlink_to(path.name)


def make_deep(path: Path) -> None:
    path.mkdir()
    for _ in range(150):
        path /= "deep"
        path.mkdir()


def make_link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


SPECIAL = {
    "a pipe": make_pipe,
    "a socket": make_socket,
    "a link to itself": make_loop,
    "a circle of links": make_circle,
    "a deep tree": make_deep,
    "a link to a device": make_link_to_device,
}


@pytest.mark.parametrize("inside", [True, False], ids=["in a folder", "alone"])
@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL.keys())
def test_only_files_and_folders_are_copied(own: Path, make: object, inside: bool) -> None:
    assert callable(make)
    make(own / "own" / "special")
    with pytest.raises(ConfigError, match="copyFiles from 'own"):
        plan(own, ("own" if inside else "own/special", "bin"))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "/dev/stdin"])
def test_a_device_is_not_read(own: Path, device: str) -> None:
    with pytest.raises(ConfigError):
        plan(own, (device, "bin/"))


@pytest.mark.parametrize(
    "name",
    [b"bell\x07", b"escape\x1b[2J", b"line\nend", b"not-utf-8-\xff", b"back\\slash"],
    ids=["bell", "escape", "line end", "no UTF-8", "backslash"],
)
def test_a_name_that_not_every_system_has_is_refused(own: Path, name: bytes) -> None:
    try:
        (own / "own" / os.fsdecode(name)).write_text("")
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(ConfigError) as caught:
        plan(own, ("own", "bin"))
    assert caught.value.as_text().isprintable() or caught.value.as_text().replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "target",
    ["a\x1b[2Jb", "a\nb", "a\0b", "a/" * 101 + "b", "n" * 300, "a\udcffb", "\x9b\x07"],
    ids=["escape", "line end", "NUL", "deep", "long", "no UTF-8", "bell"],
)
def test_a_target_that_not_every_system_has_is_refused(own: Path, target: str) -> None:
    (own / "file").write_text("")
    with pytest.raises(ConfigError):
        plan(own, ("file", target))


@pytest.mark.parametrize("target", ["bundle.json", "./bundle.json", "Bundle.JSON", "{folder}"])
def test_the_description_of_a_bundle_is_not_overwritten(own: Path, target: str) -> None:
    (own / "own" / "bundle.json").write_text("{}")
    rule = ("own", ".") if target == "{folder}" else ("own/bundle.json", target)
    with pytest.raises(ConfigError, match=r"(?i)bundle\.json, the bundle's own description"):
        plan(own, rule)


def test_a_target_is_not_a_file_and_a_folder(own: Path) -> None:
    (own / "file").write_text("")
    with pytest.raises(ConfigError, match="make 'etc' a file"):
        plan(own, ("file", "etc"), ("file", "etc/more/file"))


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("/**", "absolute"),
        ("/*/*/*.whl", "absolute"),
        ("../../../../../../../../**", "outside"),
        ("../../../**/*.whl", "outside"),
        ("../../../*/*/*.whl", "outside"),
        ("*/../../../../**/*.whl", "outside"),
        ("a**b", "Invalid pattern"),
        ("**", "not a file"),
    ],
)
def test_a_pattern_that_would_search_the_disk_is_refused(own: Path, pattern: str, word: str) -> None:
    (own / "config.json").write_text(json.dumps({"packages": {"wheels": [pattern]}}))
    with pytest.raises(ConfigError, match=word):
        local_wheels(Project(own.parent.parent).load(VERSION, {}).config)


@pytest.mark.parametrize("make", [make_pipe, Path.mkdir], ids=["a pipe", "a folder"])
def test_a_local_wheel_is_a_file(own: Path, make: object) -> None:
    assert callable(make)
    make(own / "a-1-py3-none-any.whl")
    (own / "config.json").write_text(json.dumps({"packages": {"wheels": ["*.whl"]}}))
    with pytest.raises(ConfigError, match="not a file"):
        local_wheels(Project(own.parent.parent).load(VERSION, {}).config)


DECEIVING = ["\x1b]0;title\x07", "\x1b[2K\rok", "\x9b31m", "\u202egnp.exe", "\u2066x", "\udcff", "a\x08b", "\x7f"]


@pytest.mark.parametrize("text", DECEIVING, ids=ascii)
def test_names_from_elsewhere_do_not_reach_the_terminal_raw(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    WarningsReporter().warning(text)
    reporter = PlainReporter(verbose=True)
    reporter.info(text)
    reporter.warning(text)
    with reporter.step(text), reporter.task(text):
        pass
    PrintableConsole(markup=False, soft_wrap=True).print(text)
    shown = "".join(capsys.readouterr()) + WorkError(text, cause=text, remedy=text, details=[text]).as_text()
    assert shown.count(printable(text)) >= 9
    assert shown.replace("\n", "").isprintable()


def test_honest_text_is_shown_as_it_is() -> None:
    assert printable("Größe: 3 €\n\t日本語 😀") == "Größe: 3 €\n\t日本語 😀"
