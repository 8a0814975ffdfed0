from __future__ import annotations

from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.cli.app import Result
from tests.cli.results import result_of, text_of
from tests.make.publish.built import Built

SECRET = "planted-SECRET-passphrase"


@pytest.fixture
def built(tmp_path: Path) -> Built:
    built = Built(tmp_path / "project")
    built.bundle()
    return built


def call(built: Built, *arguments: str, data: str = "data") -> Result:
    root = built.project.root
    environ = {
        "BUNDLE_CACHE_DIR": str(built.store.root),
        "BUNDLE_DATA_DIR": str(root / data),
        "BUNDLE_TRUST_PASSPHRASE": SECRET,
    }
    return result_of(root, *arguments, environ=environ)


def test_a_remote_is_signed_published_to_shown_and_refreshed(built: Built, tmp_path: Path) -> None:
    remote, keys = str(tmp_path / "remote"), tmp_path / "keys"
    root, online, saved = str(keys / "root.pem"), str(keys / "online.pem"), str(tmp_path / "root.json")
    start = ("trust", "init", "--to", remote, "--root-key", root, "--online-key", online, "--save", saved)
    done = call(built, *start, "--days", "timestamp=30")
    assert f"Give {saved} to its users" in text_of(done)
    assert [one["version"] for one in done.data["roles"].values()] == [1, 1, 1, 1]
    with pytest.raises(ConfigError, match="there already"):
        call(built, *start)

    with pytest.raises(ConfigError, match="Keys are missing"):
        call(built, "publish", "3.12.10", "--to", remote)
    assert not (tmp_path / "remote" / "blobs").exists()
    with pytest.raises(ConfigError, match="does not know its root"):
        call(built, "publish", "3.12.10", "--to", remote, "--key", online, data="elsewhere")
    call(built, "publish", "3.12.10", "--to", remote, "--key", online, "--root", saved, data="elsewhere")
    listed = call(built, "catalogue", "list", "--from", remote)
    assert listed.data["authenticated"]
    assert [one["version"] for one in listed.data["bundles"]] == ["3.12.10"]
    assert not call(built, "catalogue", "list", "--from", remote, data="new").data["authenticated"]

    timer = str(keys / "timer.pem")
    call(built, "trust", "add-key", "timestamp", timer, "--to", remote, "--key", root, "--unencrypted")
    call(built, "trust", "refresh", "--to", remote, "--key", timer)
    call(built, "trust", "rotate", "--to", remote, "--key", root, "--key", online, "--days", "timestamp=1")
    call(built, "trust", "refresh", "--to", remote, "--key", timer)
    shown = call(built, "trust", "show", "--from", remote, "--save", str(tmp_path / "newest.json"))
    assert (shown.data["roles"]["root"]["version"], shown.data["roles"]["timestamp"]["version"]) == (3, 4)
    assert len(shown.data["roles"]["timestamp"]["keys"]) == 2
    assert "ROLE" in text_of(shown)
    fresh = call(built, "catalogue", "list", "--from", remote, "--root", str(tmp_path / "newest.json"), data="third")
    assert fresh.data["authenticated"]

    call(built, "unpublish", "3.12.10", "--from", remote, "--key", online)
    assert call(built, "catalogue", "list", "--from", remote).data["bundles"] == []
    young = call(built, "gc", "--from", remote)
    assert young.data["removed"] == []
    removed = call(built, "gc", "--from", remote, "--grace", "0s").data["removed"]
    assert {one["kind"] for one in removed} == {"blob", "document", "metadata", "page"}
    assert call(built, "catalogue", "list", "--from", remote).data["bundles"] == []
    left = sorted(path.name for path in (tmp_path / "remote" / "trust").iterdir())
    assert [name for name in left if name.endswith("root.json")] == ["1.root.json", "2.root.json", "3.root.json"]
    assert len(left) == 3 + 4
    written = [path.read_bytes() for path in (tmp_path / "remote").rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in content or b"PRIVATE KEY" in content for content in written)


@pytest.mark.parametrize("value", ["root", "root=", "root=0", "root=-1", "nobody=2", "timestamp=99999", "root=²"])
def test_what_is_no_role_with_a_number_is_refused(built: Built, value: str) -> None:
    with pytest.raises(Exception, match="is not like root=2"):
        call(built, "trust", "rotate", "--to", "x", "--days", value)
