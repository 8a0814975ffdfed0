"""Safe names and links: what archives, wheels and bundles must not hold, and which names Windows cannot have."""

from __future__ import annotations

import errno
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\..*)?", re.DOTALL)
"""Devices on Windows, with any suffix (learn.microsoft.com, "Naming Files, Paths, and Namespaces")."""

_IMPOSSIBLE = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$')

_FORBIDDEN = re.compile(r"[\\\x00-\x1f\x7f]")
"""A backslash separates on Windows; control characters make names that deceive on a terminal."""

_DEEPEST, _LONGEST, LONGEST_NAME = 100, 2000, 255
"""Names in a path, bytes of a path and of a name: less than file systems and recursive programs allow."""

_DRIVE = re.compile(r"[A-Za-z]:")

_MOST_LINKS = 40
"""Links in a row that a system follows."""


def windows_obstacle(name: str) -> str | None:
    """Return why no file on Windows can have a name, None if it can."""
    if _DEVICE.fullmatch(name):
        return f"{name!r} is a device on Windows"
    return f"Windows has no name {name!r}" if _IMPOSSIBLE.search(name) else None


def portable_obstacle(path: str) -> str | None:
    """Return why a path with `/` between its parts is unsafe below some root, or on some system; None if it is not.

    It continues a sentence whose subject is the path.
    """
    if obstacle := path_obstacle(path):
        return obstacle
    parts = path.split("/")
    if any(part in ("", ".") for part in parts):
        return "has an empty part"
    found = next(filter(None, map(windows_obstacle, parts)), None)
    return None if found is None else f"is not possible everywhere: {found}"


def text_obstacle(text: str) -> str | None:
    """Return why a path or the target of a link is unsafe in itself, None if it is not."""
    if _FORBIDDEN.search(text):
        return "holds a backslash or a control character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if size > _LONGEST or text.count("/") >= _DEEPEST:
        return f"is longer than {_LONGEST} bytes, or more than {_DEEPEST} folders deep"
    too_long = size > LONGEST_NAME and any(len(part.encode()) > LONGEST_NAME for part in text.split("/"))
    return "has a name that is too long for file systems" if too_long else None


def file_obstacle(name: str) -> str | None:
    """Return why no file from elsewhere may have a name here, None if one may."""
    if not name or "/" in name or name.startswith(".") or len(name) > LONGEST_NAME - 15:
        # A download in progress has a longer name.
        return "is empty, too long, a path or hidden"
    return text_obstacle(name) or windows_obstacle(name)


def path_obstacle(path: str) -> str | None:
    """Return why a path with `/` between its parts is unsafe below any root, None if it is not."""
    if obstacle := text_obstacle(path):
        return obstacle
    if is_absolute(path):
        return "is absolute"
    return "leads upward" if ".." in path.split("/") else None


def is_absolute(path: str) -> bool:
    """Return whether a path is absolute on any system."""
    return path.startswith("/") or _DRIVE.match(path) is not None


def folded(path: str) -> str:
    """Return the one form of all paths that are the same file where case does not count."""
    return unicodedata.normalize("NFC", path).casefold()


def climbs(path: str, target: str) -> bool:
    """Return whether a link leaves its root, or could by way of other links: behind a name, `..` follows those.

    Args:
        path: of the link, relative to the root.
        target: of the link.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((count for count, part in enumerate(parts) if part != ".."), len(parts))
    return not target or is_absolute(target) or up > path.count("/") or ".." in parts[up:]


def stays_inside(path: str, target: str, links: Mapping[str, str]) -> bool:
    """Follow a link as a system does, and return whether it ends without leaving the root.

    Args:
        path: of the link, relative to the root, without `.` and empty parts.
        target: of the link.
        links: the targets of all links by path.
    """
    here = path.split("/")[:-1]
    ahead = target.split("/")[::-1]
    followed = 0
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                return False
            here.pop()
            continue
        here.append(part)
        further = links.get("/".join(here))
        if further is not None:
            followed += 1
            if followed > _MOST_LINKS:
                return False
            here.pop()
            ahead.extend(further.split("/")[::-1])
    return True


def leaves(link: Path, root: Path) -> bool:
    """Return whether a link on the disk is absolute, or ends outside of a folder or in a loop."""
    target = link.readlink()
    try:
        link.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return True
    return target.is_absolute() or not (link.parent.resolve() / target).resolve().is_relative_to(root.resolve())
