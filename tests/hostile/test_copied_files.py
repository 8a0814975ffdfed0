from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.base.console import PrintableConsole
from bundle.base.errors import ConfigError, WorkError
from bundle.base.report import PlainReporter, WarningsReporter
from bundle.base.text import printable
from bundle.make.assemble.copyfiles import fingerprint, plan_copies
from bundle.make.check import check_versions
from bundle.model.config.config import CopyFile
from bundle.model.config.project import Project
from bundle.model.locks.local_wheels import local_wheels
from bundle.model.platforms import PLATFORMS

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
        platform=PLATFORMS["linux-x64"],
        python="3.12.10",
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


INTERPRETERS = {
    "linux-x64": [
        *("bin/python3.12", "bin/python", "bin/python3", "lib/python3.12/os.py", "lib/python3.12/new.py"),
        *("lib/python3.12/lib-dynload/x.so", "lib/libpython3.12.so.1.0", "pyvenv.cfg", "bin/pyvenv.cfg"),
        *("lib/python312.zip", "lib/libssl.so.3"),
    ],
    "macosx-aarch64": ["LIB/Python3.12/os.py", "bin/Python3.12"],
    "windows-x64": [
        *(
            "python.exe",
            "PYTHON312.dll",
            "Lib/os.py",
            "lib/numpy.py",
            "DLLs/_ssl.pyd",
            "python312._pth",
            "python312.zip",
        ),
    ],
}


@pytest.mark.parametrize(("key", "target"), [(key, path) for key, paths in INTERPRETERS.items() for path in paths])
def test_a_file_of_the_interpreter_is_replaced_only_by_an_explicit_word(own: Path, key: str, target: str) -> None:
    (own / "own" / "file").write_text("x")
    rule = CopyFile(source="own/file", target=target, base=own)
    where: dict[str, Any] = {"platform": PLATFORMS[key], "python": VERSION, "interpreter": ["lib/libssl.so.3"]}
    with pytest.raises(ConfigError, match="belongs to the interpreter") as refused:
        plan_copies([rule], **where)
    assert '"replace": true' in refused.value.remedy
    assert [str(copy.target) for copy in plan_copies([replace(rule, replace=True)], **where)] == [target]


@pytest.mark.parametrize("target", ["bundle.json", "Bundle.JSON", "bundle-files.json"])
def test_what_describes_the_bundle_is_replaced_by_no_word(own: Path, target: str) -> None:
    (own / "own" / "file").write_text("x")
    rule = CopyFile(source="own/file", target=target, base=own, replace=True)
    with pytest.raises(ConfigError, match="description"):
        plan_copies([rule], platform=PLATFORMS["linux-x64"], python=VERSION)


@pytest.mark.parametrize(
    "target", ["bin/tool", "lib/libown.so", "{site-packages}/own.py", "share/python3.12/x", "etc/x"]
)
def test_other_places_need_no_word(own: Path, target: str) -> None:
    (own / "own" / "file").write_text("x")
    rule = CopyFile(source="own/file", target=target, base=own)
    assert plan_copies([rule], platform=PLATFORMS["linux-x64"], python=VERSION)


IMPOSSIBLE = {
    "a device": ["share/nul.txt"],
    "a folder that is a device": ["aux/file"],
    "a colon": ["share/a:b"],
    "a question mark": ["share/what?"],
    "a blank at the end": ["share/name "],
    "a dot at the end": ["share./file"],
    "two cases": ["share/readme", "share/README"],
    "two cases of a folder": ["share/a", "Share/b"],
    "two forms of a letter": ["share/\u00e9", "share/e\u0301"],
}


@pytest.mark.parametrize("targets", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_windows_cannot_have_is_found_by_a_check(own: Path, targets: list[str]) -> None:
    (own / "own" / "file").write_text("x")
    rules = [{"from": "own/file", "to": target} for target in targets]
    (own / "config.json").write_text(json.dumps({"platforms": ["windows-x64"], "packages": {"copyFiles": rules}}))
    problems = (
        check_versions(Project(own.parents[1]), [VERSION], {}, releases=lambda *_: [VERSION]).versions[0].problems
    )
    assert len(problems) == 1, problems
    (own / "config.json").write_text(json.dumps({"platforms": ["linux-x64"], "packages": {"copyFiles": rules}}))
    assert not check_versions(Project(own.parents[1]), [VERSION], {}, releases=lambda *_: [VERSION]).failed


def test_rules_that_clash_with_each_other_are_found_by_a_check(own: Path) -> None:
    (own / "own" / "file").write_text("x")
    rules = [{"from": "own/file", "to": "share/x"}, {"from": "own/file", "to": "share/x/y"}]
    (own / "config.json").write_text(json.dumps({"platforms": ["linux-x64"], "packages": {"copyFiles": rules}}))
    problems = (
        check_versions(Project(own.parents[1]), [VERSION], {}, releases=lambda *_: [VERSION]).versions[0].problems
    )
    assert len(problems) == 1
    assert "a file, and a folder" in problems[0]
