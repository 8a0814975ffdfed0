from __future__ import annotations

import dataclasses
import json
import re
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from bundle.artifacts.catalogue import Catalogue, record, verify
from bundle.artifacts.catalogue_entry import Entry, SetRecord
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from tests.artifacts.bundles import bundle, with_archive

REPORTER = Reporter()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue" / "catalogue.json"


def test_a_catalogue_that_does_not_exist_yet_is_empty(path: Path) -> None:
    assert Catalogue.load(path).entries == ()
    assert verify(path, path.parent) == []


@pytest.mark.parametrize("sets", [(), ("gpu", "old-numpy")])
def test_what_is_recorded_is_read_back_and_fits_the_schema(path: Path, sets: tuple[str, ...]) -> None:
    plain = bundle()
    own = SetRecord(packages=plain.packages, skipped=plain.skipped)
    entry = dataclasses.replace(plain, sets=dict.fromkeys(sets, own))

    record(path, entry, reporter=REPORTER)

    assert Catalogue.load(path, validate=True).entries == (entry,)
    assert Catalogue.load(path).find("3.12.10-atls", "linux-x64") == entry
    assert Catalogue.load(path).find("3.12.10-atls", "windows-x64") is None
    assert ("sets" in json.loads(path.read_text())["bundles"][0]) == bool(sets)


def test_bundles_are_sorted_whatever_the_order_of_building(tmp_path: Path) -> None:
    entries = [bundle(version, platform) for version in ("3.9.1", "3.12.10", "3.12.10-atls") for platform in ("a", "b")]
    for number, order in enumerate((entries, entries[::-1])):
        for entry in order:
            record(tmp_path / f"{number}.json", entry, reporter=REPORTER)

    assert Catalogue.load(tmp_path / "0.json").entries == tuple(entries)
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()


def test_a_bundle_that_is_built_again_replaces_itself(path: Path) -> None:
    record(path, bundle(), reporter=REPORTER)
    newer = dataclasses.replace(bundle(), size=7)
    record(path, newer, reporter=REPORTER)

    assert Catalogue.load(path).entries == (newer,)


def test_a_catalogue_that_would_not_change_is_not_written(path: Path) -> None:
    record(path, bundle(), reporter=REPORTER)
    before = path.stat().st_ino
    record(path, bundle(), reporter=REPORTER)

    assert path.stat().st_ino == before


def test_bundles_that_are_recorded_at_once_all_arrive(path: Path) -> None:
    entries = [bundle(f"3.12.{number}") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda entry: record(path, entry, reporter=REPORTER), entries))

    assert Catalogue.load(path).entries == tuple(entries)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format": 0, "bundles": []}', '{"format": 1, "bundles": [{}]}', '{"bundles": []}'],
)
def test_a_file_that_is_no_catalogue_is_an_error_and_stays_untouched(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)

    for validate in (True, False):
        with pytest.raises(IntegrityError, match="not a catalogue"):
            Catalogue.load(path, validate=validate)
    with pytest.raises(IntegrityError, match="not a catalogue"):
        record(path, bundle(), reporter=REPORTER)
    assert path.read_text() == text


def test_a_program_that_is_too_old_for_a_catalogue_says_so(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"format": 2, "runtimes": {}}')
    for validate in (True, False):
        with pytest.raises(IntegrityError, match="has format 2, and this program is too old"):
            Catalogue.load(path, validate=validate)
    with pytest.raises(IntegrityError, match="too old"):
        record(path, bundle(), reporter=REPORTER)
    assert path.read_text() == '{"format": 2, "runtimes": {}}'


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("size", "7", r"\$\.bundles\[0\]\.size"),
        ("path", "/absolute", r"\$\.bundles\[0\]\.path"),
        ("digest", "0", r"\$\.bundles\[0\]\.digest"),
        ("unknown", 1, "unknown"),
        ("sets", {"../x": {"packages": [], "skipped": []}}, r"\.\./x"),
    ],
)
def test_the_schema_names_what_is_wrong(path: Path, key: str, value: object, where: str) -> None:
    record(path, bundle(), reporter=REPORTER)
    content = json.loads(path.read_text())
    content["bundles"][0][key] = value
    path.write_text(json.dumps(content))

    with pytest.raises(IntegrityError) as caught:
        Catalogue.load(path)
    assert [line for line in caught.value.details if re.search(where, line)]


def test_every_archive_is_read_and_compared(path: Path, tmp_path: Path) -> None:
    contents = {
        "whole.tar.zst": b"whole",
        "changed.tar.zst": b"chang",
        "longer.tar.zst": b"longe",
        "gone.tar.zst": b"x",
    }
    entries: list[Entry] = []
    for number, (name, content) in enumerate(contents.items()):
        (tmp_path / name).write_bytes(content)
        entries.append(with_archive(bundle(f"3.12.{number}"), tmp_path / name, name))
        record(path, entries[-1], reporter=REPORTER)
    (tmp_path / "changed.tar.zst").write_bytes(b"chanG")
    (tmp_path / "longer.tar.zst").write_bytes(b"longer")
    (tmp_path / "gone.tar.zst").unlink()

    findings = verify(path, tmp_path)

    assert [(finding.version, finding.kind, finding.path) for finding in findings] == [
        ("3.12.1", "changed", "changed.tar.zst"),
        ("3.12.2", "changed", "longer.tar.zst"),
        ("3.12.3", "missing", "gone.tar.zst"),
    ]
    assert "6 bytes, not 5" in findings[1].detail


def test_the_schema_knows_the_floors_of_all_systems() -> None:
    schema = json.loads(resources.files("bundle.artifacts").joinpath("catalogue.schema.json").read_bytes())
    floors = [one["floor"]["properties"] for one in _with(schema, "floor")]
    assert [set(one) for one in floors] == [{"glibc", "macos", "windows"}]


def _with(value: object, key: str) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for one in value for found in _with(one, key)]
    if not isinstance(value, dict):
        return []
    here = [value] if isinstance(value.get(key), dict) and "properties" in value[key] else []
    return here + [found for one in value.values() for found in _with(one, key)]
