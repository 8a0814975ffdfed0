from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bundle.base.errors import ConfigError, Problems
from bundle.make.inputs.gathered import Gathered
from bundle.make.inputs.requirements_file import read_requirements
from bundle.model.config.json_source import Origin, at, plain
from tests.artifacts.wheelmaker import make_wheel

SHA256 = "a" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    own.mkdir()
    (own / "pyproject.toml").write_text('[project]\nname = "Own.Package"\n')
    return tmp_path


def gathered(folder: Path, text: str, **files: str) -> Gathered:
    (folder / "requirements.txt").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.txt").write_text(content, encoding="utf-8")
    found = Gathered(root=folder, problems=Problems())
    read_requirements(folder / "requirements.txt", found)
    return found


def read(folder: Path, text: str, **files: str) -> Any:
    return plain(gathered(folder, text, **files).table())


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("flask==3.0.3  # why", "flask==3.0.3"),
        ("flask \\\n  >=3", "flask>=3"),
        ("Flask[async]>=2,<4 ; python_version < '3.13'", 'Flask[async]<4,>=2; python_version < "3.13"'),
        ("-e ./own", "own-package @ ./own"),
        ("-e own", "own-package @ ./own"),
        ("--editable=./own[gui]", "own-package[gui] @ ./own"),
        ("file:own", "own-package @ ./own"),
        ("demo @ https://files.example/demo-1.0.tar.gz", "demo @ https://files.example/demo-1.0.tar.gz"),
        ("https://files.example/demo-1.0-py3-none-any.whl", "demo @ https://files.example/demo-1.0-py3-none-any.whl"),
        ("-e git+https://git.example/demo@v1#egg=demo", "demo @ git+https://git.example/demo@v1"),
        (
            "git+https://git.example/x@v1#egg=demo[a]&subdirectory=python",
            "demo[a] @ git+https://git.example/x@v1#subdirectory=python",
        ),
        (
            f"demo @ https://files.example/demo-1.0.tar.gz --hash=sha256:{SHA256}",
            f"demo @ https://files.example/demo-1.0.tar.gz#sha256={SHA256}",
        ),
    ],
)
def test_lines_that_are_understood(folder: Path, line: str, requirement: str) -> None:
    assert read(folder, f"\ufeff# head\n\n{line}\n")["packages"]["dependencies"] == [requirement]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("flask=3", "is not a requirement"),
        ("-e ./absent", "neither a folder nor a wheel"),
        ("./requirements.txt", "neither a folder nor a wheel"),
        ("--pre", "--pre is not supported"),
        ("--trusted-host files.example", "--trusted-host is not supported"),
        ("--no-index", "--no-index is not supported"),
        ("--use-feature fast-deps", "--use-feature is not supported"),
        ("--frobnicate", "is unknown, or lacks its value"),
        ("-r", "is unknown, or lacks its value"),
        ("-r absent.txt", r"absent\.txt cannot be read"),
        ("-r https://files.example/r.txt", "is no file of this machine"),
        ("--no-binary :all:", "every package"),
        ("--find-links https://files.example/", "is no folder"),
        ("https://[x/demo-1.0-py3-none-any.whl", "has no valid host or port"),
        pytest.param(f"demo; {'(' * 3000}", "is not a requirement", id="a deep marker"),
        ("https://files.example/download", "does not say which package it is"),
        ("hg+https://hg.example/x#egg=demo", "is not supported"),
        ("demo --global-option=x", "--global-option is not supported"),
        ("demo --hash=md5:abc", "none of the hashes is a sha256"),
        ("demo==${VERSION}", "has an environment variable"),
        ("--index-url 'open", "No closing quotation"),
    ],
)
def test_lines_that_are_refused_with_file_and_line(folder: Path, line: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"requirements\.txt:2: .*{problem}"):
        read(folder, f"flask\n{line}\n")


def test_all_problems_are_told_at_once(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(folder, "--pre\n-r more.txt\n", more="flask=1\n")
    assert [line.split(": ")[0] for line in caught.value.details] == ["requirements.txt:1", "more.txt:1"]


def test_other_files_are_read_where_they_are_named_and_once(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "more.txt").write_text("click\n-r ../requirements.txt\n-e ../own\n")
    found = gathered(folder, "flask\n-r deep/more.txt\n-rdeep/more.txt\n")
    assert [(leaf.value, str(leaf.origin)) for leaf in found.dependencies] == [
        ("flask", "requirements.txt:1"),
        ("click", "deep/more.txt:1"),
        ("own-package @ ../own", "deep/more.txt:3"),
    ]


def test_constraints_ask_for_nothing(folder: Path) -> None:
    found = read(folder, "flask\n-c limits.txt\n", limits="numpy<2\nclick[extra]==8.1\n-r requirements.txt\n")
    assert found["packages"]["dependencies"] == ["flask"]
    assert found["packages"]["constraints"] == ["numpy<2", "click==8.1", "flask"]


def test_indexes_and_formats(folder: Path) -> None:
    text = (
        "-i https://${USER}:${TOKEN}@one.example/simple\n--extra-index-url=https://two.example/simple\n"
        "--no-binary a,b\n--only-binary c\n--only-binary=:all:\n--prefer-binary\nflask\n"
    )
    found = gathered(folder, text).table()
    assert plain(found)["registries"] == {
        "default": "https://${USER}:${TOKEN}@one.example/simple",
        "additional": ["https://two.example/simple"],
    }
    assert plain(found)["packages"]["resolution"] == {
        "allowSourceAll": False,
        "forceNoBinaryList": ["a", "b"],
        "onlyBinaryList": ["c"],
    }
    additional = at(found, ("registries", "additional", 0))
    assert additional is not None
    assert additional.origin == Origin("requirements.txt", 2)


def test_wheels_of_a_folder_and_by_name(folder: Path) -> None:
    wheel = make_wheel(folder / "dist", "mine", "1.0")
    found = read(folder, f"--find-links dist\n./dist/{wheel.name}[gui] ; python_version > '3'\n")
    assert found["packages"]["wheels"] == ["dist", f"./dist/{wheel.name}"]
    assert found["packages"]["dependencies"] == ["mine[gui]==1.0 ; python_version > '3'"]


def test_with_hashes_only_those_files_count(folder: Path) -> None:
    line = f"flask==3.0 \\\n    --hash=sha256:{SHA256} \\\n    --hash=sha512:00 --hash=sha256:{'b' * 64}\n"
    found = read(folder, f"{line}-e ./own\n")
    assert found["packages"]["hashes"] == {"flask": [f"sha256:{SHA256}", f"sha256:{'b' * 64}"], "*": []}
    with pytest.raises(ConfigError, match=r"requirements\.txt:4: click has no hash"):
        read(folder, f"{line}click\n")
    with pytest.raises(ConfigError, match=r"requirements\.txt:2: click has no hash"):
        read(folder, "--require-hashes\nclick\n")


def test_what_is_no_text_is_refused(folder: Path) -> None:
    (folder / "requirements.txt").write_bytes(b"\xff\xfe\0")
    found = Gathered(root=folder, problems=Problems())
    read_requirements(folder / "requirements.txt", found)
    with pytest.raises(ConfigError, match="is not UTF-8"):
        found.table()
