from __future__ import annotations

import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock, is_valid_pylock_path
from packaging.tags import Tag

from bundle.base.errors import ConfigError, IntegrityError
from bundle.model.config.config import (
    BuildOptions,
    BuildWheel,
    Config,
    PackageSet,
    PlatformPackages,
    Registries,
    Registry,
    Resolution,
    TakenLock,
)
from bundle.model.locks.lock import (
    BuildRequirement,
    Lock,
    LockedFile,
    LockedPackage,
    SkippedPackage,
    Vcs,
    input_checksum,
)
from bundle.model.locks.pylock import dump_lock, read_lock, write_lock
from bundle.model.platforms import PLATFORMS, Floors

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def locked_file(name: str, sha256: str = A) -> LockedFile:
    return LockedFile(name=name, sha256=sha256, size=123)


WHEEL = LockedPackage(
    name="numpy",
    version="2.2.6",
    kind="wheel",
    file=locked_file("numpy-2.2.6-cp312-cp312-manylinux_2_17_x86_64.whl"),
    reason="a compatible wheel",
    required_by=("", "pandas"),
)
SOURCE = LockedPackage(
    name="pandas",
    version="2.2.3",
    kind="source",
    file=locked_file("pandas-2.2.3.tar.gz", B),
    reason="forceSource: ünusual",
    required_by=("",),
    dependencies=("numpy",),
    build=(
        BuildRequirement(name="cython", version="3.1", file=locked_file("cython-3.1-py3-none-any.whl", C)),
        BuildRequirement(name="setuptools", version="80.0", file=locked_file("setuptools-80.0-py3-none-any.whl", C)),
    ),
)
COMMIT = LockedPackage(
    name="tool",
    version="1.0.dev3+g123",
    kind="source",
    file=None,
    reason="the requirement on tool names its source",
    required_by=("",),
    vcs=Vcs(url="https://code.example/tool.git", requested="feature/x", commit="d" * 40, subdirectory="src"),
)
DIRECT = LockedPackage(
    name="own",
    version="1.0",
    kind="wheel",
    file=locked_file("own-1.0-py3-none-any.whl", C),
    reason="the requirement on own names this wheel",
    required_by=("",),
    direct=True,
)
LOCK = Lock(
    version="3.12.10-atls",
    platform="linux-x64",
    python="3.12.10",
    inputs=A,
    packages=(WHEEL, DIRECT, SOURCE, COMMIT),
    skipped=(
        SkippedPackage(name="cuda", reason="no GPU", required_by=("pandas",), kind="skipped"),
        SkippedPackage(
            name="gone",
            reason="no wheel",
            required_by=("",),
            kind="missing",
            version="1.0",
            available=("cp312 win32",),
        ),
    ),
)


def test_a_lock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "pylock.linux-x64.toml"
    write_lock(LOCK, path)

    assert is_valid_pylock_path(path)
    assert read_lock(path) == LOCK


def test_the_same_lock_gives_the_same_bytes_in_any_order() -> None:
    turned = replace(LOCK, packages=LOCK.packages[::-1], skipped=LOCK.skipped[::-1])

    assert dump_lock(turned) == dump_lock(LOCK)


def test_packaging_selects_from_a_lock_what_the_platform_installs() -> None:
    pylock = Pylock.from_dict(tomllib.loads(dump_lock(LOCK)))
    platform = PLATFORMS["linux-x64"]
    environment: Any = platform.marker_environment("3.12.1")

    chosen = pylock.select(environment=environment, tags=[Tag("cp312", "cp312", "manylinux_2_17_x86_64")])

    assert [package.name for package, _ in chosen] == ["numpy", "own", "pandas", "tool"]


def test_a_lock_names_files_and_no_hosts() -> None:
    text = dump_lock(replace(LOCK, packages=(WHEEL, DIRECT, SOURCE)))

    assert "://" not in text
    assert 'path = "../../pydist/wheelhouse/pandas-2.2.3.tar.gz"' in text


def test_every_file_is_listed_once_with_those_that_builds_need() -> None:
    assert [file.name for file in LOCK.files] == [
        WHEEL.file.name if WHEEL.file else "",
        "pandas-2.2.3.tar.gz",
        "setuptools-80.0-py3-none-any.whl",
    ]
    assert LOCK.package("tool") == COMMIT
    assert (SOURCE.key, COMMIT.key) == (B, "d" * 40)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("123", "124"),
        (f'"{A}"', f'"{B}"'),
        ("2.2.6", "2.2.7"),
        ("no GPU", "no reason"),
        ("feature/x", "main"),
        ('inputs = "', 'other = "x"\ninputs = "'),
    ],
)
def test_a_lock_that_was_edited_is_refused(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "pylock.linux-x64.toml"
    text = dump_lock(LOCK)
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")

    with pytest.raises(IntegrityError, match="edited by hand") as caught:
        read_lock(path)
    assert "bundle lock" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< ours\n",
        "",
        'lock-version = "1.0"\ncreated-by = "another tool"\npackages = []\n',
        "[tool.bundle]\nformat = 99\n",
        "[tool.bundle]\nformat = 1\n",
        "tool = 3\n",
        "[tool]\nbundle = 3\n",
    ],
)
def test_a_file_that_is_no_lock_of_ours_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "3.12.10" / "pylock.linux-x64.toml"
    path.parent.mkdir()
    path.write_text(text)

    with pytest.raises((ConfigError, IntegrityError)) as caught:
        read_lock(path)
    assert "`bundle lock 3.12.10 --platform linux-x64`" in caught.value.remedy


