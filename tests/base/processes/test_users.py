from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bundle.base.errors import ConfigError
from bundle.base.processes.users import other_user

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such users")

USERS = {"ada": (4001, 4001, "/bin/sh"), "eve": (4002, 4002, "/usr/sbin/nologin"), "me": (77, 70, "/bin/sh")}
GROUPS = {"ada": 4001, "eve": 4002, "mine": 70, "shared": 4010}


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import grp
    import pwd

    ids = {number: name for name, number in GROUPS.items()}

    def user(name: str) -> SimpleNamespace:
        uid, gid, shell = USERS[name]
        return SimpleNamespace(pw_uid=uid, pw_gid=gid, pw_shell=shell)

    monkeypatch.setattr(pwd, "getpwnam", user)
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_name=name, gr_gid=GROUPS[name]))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: SimpleNamespace(gr_name=ids[gid], gr_gid=gid))
    monkeypatch.setattr(os, "geteuid", lambda: 77)
    monkeypatch.setattr(os, "getegid", lambda: 70)
    monkeypatch.setattr(os, "getgroups", lambda: [70, 4010])
    monkeypatch.setattr(os, "getgrouplist", lambda _, gid: [gid, 4020])
    monkeypatch.setattr(os, "listxattr", lambda _: [], raising=False)
    monkeypatch.setattr(shutil, "which", lambda name, path: f"{path}/{name}")


@pytest.fixture
def open_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "stat", lambda _: SimpleNamespace(st_uid=0, st_gid=0, st_mode=0o711))


@pytest.mark.usefixtures("open_to_all")
def test_a_user_has_a_group_that_is_shared() -> None:
    assert other_user("ada:shared", Path("/r")) == ("ada", "shared")
    assert other_user("me", Path("/r")) == ("me", "mine")


@pytest.mark.usefixtures("open_to_all")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bob", "no user 'bob'"),
        ("", "no user ''"),
        ("ada:bobs", "no group 'bobs'"),
        ("eve:shared", "/usr/sbin/nologin"),
        ("ada", "not in the group ada"),
    ],
)
def test_who_cannot_be_used_is_refused(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        other_user(name, Path("/r"))


@pytest.mark.usefixtures("open_to_all")
def test_the_superuser_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert other_user("ada", Path("/r")) == ("ada", "ada")


@pytest.mark.usefixtures("open_to_all")
def test_another_user_needs_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigError, match="without sudo"):
        other_user("ada:shared", Path("/r"))
    assert other_user("me", Path("/r")) == ("me", "mine")


@pytest.mark.parametrize(
    ("owner", "group", "mode", "reached"),
    [
        (0, 0, 0o700, False),
        (0, 0, 0o701, True),
        (0, 4010, 0o710, True),
        (0, 4020, 0o710, True),
        (4001, 0, 0o700, True),
        (4001, 0, 0o011, False),
    ],
)
def test_the_folder_is_one_that_the_user_reaches(
    monkeypatch: pytest.MonkeyPatch, owner: int, group: int, mode: int, reached: bool
) -> None:
    found = {
        "/": SimpleNamespace(st_uid=0, st_gid=0, st_mode=0o755),
        "/r": SimpleNamespace(st_uid=owner, st_gid=group, st_mode=mode),
    }
    monkeypatch.setattr(Path, "stat", lambda path: found[path.as_posix()])
    if reached:
        assert other_user("ada:shared", Path("/r")) == ("ada", "shared")
    else:
        with pytest.raises(ConfigError, match="cannot reach"):
            other_user("ada:shared", Path("/r"))


def test_a_list_of_access_may_let_a_user_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "stat", lambda _: SimpleNamespace(st_uid=0, st_gid=0, st_mode=0o700))
    monkeypatch.setattr(os, "listxattr", lambda _: ["system.posix_acl_access"], raising=False)
    assert other_user("ada:shared", Path("/r")) == ("ada", "shared")
