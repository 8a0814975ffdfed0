from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.remotes.files import FileRemote
from bundle.artifacts.remotes.folder import Folder
from bundle.artifacts.remotes.inspection import damaged, inspect
from bundle.artifacts.remotes.published import Blob
from bundle.base.errors import IntegrityError
from bundle.base.report import Reporter
from tests.artifacts.remotes.made import CONTENT, document, publish


@pytest.fixture
def remote(tmp_path: Path) -> FileRemote:
    """Two bundles that share a layer."""
    remote = FileRemote(Folder(tmp_path, reporter=Reporter()))
    publish(remote, document(), document("3.12.10-atls"))
    return remote


def stored(folder: Path, blob: Blob) -> Path:
    (path,) = folder.rglob(blob.sha256)
    return path


def test_a_sound_remote_is_read_whole(remote: FileRemote) -> None:
    found = inspect(remote, remote.catalogue()[0], reporter=Reporter())
    assert (found.bundles, found.blobs, found.size, found.findings) == (2, 2, 11, ())


def test_each_damaged_layer_is_named_with_the_bundles_that_need_it(remote: FileRemote, tmp_path: Path) -> None:
    shared, other = Blob.of(b"onetwo"), Blob.of(b"three")
    stored(tmp_path, shared).write_bytes(b"onetw0")
    stored(tmp_path, other).unlink()
    found = {one.what.split()[1]: one for one in inspect(remote, remote.catalogue()[0], reporter=Reporter()).findings}
    assert (found["cpython"].kind, found["cpython"].bundles) == (
        "changed",
        ("3.12.10-linux-x64", "3.12.10-atls-linux-x64"),
    )
    assert found["only"].kind == "missing"


def test_a_damaged_document_is_a_finding_and_the_others_are_read(remote: FileRemote, tmp_path: Path) -> None:
    (path,) = (tmp_path / "bundles/3.12.10").rglob("*.json.zst")
    path.write_bytes(path.read_bytes()[:-1])
    found = inspect(remote, remote.catalogue()[0], reporter=Reporter())
    (one,) = found.findings
    assert (one.kind, one.bundles) == ("changed", ("3.12.10-linux-x64",))
    assert found.blobs == 2


def test_a_damaged_catalogue_is_an_error(remote: FileRemote, tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").write_text("[]")
    with pytest.raises(IntegrityError):
        inspect(remote, remote.catalogue()[0], reporter=Reporter())


@pytest.mark.parametrize("content", [b"", b"onet", b"onetw0"])
def test_blobs_that_are_short_or_others_are_damaged(remote: FileRemote, tmp_path: Path, content: bytes) -> None:
    stored(tmp_path, Blob.of(b"onetwo")).write_bytes(content)
    assert list(damaged(remote, CONTENT, reporter=Reporter())) == [Blob.of(b"onetwo")]
