"""A registry's page about one project, read from HTML (PEP 503) or JSON (PEP 691)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

from bundle.base.errors import NetworkError
from bundle.base.filenames import file_obstacle

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

# Pages of large projects have thousands of links, for which html.parser takes a quarter of a second. Each expression
# goes on where the one before ended and gives nothing back, so that no page takes more than one pass.
_TAG = re.compile(r"<(?:(!--)|(a|base)(?=[\s/]))", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"[\s/]*+(?:(>)|(=[^\s/>=]*+|[^\s/>=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+)|))?+)"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")

_LARGEST = 2**53
"""Bytes of a file; a larger number is no size."""


class RemoteFile(NamedTuple):
    """A file that a registry offers."""

    filename: str
    url: str
    """Absolute, without fragment; may hold the registry's credentials, so never for messages."""
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    """Why it was withdrawn (PEP 592), perhaps an empty text; None if it was not."""
    has_metadata: bool = False
    """Whether the core metadata are offered beside it (PEP 658)."""
    metadata_sha256: str | None = None


def parse_page(content: bytes, *, content_type: str, url: str) -> tuple[RemoteFile, ...]:
    """Return the files that a page names, in its order.

    Args:
        content_type: the header's value; any other than JSON is read as HTML.
        url: the final address of the page, for relative links.

    Raises:
        NetworkError: the page is no page of the simple API.
    """
    kind = content_type.partition(";")[0].strip().lower()
    is_json = kind.endswith("+json") or kind == "application/json"
    files = _from_json(content, url) if is_json else _from_html(content.decode("utf-8", errors="replace"), url)
    # A page may link to more than files.
    return tuple(file for file in files if file_obstacle(file.filename) is None)


def _from_json(content: bytes, url: str) -> Iterator[RemoteFile]:
    try:
        page = json.loads(content)
        files = page["files"]
        if not str(page.get("meta", {}).get("api-version", "1.0")).startswith("1."):
            raise NetworkError("The registry uses a version of the simple API that is not 1.x.")
        for file in files:
            yield _json_file(file, url)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NetworkError(
            "A page of the registry does not follow PEP 691.",
            cause=f"{type(error).__name__}: {error}",
            remedy="Check that the registry's URL is that of its list of projects, which usually ends in /simple.",
        ) from error


def _json_file(file: dict[str, Any], url: str) -> RemoteFile:
    yanked = file.get("yanked", False)
    metadata = file.get("core-metadata", file.get("dist-info-metadata", False))
    size, requires = file.get("size"), file.get("requires-python")
    if not (isinstance(file["filename"], str) and isinstance(yanked, str | bool) and isinstance(requires, str | None)):
        raise TypeError("a name, a version or a reason is no text")
    return RemoteFile(
        filename=file["filename"],
        url=urljoin(url, file["url"]).partition("#")[0],
        sha256=_sha256(file.get("hashes", {}).get("sha256")),
        size=size if type(size) is int and 0 <= size < _LARGEST else None,
        requires_python=requires,
        yanked=yanked if isinstance(yanked, str) else "" if yanked else None,
        has_metadata=bool(metadata),
        metadata_sha256=_sha256(metadata.get("sha256")) if isinstance(metadata, dict) else None,
    )


def _from_html(text: str, url: str) -> Iterator[RemoteFile]:
    position, base = 0, ""
    while tag := _TAG.search(text, position):
        if tag[1]:
            end = text.find("-->", tag.start() + 2)
            position = end + 3 if end >= 0 else len(text)
            continue
        position = tag.end()
        attributes: dict[str, str] = {}
        while (attribute := _ATTRIBUTE.match(text, position)) and not attribute[1]:
            position = attribute.end()
            attributes.setdefault(attribute[2].lower(), attribute[3] or attribute[4] or attribute[5] or "")
        if attribute is None:
            return
        try:
            attributes = {name: html.unescape(value) for name, value in attributes.items()}
            if tag[2].lower() == "base":
                # One counts; an address that grows with each, or a long one in each link, would fill the memory.
                href = attributes.get("href", "").strip()[:4096]
                base = base or (href and urljoin(url, href))
            elif file := _html_file(attributes, base or url):
                yield file
        except ValueError:
            continue  # The address is no URL, or a character has a number of a thousand digits.


def _html_file(attributes: dict[str, str], url: str) -> RemoteFile | None:
    target, _, fragment = attributes.get("href", "").strip().partition("#")
    if not target.startswith(("https://", "http://")) or "[" in target or not target.isascii():
        target = urljoin(url, target) if target else ""
    filename = unquote(target.partition("?")[0].rpartition("/")[2])
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    if not filename:
        return None
    return RemoteFile(
        filename=filename,
        url=target,
        sha256=_hash_of(fragment, "sha256="),
        requires_python=attributes.get("data-requires-python") or None,
        yanked=attributes.get("data-yanked"),
        has_metadata=metadata is not None and metadata != "false",
        metadata_sha256=_hash_of(metadata or "", "sha256="),
    )


def _hash_of(text: str, prefix: str) -> str | None:
    for part in text.split("&"):
        if part.startswith(prefix):
            return _sha256(part[len(prefix) :])
    return None


def _sha256(value: object) -> str | None:
    if isinstance(value, str) and _SHA256.fullmatch(value.lower()):
        return value.lower()
    return None
