"""Packages that carry wheels, from people who mean harm or have made mistakes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from bundle.artifacts.vendored.lock import lock_name, read_lock
from bundle.artifacts.vendored.package import read_packages
from bundle.base.errors import BundleError, ConfigError, Problems
from bundle.run.vendored.plan import Plan, make_plan
from bundle.run.vendored.search_path import SearchPath, search_path
from bundle.run.vendored.target import RECORD
from tests.artifacts.vendored.carried import Packages
from tests.artifacts.wheelmaker import make_wheel
from tests.hostile.mounts import mounts
from tests.run.vendored.environments import command, target


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


def planned(packages: Packages, tmp_path: Path) -> Plan:
    problems = Problems()
    read = read_packages(packages.root, problems)
    problems.raise_if_any("mistakes")
    return make_plan(read, target(tmp_path / "env"), SearchPath(folders={}), online=False)


DOCUMENTS = {
    "nothing": "",
    "cut": '{"requirements": {"pipPackages": ["a',
    "no object": "[]",
    "deep": '{"a":' * 5000 + "1" + "}" * 5000,
    "a long number": '{"a": ' + "9" * 100_000 + "}",
    "twice": '{"name": "a", "name": "b"}',
    "not a number": '{"a": NaN}',
    "half a character": '{"name": "\\ud800"}',
    "no text": '{"requirements": {"pipPackages": [1, null, {}]}}',
    "an option": '{"requirements": {"pipPackages": ["--index-url=http://127.0.0.1", "-r /etc/passwd"]}}',
    "lines": '{"requirements": {"pipPackages": ["a\\n--no-index"]}}',
    "a deep marker": json.dumps({"requirements": {"pipPackages": ["a; " + "(" * 900 + "os_name=='x'" + ")" * 900]}}),
    "a long one": json.dumps({"requirements": {"pipPackages": ["a" * 5000]}}),
    "too many": json.dumps({"requirements": {"pipPackages": ["a"] * 20_000}}),
    "a long version": json.dumps({"requirements": {"minPythonVersion": "3." + "1" * 5000}}),
    "a way up": '{"name": "../../etc"}',
    "a line's end": '{"name": "a\\nimport os"}',
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_package_file_is_refused_with_its_place(packages: Packages, text: str) -> None:
    (packages.package("alpha") / "package.json").write_text(text)
    problems = Problems()
    assert read_packages(packages.root, problems) == ()
    assert problems.errors
    for error in problems.errors:
        assert isinstance(error, ConfigError)
        assert error.what.startswith("alpha/package.json")
        assert len(error.what) < 1000


def test_a_package_file_may_be_no_file(packages: Packages) -> None:
    folder = packages.package("alpha")
    (folder / "package.json").unlink()
    os.mkfifo(folder / "package.json")
    large = packages.package("beta") / "package.json"
    with large.open("wb") as file:
        file.truncate(2**33)
    problems = Problems()
    assert read_packages(packages.root, problems) == ()
    assert len(problems.errors) == 2


def test_a_folder_whose_name_would_be_a_line_of_code_is_refused(packages: Packages) -> None:
    packages.package("a\nimport os; os.abort()")
    problems = Problems()
    assert read_packages(packages.root, problems) == ()
    assert "control character" in problems.errors[0].what


@pytest.mark.parametrize(
    "name",
    ["top-1.0.whl", "top.whl", "-1.0-py3-none-any.whl", "top-1.0-" + "a." * 90 + "a-b-c.whl", "top-x-py3-none-any.whl"],
)
def test_names_that_no_wheel_has_are_told(packages: Packages, tmp_path: Path, name: str) -> None:
    folder = packages.package("alpha", "top") / "wheels"
    folder.mkdir()
    (folder / name).write_bytes(b"")
    errors = planned(packages, tmp_path).problems.errors
    assert errors
    assert errors[0].what.startswith("alpha")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"\0" * 1000])
def test_files_that_are_no_wheels_are_told(packages: Packages, tmp_path: Path, content: bytes) -> None:
    folder = packages.package("alpha", "top") / "wheels"
    folder.mkdir()
    (folder / "top-1.0-py3-none-any.whl").write_bytes(content)
    assert [error.exit_code for error in planned(packages, tmp_path).problems.errors] == [4]


def test_metadata_that_unpack_to_gigabytes_are_refused(packages: Packages, tmp_path: Path) -> None:
    folder = packages.package("alpha", "top") / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "top-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("top-1.0.dist-info/METADATA", b"Name: top\n" * 4_000_000)
    assert [error.exit_code for error in planned(packages, tmp_path).problems.errors] == [4]


def test_links_and_pipes_among_the_wheels_are_not_waited_for(packages: Packages, tmp_path: Path) -> None:
    folder = packages.package("alpha", "top") / "wheels"
    folder.mkdir()
    os.mkfifo(folder / "top-1.0-py3-none-any.whl")
    (folder / "top-2.0-py3-none-any.whl").symlink_to("/dev/zero")
    (folder / "top-3.0-py3-none-any.whl").symlink_to(folder / "top-3.0-py3-none-any.whl")
    assert planned(packages, tmp_path).sources == {"alpha": "missing"}


LOCKS = {
    "a way up": '[{name = "a", path = "../../../x-1.0-py3-none-any.whl", hashes = {sha256 = "%s"}}]' % ("a" * 64),
    "absolute": '[{name = "x", path = "/tmp/x-1.0-py3-none-any.whl", hashes = {sha256 = "%s"}}]' % ("a" * 64),
    "an address": '[{url = "http://127.0.0.1:9/x-1.0-py3-none-any.whl", hashes = {sha256 = "%s"}}]' % ("a" * 64),
    "a weak hash": '[{path = "x-1.0-py3-none-any.whl", hashes = {md5 = "%s"}}]' % ("a" * 32),
    "no hash": '[{path = "x-1.0-py3-none-any.whl", hashes = {}}]',
    "no wheel": '[{path = "x-1.0.tar.gz", hashes = {sha256 = "%s"}}]' % ("a" * 64),
}


@pytest.mark.parametrize("wheels", LOCKS.values(), ids=LOCKS)
def test_a_forged_lock_takes_nothing_from_elsewhere(packages: Packages, tmp_path: Path, wheels: str) -> None:
    packages.package("alpha", "x")
    packages.wheel("alpha", "x")
    (packages.root / "alpha" / "wheels" / lock_name("linux-x64")).write_text(
        f'lock-version = "1.0"\ncreated-by = "bundle"\n[[packages]]\nname = "x"\nversion = "1.0"\nwheels = {wheels}\n'
    )
    plan = planned(packages, tmp_path)
    assert plan.install == ()
    assert plan.problems.errors


def test_a_wheel_that_asks_for_itself_and_for_much_ends(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    extras = "".join(f"Provides-Extra: e{number}\n" for number in range(300))
    circle = "".join(f"Requires-Dist: top[e{number + 1}]; extra == 'e{number}'\n" for number in range(300))
    packages.wheel("alpha", "top", "1.0", ["top[e0]"], metadata=extras + circle)
    assert [str(one) for one in planned(packages, tmp_path).install] == ["top 1.0"]


def test_a_record_that_lies_costs_no_more_than_a_new_install(packages: Packages, tmp_path: Path) -> None:
    packages.package("alpha", "top")
    packages.wheel("alpha", "top")
    into = target(tmp_path / "env")
    into.root.mkdir()
    (into.root / RECORD).write_text('{"format": 1, "wheels": {"top": {"sha256": "x", "stamp": [1, 2]}}}')
    assert [str(one) for one in planned(packages, tmp_path).install] == ["top 1.0"]


def test_a_search_path_names_no_code(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        search_path([], tmp_path / "x\nimport os")


@pytest.mark.real
def test_a_full_disk_and_one_that_is_only_readable_leave_the_environment_as_it_was(tmp_path: Path) -> None:
    packages = Packages(tmp_path / "packages")
    packages.package("alpha", "top")
    packages.wheel("alpha", "top")
    place = tmp_path / "place"
    words = ("provision", packages.root, "--into", place / "env", "--python", sys.executable)
    assert command(*words, folder=tmp_path).code == 0
    packages.package("beta", "large")
    large = {"large.bin": os.urandom(3 * 2**20)}
    make_wheel(packages.root / "beta" / "wheels", "large", "1.0", files=large)
    with mounts() as inside:
        inside.small(place, 2**20)
        full = command(*words, folder=tmp_path, before=inside.prefix)
        assert full.code == 1
        assert "space" in full.errors
        names = {path.name for path in inside.seen(place).iterdir()}
        assert names == {"env", "env.lock"}
        assert not list(inside.seen(place).glob("env/lib/python*/site-packages/large*"))
        inside.read_only(place)
        refused = command(*words, folder=tmp_path, before=inside.prefix)
        assert refused.code in (1, 2)
        assert "Traceback" not in refused.errors
        shutil.rmtree(packages.root / "beta")
        idle = command(*words, folder=tmp_path, before=inside.prefix)
        assert idle.code == 0, idle.errors
        assert idle.output.startswith("Nothing to do")


@pytest.mark.parametrize("name", ["linux-x64", "windows-x64"])
def test_a_lock_may_be_no_file(packages: Packages, name: str) -> None:
    folder = packages.package("alpha") / "wheels"
    folder.mkdir()
    os.mkfifo(folder / lock_name(name))
    with pytest.raises(BundleError):
        read_lock(folder, name)


def test_a_forged_lock_removes_no_file(packages: Packages) -> None:
    packages.package("alpha", "x")
    wheel = packages.wheel("alpha", "x")
    packages.lock("alpha", "linux-x64", "3.12")
    path = packages.root / "alpha" / "wheels" / lock_name("linux-x64")
    path.write_text(path.read_text().replace(wheel.name, "../package.json"))
    with pytest.raises(ConfigError, match="Invalid wheel filename"):
        read_lock(path.parent, "linux-x64")


def test_a_lock_full_of_names_for_many_tags_is_refused_in_time(packages: Packages) -> None:
    packages.package("alpha", "x")
    name = "x-1.0-" + "-".join(".".join(["a"] * 40) for _ in range(3)) + ".whl"
    folder = packages.root / "alpha" / "wheels"
    folder.mkdir()
    wheels = ", ".join([f'{{path = "{name}", hashes = {{sha256 = "{"a" * 64}"}}}}'] * 5000)
    (folder / lock_name("linux-x64")).write_text(
        f'lock-version = "1.0"\ncreated-by = "bundle"\n[[packages]]\nname = "x"\nversion = "1.0"\nwheels = [{wheels}]\n'
    )
    with pytest.raises(ConfigError, match="stands for too many tags"):
        read_lock(folder, "linux-x64")
