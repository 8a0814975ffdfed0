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
    assert (shown.data["roles"]["root"]["version"], shown.data["roles"]["timestamp"]["version"]) == (3, 5)
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


def test_a_remote_that_was_never_signed_is_not_taken_for_one_of_an_unknown_root(built: Built, tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing")
    for words in (("show", "--from"), ("refresh", "--to"), ("rotate", "--to")):
        with pytest.raises(ConfigError, match="has no signed metadata"):
            call(built, "trust", *words, nothing)


@pytest.mark.parametrize("value", ["root", "root=", "root=0", "root=-1", "nobody=2", "timestamp=99999", "root=²"])
def test_what_is_no_role_with_a_number_is_refused(built: Built, value: str) -> None:
    with pytest.raises(Exception, match="is not like root=2"):
        call(built, "trust", "rotate", "--to", "x", "--days", value)


def test_a_root_is_signed_by_several_people_on_their_own_machines(built: Built, tmp_path: Path) -> None:
    remote, saved = str(tmp_path / "remote"), str(tmp_path / "root.json")
    root, online = str(tmp_path / "root.pem"), str(tmp_path / "online.pem")
    call(built, "trust", "init", "--to", remote, "--root-key", root, "--online-key", online, "--save", saved)
    people = [tmp_path / name for name in ("anna.pem", "ben.pem")]
    ids = [call(built, "trust", "make-key", str(one)).data["key"] for one in people]
    with pytest.raises(ConfigError, match="there already"):
        call(built, "trust", "make-key", str(people[0]))
    assert people[0].stat().st_mode & 0o777 == 0o600

    # Only the public parts of the keys reach the machine that proposes.
    proposal = tmp_path / "2.root.json"
    added = [word for one in people for word in ("--add", "root", f"{one}.pub")]
    done = call(built, "trust", "propose", "--to", remote, "--save", str(proposal), *added, "--threshold", "root=2")
    assert (done.data["version"], done.data["signedBy"]) == (2, [])
    assert set(ids) < set(done.data["roles"]["root"]["keys"])
    assert "signed by nobody yet" in text_of(done)

    copies = [tmp_path / f"copy-{number}.json" for number in range(3)]
    for copy, key in zip(copies, (root, *map(str, people)), strict=True):
        copy.write_bytes(proposal.read_bytes())
        signed = call(built, "trust", "sign", str(copy), "--key", key, data="elsewhere")
        assert len(signed.data["signedBy"]) == 1
    with pytest.raises(ConfigError, match="none of these keys"):
        call(built, "trust", "sign", str(copies[0]), "--key", online, data="elsewhere")
    accept = ("trust", "accept", "--to", remote)
    with pytest.raises(ConfigError, match="Not enough people") as missing:
        call(built, *accept, *map(str, copies[1:]))
    assert missing.value.details[0].startswith("the former root: 0 of 1")
    with pytest.raises(ConfigError, match="Not enough people"):
        call(built, *accept, str(copies[0]))
    assert call(built, "trust", "show", "--from", remote).data["roles"]["root"]["version"] == 1
    done = call(built, *accept, *map(str, copies[:2]))
    assert (done.data["roles"]["root"]["version"], done.data["roles"]["root"]["threshold"]) == (2, 2)
    with pytest.raises(ConfigError, match="is for version 2"):
        call(built, *accept, *map(str, copies))

    # One person alone changes nothing any more, and one who leaves signs by the former root.
    with pytest.raises(ConfigError, match="Keys are missing"):
        call(built, "trust", "rotate", "--to", remote, "--key", root)
    newest, last = str(tmp_path / "newest.json"), str(tmp_path / "3.root.json")
    call(built, "trust", "show", "--from", remote, "--save", newest)
    first = next(one for one in call(built, "trust", "show", "--from", remote).data["roles"]["root"]["keys"])
    call(built, "trust", "propose", "--to", remote, "--save", last, "--remove", first)
    with pytest.raises(ConfigError, match="none of these keys"):
        call(built, "trust", "sign", last, "--key", root)
    call(built, "trust", "sign", last, "--key", root, "--root", newest)
    call(built, "trust", "sign", last, "--key", str(people[0]))
    with pytest.raises(ConfigError, match="Not enough people") as missing:
        call(built, *accept, last)
    assert missing.value.details == (f"the new root: 1 of 2; not signed by {ids[1][:16]}",)
    call(built, "trust", "sign", last, "--key", str(people[1]))
    assert call(built, *accept, last).data["roles"]["root"]["version"] == 3
    call(built, "publish", "3.12.10", "--to", remote, "--key", online)
    # A reader that pinned the first root follows.
    listed = call(built, "catalogue", "list", "--from", remote, "--root", saved, data="new")
    assert listed.data["authenticated"]


def test_proposals_that_are_none_or_differ_are_refused(built: Built, tmp_path: Path) -> None:
    remote, saved = str(tmp_path / "remote"), str(tmp_path / "root.json")
    root, online = str(tmp_path / "root.pem"), str(tmp_path / "online.pem")
    call(built, "trust", "init", "--to", remote, "--root-key", root, "--online-key", online, "--save", saved)
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    call(built, "trust", "propose", "--to", remote, "--save", str(one))
    call(built, "trust", "propose", "--to", remote, "--save", str(other), "--days", "root=9")
    with pytest.raises(ConfigError, match="proposes another root"):
        call(built, "trust", "accept", str(one), str(other), "--to", remote)
    forged = tmp_path / "forged.json"
    forged.write_bytes(one.read_bytes().replace(b'"threshold":1', b'"threshold":0'))
    for content in (b"", b"[]", b'{"signatures": [], "signed": {"_type": "timestamp"}}', forged.read_bytes()):
        forged.write_bytes(content)
        with pytest.raises(ConfigError, match="holds no proposal"):
            call(built, "trust", "sign", str(forged), "--key", root)
    call(built, "trust", "sign", str(one), "--key", root)
    changed = one.read_bytes().replace(b'"version":2', b'"version":3')
    forged.write_bytes(changed)
    with pytest.raises(ConfigError, match="is for version 3"):
        call(built, "trust", "accept", str(forged), "--to", remote)
    other.write_bytes(one.read_bytes().replace(b'"x-bundle-days":14', b'"x-bundle-days":15'))
    assert other.read_bytes() != one.read_bytes()
    with pytest.raises(ConfigError, match="Not enough people"):
        call(built, "trust", "accept", str(other), "--to", remote)
    assert call(built, "trust", "accept", str(one), "--to", remote).data["roles"]["root"]["version"] == 2
    key = tmp_path / "other.pub"
    key.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(ConfigError, match="no Ed25519 key"):
        call(built, "trust", "propose", "--to", remote, "--save", str(tmp_path / "x"), "--add", "root", str(key))
