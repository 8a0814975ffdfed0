from __future__ import annotations

import json

import pytest

from bundle.model.file_list import FileList, ListedEntry, ListedLayer
from bundle.model.records import MalformedError

DIGEST = "1" * 64

FILES = FileList(
    layers=(
        ListedLayer(
            kind="interpreter",
            name="python",
            version="3.12.10",
            digest=DIGEST,
            entries=(
                ListedEntry("bin", 0o755, 0, None, None),
                ListedEntry("bin/python", 0, 0, None, "python3.12"),
                ListedEntry('bin/\u00e4 "b"', 0o755, 7, DIGEST, None),
            ),
        ),
        ListedLayer(kind="wheel", name="a", version="1.0", digest=DIGEST, entries=()),
    )
)


def test_a_list_is_the_same_after_writing_and_reading() -> None:
    assert FileList.parse(FILES.as_text().encode()) == FILES


def test_each_path_has_a_line_of_its_own() -> None:
    lines = FILES.as_text().splitlines()
    assert '{"path": "bin", "mode": "0755"},' in lines
    assert '{"path": "bin/python", "target": "python3.12"},' in lines
    assert json.loads(FILES.as_text())["layers"][0]["entries"][2]["size"] == 7


def test_a_path_is_found_with_its_layer() -> None:
    layer, entry = FILES.paths["bin/python"]
    assert (layer.title, entry.kind) == ("python 3.12.10", "symlink")
    assert {one.kind for one in FILES.layers[0].entries} == {"folder", "symlink", "file"}


def _with(entry: str) -> str:
    head = '{"format": 1, "layers": [{"kind": "", "name": "", "version": "", "digest": "", "entries": ['
    return f"{head}{entry}]}}]}}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"format": 2, "layers": []}',
        '{"format": 1}',
        '{"format": 1, "layers": [1]}',
        '{"format": 1, "layers": [{"kind": 1, "name": "", "version": "", "digest": "", "entries": []}]}',
        "[" * 100_000,
        _with('{"path": "a"}'),
        _with('{"path": 1, "target": "a"}'),
        _with('{"path": ["a"], "mode": "0755"}'),
        _with('{"path": "a", "mode": 493}'),
        _with('{"path": "a", "mode": "0999"}'),
        _with('{"path": "a", "mode": "0644", "size": 1.5, "sha256": "' + DIGEST + '"}'),
        _with('{"path": "a", "mode": "0644", "size": 1, "sha256": "abc"}'),
        _with('{"path": "a", "mode": "0644", "size": 1, "sha256": 1}'),
        _with('{"path": "a", "mode": "0644", "size": ' + "9" * 5000 + ', "sha256": "' + DIGEST + '"}'),
        _with('{"path": "a", "mode": "0755"}, {"path": "a", "target": "b"}'),
    ],
)
def test_a_list_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        FileList.parse(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(MalformedError):
        FileList.parse(b"\xff\xfe\x00")
