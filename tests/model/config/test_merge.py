import json
from typing import Any

from hypothesis import given
from packaging.utils import canonicalize_name

from bundle.model.config.json_source import Origin, plain
from bundle.model.config.merge import DEEP, RULES, WINS, merge, rule
from bundle.model.config.schema import described
from tests.model.configs import CONFIGS, LIST_OF_NAMES, REASONS, table

VERSION = "versions/3.12.10/config.json"


def merged(shared: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
    return merge(table(shared), table(version, VERSION)).value


@given(CONFIGS)
def test_a_version_that_says_nothing_has_the_shared_configuration(shared: dict[str, Any]) -> None:
    assert merged(shared, {}) == shared


@given(CONFIGS)
def test_a_shared_configuration_that_says_nothing_leaves_the_versions(version: dict[str, Any]) -> None:
    assert merged({}, version) == version


@given(CONFIGS, CONFIGS)
def test_what_went_in_is_left_as_it_was(shared: dict[str, Any], version: dict[str, Any]) -> None:
    left, right = table(shared), table(version, VERSION)
    result = merge(left, right)
    for key in ("linux-x64", "windows-x64"):
        result.folded(key)
    assert (plain(left), plain(right)) == (shared, version)
    assert result.value == merged(shared, version)


@given(CONFIGS, CONFIGS)
def test_every_value_names_the_file_and_line_that_hold_it(shared: dict[str, Any], version: dict[str, Any]) -> None:
    lines = {
        "shared-config.json": json.dumps(shared, indent=1).splitlines(),
        VERSION: json.dumps(version, indent=1).splitlines(),
    }
    result = merge(table(shared), table(version, VERSION))
    for view in (result, result.folded("linux-x64"), result.folded("macosx-aarch64")):
        leaves = _leaves(view.value)
        assert leaves.keys() == view.origins.keys()
        for path, value in leaves.items():
            origin = view.origins[path]
            assert origin.line is not None
            assert json.dumps(value) in lines[origin.file][origin.line - 1]


@given(REASONS, REASONS)
def test_one_platforms_exception_never_erases_anothers(shared: dict[str, Any], version: dict[str, Any]) -> None:
    for key in ("skip", "forceSource"):
        result = merged({"packages": {key: shared}}, {"packages": {key: version}})["packages"][key]
        for name in shared.keys() | version.keys():
            assert result[name] == shared.get(name, {}) | version.get(name, {})


@given(LIST_OF_NAMES, LIST_OF_NAMES)
def test_a_union_keeps_the_order_shared_first_and_normalises(shared: list[str], version: list[str]) -> None:
    written = [name.title().replace("-", "_.") for name in version]
    result = merged({"packages": {"noDeps": shared}}, {"packages": {"noDeps": written}})["packages"]["noDeps"]
    assert result == list(dict.fromkeys([*shared, *version]))
    assert all(canonicalize_name(name) == name for name in result)


@given(CONFIGS, CONFIGS)
def test_the_versions_dependencies_replace_the_shared_ones(shared: dict[str, Any], version: dict[str, Any]) -> None:
    own = version.get("packages", {}).get("dependencies")
    both = merged(shared, version).get("packages", {}).get("dependencies")
    assert both == (shared.get("packages", {}).get("dependencies") if own is None else own)


def test_null_takes_a_shared_exception_away_and_nothing_else() -> None:
    shared = {"packages": {"skip": {"Torch": {"macosx-x64": "a", "windows-x64": "b"}, "numpy": {"linux-x64": "c"}}}}
    result = merged(shared, {"packages": {"skip": {"torch": {"macosx-x64": None}}}})
    assert result == {"packages": {"skip": {"torch": {"windows-x64": "b"}, "numpy": {"linux-x64": "c"}}}}
    result = merged(shared, {"packages": {"skip": {"torch": None, "numpy": {"linux-x64": None}}}})
    assert result == {"packages": {"skip": {}}}
    assert merged({}, {"packages": {"forceSource": {"torch": {"linux-x64": None}}}}) == {
        "packages": {"forceSource": {}}
    }


def test_names_that_are_spelled_differently_are_one_package() -> None:
    result = merged({"packages": {"overrides": {"Foo.Bar": "1"}}}, {"packages": {"overrides": {"foo_bar": "2"}}})
    assert result == {"packages": {"overrides": {"foo-bar": "2"}}}


def test_build_settings_of_one_platform_are_merged_key_by_key() -> None:
    shared = {"packages": {"buildWheel": {"x": {"linux-x64": {"reason": "a", "configSettings": {"k": "1"}}}}}}
    version = {"packages": {"buildWheel": {"X": {"linux-x64": {"configSettings": {"l": "2"}}}}}}
    assert merged(shared, version)["packages"]["buildWheel"] == {
        "x": {"linux-x64": {"reason": "a", "configSettings": {"k": "1", "l": "2"}}}
    }


def test_registries_are_united_by_url_and_a_tie_is_never_lost_by_accident() -> None:
    a, b = "https://a.example/simple", "https://b.example/simple"
    shared = {"registries": {"additional": [{"url": a, "packages": ["x"]}, b]}}
    version = {"registries": {"additional": ["https://c.example", f"{b}/", {"url": a, "packages": ["y", "x"]}]}}
    assert merged(shared, version)["registries"]["additional"] == [
        {"url": a, "packages": ["x", "y"]},
        f"{b}/",
        "https://c.example",
    ]


def test_copied_files_are_appended_and_each_knows_its_file() -> None:
    one, two = {"from": "a", "to": "x"}, {"from": "b", "to": "x"}
    result = merge(table({"packages": {"copyFiles": [one]}}), table({"packages": {"copyFiles": [two]}}, VERSION))
    assert result.value["packages"]["copyFiles"] == [one, two]
    assert result.origins["packages.copyFiles[0].from"].file == "shared-config.json"
    assert result.origins["packages.copyFiles[1].from"] == Origin(VERSION, 5)


def test_a_versions_archive_path_takes_the_place_of_a_shared_url() -> None:
    shared = {"interpreter": {"archives": {"linux-x64": {"url": "https://a.example/x", "sha256": "0"}}}}
    version = {"interpreter": {"archives": {"linux-x64": {"path": "x.tar.gz"}}}}
    assert merged(shared, version)["interpreter"]["archives"]["linux-x64"] == {"path": "x.tar.gz", "sha256": "0"}


def test_what_is_specific_to_a_platform_is_added_there_and_only_there() -> None:
    result = merge(
        table(
            {
                "packages": {
                    "dependencies": ["a"],
                    "noDeps": ["x"],
                    "overrides": {"a": "1", "b": "1"},
                    "resolution": {"strictMissing": True, "allowSourceList": ["s"]},
                    "platformSpecific": {"linux-x64": {"dependencies": ["b"], "overrides": {"b": "2"}}},
                }
            }
        ),
        table(
            {
                "packages": {
                    "platformSpecific": {
                        "linux-x64": {
                            "dependencies": ["a", "c"],
                            "noDeps": ["Y"],
                            "resolution": {"strictMissing": False},
                            "copyFiles": [{"from": "f", "to": "t"}],
                        }
                    }
                }
            },
            VERSION,
        ),
    )
    assert result.folded("linux-x64").value["packages"] == {
        "dependencies": ["a", "b", "c"],
        "noDeps": ["x", "y"],
        "overrides": {"a": "1", "b": "2"},
        "resolution": {"strictMissing": False, "allowSourceList": ["s"]},
        "copyFiles": [{"from": "f", "to": "t"}],
    }
    assert result.folded("windows-x64").value["packages"] == {
        "dependencies": ["a"],
        "noDeps": ["x"],
        "overrides": {"a": "1", "b": "1"},
        "resolution": {"strictMissing": True, "allowSourceList": ["s"]},
    }


def test_the_schema_tells_the_rules_that_the_merge_follows() -> None:
    told = {path: part["x-merge"] for path, part in described() if "x-merge" in part}
    assert told.keys() >= RULES.keys()
    for path, words in told.items():
        part = dict(described())[path]
        tables = part.get("type") == "object" or (isinstance(part.get("type"), list) and "object" in part["type"])
        assert words == (rule(path) or (DEEP if tables else WINS)), path


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        found: dict[str, Any] = {}
        for key, part in value.items():
            step = f'["{key}"]' if "." in key else f".{key}"
            found |= _leaves(part, f"{path}{step}".removeprefix("."))
        return found
    if isinstance(value, list) and value:
        found = {}
        for index, part in enumerate(value):
            found |= _leaves(part, f"{path}[{index}]")
        return found
    return {path: value} if path else {}


def test_a_version_replaces_and_removes_shared_sets() -> None:
    shared = {
        "packages": {"sets": {"a": {"dependencies": ["x"], "overrides": {"Y": "1"}}, "b": {"dependencies": ["z"]}}}
    }
    version = {"packages": {"sets": {"a": {"dependencies": ["w"], "overrides": {"y": "2"}}, "b": None}}}
    merged = merge(table(shared), table(version, "own"))
    assert merged.value["packages"]["sets"] == {"a": {"dependencies": ["w"], "overrides": {"y": "2"}}}
