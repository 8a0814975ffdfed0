import io
import json
from pathlib import Path
from typing import Any

import click
import pytest
from rich.console import Console

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result
from bundle.cli.main import cli
from bundle.model.platforms import PLATFORMS
from tests.model.configs import write_project

SHARED = {"packages": {"skip": {"torch": {"macosx-x64": "no wheel", "windows-x64": "too large"}}}}
OWN = {
    "registries": {"additional": ["https://me:secret@index.example/simple"]},
    "packages": {
        "dependencies": ["numpy==2.2.6", "x @ git+https://me:secret@git.example/x"],
        "skip": {"torch": {"windows-x64": None}},
        "platformSpecific": {"linux-x64": {"dependencies": ["uvloop"]}},
    },
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path, SHARED, **{"3.12.10-x": OWN})


def run(root: Path | None, *arguments: str) -> Result:
    options = ["--project", str(root)] if root else []
    result = cli.main(args=[*options, *arguments], standalone_mode=False, obj=App(environ={}), prog_name="bundle")
    assert isinstance(result, Result)
    json.dumps(result.data)
    return result


def text(result: Result) -> str:
    stream = io.StringIO()
    result.text(Console(file=stream, soft_wrap=True, highlight=False, markup=False, emoji=False))
    return stream.getvalue()


def test_config_shows_what_the_two_files_come_to_without_credentials(root: Path) -> None:
    result = run(root, "config", "3.12.10-x")
    assert result.data["config"]["packages"]["skip"] == {"torch": {"macosx-x64": "no wheel"}}
    assert result.data["config"]["packages"]["platformSpecific"] == {"linux-x64": {"dependencies": ["uvloop"]}}
    assert json.loads(text(result)) == result.data["config"]
    assert "secret" not in text(result) + json.dumps(result.data)
    assert "git.example/x" in text(result)


def test_config_explains_which_file_and_line_gave_each_value(root: Path) -> None:
    result = run(root, "config", "3.12.10-x", "--explain")
    assert result.data["origins"]["packages.skip.torch.macosx-x64"] == {"file": "shared-config.json", "line": 5}
    lines = text(result).splitlines()
    assert 'packages.skip.torch.macosx-x64 = "no wheel"  (shared-config.json:5)' in lines
    assert 'packages.dependencies[0] = "numpy==2.2.6"  (versions/3.12.10-x/config.json:9)' in lines
    assert "secret" not in text(result)
    assert len(lines) == len(result.data["origins"])


def test_config_of_a_platform_has_what_is_specific_to_it_folded_in(root: Path) -> None:
    packages = run(root, "config", "3.12.10-x", "--platform", "linux-x64").data["config"]["packages"]
    assert packages["dependencies"][0::2] == ["numpy==2.2.6", "uvloop"]
    assert "platformSpecific" not in packages
    result = run(root, "config", "3.12.10-x", "--platform", "windows-x64", "--explain")
    assert "uvloop" not in text(result)
    assert "torch" not in text(result)
    other = run(root, "config", "3.12.10-x", "--platform", "macosx-x64").data["config"]["packages"]
    assert other["skip"] == {"torch": {"macosx-x64": "no wheel"}}


def test_config_of_a_version_that_is_not_there_names_the_nearest(root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        run(root, "config", "3.12.10-y")
    assert "3.12.10-x" in caught.value.remedy


def test_check_tells_all_and_exits_with_2(root: Path) -> None:
    (root / "shared-config.json").write_text('{"bild": {}}')
    (root / "versions" / "3.12.10-a").mkdir()
    result = run(root, "check")
    assert result.exit_code == 2
    a, x = result.data["versions"]
    assert (a["version"], x["version"]) == ("3.12.10-a", "3.12.10-x")
    assert [len(a["problems"]), len(x["problems"])] == [2, 1]
    assert text(result).count('unknown key "bild"') == 1
    assert text(result).endswith("2 versions, 2 errors, 0 warnings.\n")


@pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")  # pbs-installer's matter
def test_check_of_a_project_in_order_exits_with_0(root: Path) -> None:
    result = run(root, "check", "3.12.10-x")
    assert result.exit_code == 0
    assert result.data == {
        "versions": [{"version": "3.12.10-x", "problems": (), "warnings": ()}],
        "notes": [],
        "unusedExceptions": [],
    }
    assert text(result) == "3.12.10-x: ok\n1 version, 0 errors, 0 warnings.\n"


def test_quiet_and_verbose_exclude_each_other_wherever_they_stand(root: Path) -> None:
    for words in (
        ("--quiet", "--verbose", "check"),
        ("--quiet", "check", "--verbose"),
        ("check", "--verbose", "--quiet"),
    ):
        with pytest.raises(click.UsageError, match="--quiet and --verbose"):
            run(root, *words)


def test_an_output_folder_that_cannot_be_made_is_told_at_once(root: Path) -> None:
    (root / "file").touch()
    with pytest.raises(ConfigError, match=r"file/below cannot be made\."):
        run(root, "build", "3.12.10-x", "--platform", "linux-x64", "--output", str(root / "file" / "below"))


def test_new_starts_a_version_and_says_what_to_do_next(root: Path) -> None:
    result = run(root, "new", "3.13.0-custom", "--from", "3.12.10-x")
    assert result.data == {"version": "3.13.0-custom", "path": "versions/3.13.0-custom/config.json"}
    assert "bundle build 3.13.0-custom" in text(result)
    assert (root / result.data["path"]).read_text() == (root / "versions/3.12.10-x/config.json").read_text()


def test_versions_are_listed_and_a_broken_one_too(root: Path) -> None:
    (root / "versions" / "3.12.10-a").mkdir()
    (root / "versions" / "3.12.10-x" / "pylock.linux-x64.toml").touch()
    result = run(root, "versions")
    broken, fine = result.data["versions"]
    assert "does not exist" in broken["problem"]
    assert (fine["python"], fine["variant"], fine["locks"]) == ("3.12.10", "x", ["linux-x64"])
    assert fine["platforms"] == list(PLATFORMS)
    assert "secret" not in json.dumps(fine)
    assert "3.12.10-x  3.12.10  all        2             linux-x64" in text(result)


def test_a_project_without_versions_says_how_to_start_one(tmp_path: Path) -> None:
    assert "bundle new" in text(run(write_project(tmp_path, {}), "versions"))


def test_platforms_are_listed_without_a_project() -> None:
    result = run(None, "platforms")
    rows: list[dict[str, Any]] = result.data["platforms"]
    assert [row["key"] for row in rows] == list(PLATFORMS)
    assert rows[0]["newestTag"] == "manylinux_2_28_x86_64"
    assert sum(row["machine"] for row in rows) <= 1
    assert all(row["triple"] in text(result) for row in rows)


def test_the_schema_is_printed_as_it_is_shipped() -> None:
    result = run(None, "schema")
    assert json.loads(text(result)) == result.data


def test_clean_removes_the_output_and_nothing_else(root: Path) -> None:
    (root / "pydist").mkdir()
    (root / "pydist" / "x").write_bytes(b"12345")
    result = run(root, "clean")
    assert result.data == {"removed": "pydist", "bytes": 5}
    assert text(result) == "Removed pydist/, 5 bytes.\n"
    assert (root / "versions" / "3.12.10-x" / "config.json").exists()
    assert text(run(root, "clean")) == "There is no pydist/.\n"
