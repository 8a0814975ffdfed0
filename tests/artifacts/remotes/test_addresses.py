from __future__ import annotations

from pathlib import Path

import pytest

from bundle.artifacts.remotes.addresses import Access, open_remote, open_writable
from bundle.artifacts.remotes.remote import ReadOnlyError
from bundle.base.errors import ConfigError, NetworkError
from bundle.base.report import Reporter

ACCESS = Access(environ={}, reporter=Reporter())


def test_a_folder_is_named_by_its_path_or_by_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_remote("here", ACCESS).url == str(tmp_path / "here")
    assert open_writable((tmp_path / "a b").as_uri(), ACCESS).url == str(tmp_path / "a b")


def test_a_web_server_can_only_be_read() -> None:
    with pytest.raises(ReadOnlyError, match="https://cdn/runtimes can only be read"):
        open_writable("https://me:secret@cdn/runtimes", ACCESS)


def test_no_credential_is_in_the_address_that_is_shown() -> None:
    assert open_remote("https://me:hunter2@cdn/runtimes?sig=hunter2", ACCESS).url == "https://cdn/runtimes"


@pytest.mark.parametrize("url", ["ftp://host/x", "https://[::", "://", "svn+ssh://me:hunter2@host/x"])
def test_what_is_no_address_of_a_remote_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_remote(url, ACCESS)
    assert "hunter2" not in caught.value.as_text()


@pytest.mark.parametrize("url", ["", " "])
def test_an_empty_address_is_not_the_current_folder(url: str) -> None:
    for opened in (open_remote, open_writable):
        with pytest.raises(ConfigError, match="address of the remote is empty"):
            opened(url, ACCESS)


def test_a_file_is_no_folder_of_a_remote(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be a folder: it is a file"):
        open_writable(str(file), ACCESS)
    with pytest.raises(ConfigError, match=f"cannot be a folder: {file} is a file"):
        open_remote((file / "a" / "b").as_uri(), ACCESS)


def test_offline_reads_folders_alone(tmp_path: Path) -> None:
    offline = Access(environ={}, reporter=Reporter(), offline=True)
    assert open_remote(str(tmp_path), offline).url == str(tmp_path)
    with pytest.raises(NetworkError, match="--offline"):
        open_remote("http://cdn/x", offline)