def test_a_lock_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no lock"):
        read_lock(tmp_path / "pylock.linux-x64.toml")


def config(**packages: Any) -> Config:
    return Config(
        version="3.12.10-atls",
        python="3.12.10",
        folder=Path("versions"),
        packages={"linux-x64": PlatformPackages(**{"dependencies": ("numpy==2.2.6", "b[x,y]"), **packages})},
    )


PLAIN = config()


NAMES = {"numpy", "cuda"}
"""Of the packages in the lock."""


@pytest.mark.parametrize(
    "changed",
    [
        config(dependencies=("numpy==2.2.7",)),
        config(overrides={"numpy": "2.0"}),
        config(skip={"cuda": "no GPU"}),
        config(force_source={"numpy": "slow"}),
        config(build_wheel={"numpy": BuildWheel(reason="slow", config_settings={"a": ("b", "c")})}),
        config(build_wheel={"numpy": BuildWheel(reason="slow", environment={"MODE": "ABI"})}),
        config(no_deps=frozenset({"numpy"})),
        config(constraints=("numpy<3",)),
        config(hashes={"numpy": frozenset({A})}),
        replace(PLAIN, taken=TakenLock(lock=cast("Any", None), shown="uv.lock", digest=A)),
        config(resolution=Resolution(strict_missing=False)),
        config(resolution=Resolution(allow_source=frozenset({"numpy"}))),
        replace(PLAIN, build=BuildOptions(floors=Floors(glibc="2.17"))),
        replace(PLAIN, registries=Registries(additional=(Registry(url="https://x.example", packages=["cuda*"]),))),
        replace(PLAIN, python="3.12.11"),
    ],
)
def test_whatever_a_resolution_depends_on_makes_a_lock_stale(changed: Config) -> None:
    assert input_checksum(changed, "linux-x64", NAMES) != input_checksum(PLAIN, "linux-x64", NAMES)


@pytest.mark.parametrize(
    "same",
    [
        config(dependencies=("B[y,x]", "numpy == 2.2.6")),
        replace(PLAIN, build=BuildOptions(floors=Floors(macos="11.0"), timeout=1, parallel_downloads=1)),
        replace(PLAIN, folder=Path("elsewhere"), platforms=("linux-x64",)),
        config(skip={"other": "a rule about a package that is not in the lock"}),
        config(overrides={"other": "2.0"}, force_source={"other": "slow"}, no_deps=frozenset({"other"})),
        config(resolution=Resolution(allow_source=frozenset({"other"}))),
        replace(PLAIN, build=BuildOptions(isolation="strict")),
        config(network={"numpy": "downloads its library"}),
        config(constraints=("other<3",), hashes={"other": frozenset({A})}),
    ],
)
def test_what_a_resolution_does_not_depend_on_leaves_a_lock_fresh(same: Config) -> None:
    assert input_checksum(same, "linux-x64", NAMES) == input_checksum(PLAIN, "linux-x64", NAMES)


def test_credentials_are_no_input() -> None:
    one, other = (
        replace(PLAIN, registries=Registries(default=f"https://{user}@index.example/simple")) for user in ("a:b", "c:d")
    )

    assert input_checksum(one, "linux-x64", NAMES) == input_checksum(other, "linux-x64", NAMES)


@given(reason=st.text(max_size=40), asker=st.from_regex(r"([a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,9})?", fullmatch=True))
def test_any_reason_survives_the_way_through_the_file(
    tmp_path_factory: pytest.TempPathFactory, reason: str, asker: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "pylock.linux-x64.toml"
    lock = replace(LOCK, packages=(replace(WHEEL, reason=reason, required_by=(asker,)),), skipped=())
    write_lock(lock, path)

    assert read_lock(path) == lock


def test_a_set_has_a_lock_of_its_own() -> None:
    packages = {"linux-x64": PlatformPackages(dependencies=("numpy==2.2.6",))}
    whole = Config(
        version="3.12.10",
        python="3.12.10",
        folder=Path("versions"),
        packages=packages,
        sets={name: PackageSet(dependencies=("numpy==2.2.6",)) for name in ("a", "b")},
    )
    checksums = {input_checksum(one, "linux-x64", NAMES) for one in whole.members}
    assert len(checksums) == 3
    alone = input_checksum(replace(whole, sets={}), "linux-x64", NAMES)
    assert input_checksum(whole, "linux-x64", NAMES) == alone


def test_without_sets_checksums_and_bytes_stay_what_they_are() -> None:
    assert (
        input_checksum(PLAIN, "linux-x64", NAMES) == "2ab4bddcea12ffdf202896de5ca014aa9d61787fa0028fe6418a965c13569f6b"
    )
    assert (
        hashlib.sha256(dump_lock(LOCK).encode()).hexdigest()
        == "3412e7a17e32417db22f239808800cf32f1105019ef94b48f1a5d66ecfec0915"
    )


def test_the_set_of_a_lock_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "3.12.10" / "pylock.linux-x64-gpu.toml"
    path.parent.mkdir()
    write_lock(replace(LOCK, set_name="gpu"), path)
    assert "bundle lock" in path.read_text().splitlines()[0]
    assert read_lock(path).set_name == "gpu"
    path.write_text(path.read_text() + "x = 1")
    with pytest.raises(IntegrityError) as caught:
        read_lock(path)
    assert "`bundle lock 3.12.10 --platform linux-x64`" in caught.value.remedy
