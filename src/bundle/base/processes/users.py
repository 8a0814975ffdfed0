"""Other users of this machine, as whom programs run by way of sudo."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from bundle.base.errors import ConfigError

_SUDO = ("/run/wrappers/bin", "/run/current-system/sw/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
"""Where sudo may be: the variable PATH may name folders of others."""

_ACCESS_LIST = "system.posix_acl_access"

_NO_SHELLS = ("nologin", "false", "sync")


def other_user(name: str, folder: Path) -> tuple[str, str]:
    """Return the names of a user and of a group that this user and this process share.

    Args:
        name: `USER`, for the user's own group, or `USER:GROUP`.
        folder: where programs will run; the user has to reach it.

    Raises:
        ConfigError: there is no such user or group, or programs cannot run as this user here.
    """
    try:
        import grp
        import pwd
    except ImportError as error:
        raise ConfigError("Programs cannot run as another user on this system.", remedy="Leave --user out.") from error
    user, _, wanted = name.partition(":")
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"This machine has no user {user!r}.", remedy="Name another one with --user.") from error
    try:
        group = grp.getgrnam(wanted) if wanted else grp.getgrgid(entry.pw_gid)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"This machine has no group {wanted!r}.", remedy="Name another one with --user.") from error
    if entry.pw_uid == os.geteuid():
        return user, group.gr_name
    if Path(entry.pw_shell).name in _NO_SHELLS:
        raise ConfigError(
            f"Nothing can run as the user {user}, whose shell is {entry.pw_shell}.",
            remedy="Name another one with --user.",
        )
    if os.geteuid() != 0 and group.gr_gid not in {os.getegid(), *os.getgroups()}:
        raise ConfigError(
            f"This process is not in the group {group.gr_name}.",
            remedy="Name a group with --user USER:GROUP that both users are in.",
        )
    if shutil.which("sudo", path=os.pathsep.join(_SUDO)) is None:
        raise ConfigError(
            f"Nothing can run as the user {user} without sudo, which this machine has not.",
            remedy="Install sudo, or leave --user out.",
        )
    groups = {*os.getgrouplist(user, entry.pw_gid), group.gr_gid}
    for one in (folder, *folder.parents):
        if entry.pw_uid != 0 and _closed(one, entry.pw_uid, groups):
            raise ConfigError(
                f"The user {user} cannot reach {folder}: {one} is closed to it.",
                remedy="Name a folder with --root that this user can reach.",
            )
    return user, group.gr_name


def _closed(folder: Path, user: int, groups: Collection[int]) -> bool:
    """Return whether a folder surely keeps a user out; an access control list may let it in."""
    found = folder.stat()
    bit = 0o100 if found.st_uid == user else 0o010 if found.st_gid in groups else 0o001
    if found.st_mode & bit:
        return False
    return not (hasattr(os, "listxattr") and _ACCESS_LIST in os.listxattr(folder))
