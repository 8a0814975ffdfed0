"""A registry's page about one project, read from HTML (PEP 503) or JSON (PEP 691)."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

from bundle.base.errors import NetworkError

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

# Pages of large projects have thousands of links, for which html.parser takes a quarter of a second. What PEP 503
# wants of a page is regular enough: comments, then anchors, whose attributes may be quoted and hold ">" inside.
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ANCHOR = re.compile(r"<(a|base)\s((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([a-zA-Z][\w-]*)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
    if kind.endswith("+json") or kind == "application/json":
        return tuple(_from_json(content, url))
    return tuple(_from_html(content.decode("utf-8", errors="replace"), url))


def _from_json(content: bytes, url: str) -> Iterator[RemoteFile]:
    try:
        page = json.loads(content)
        files = page["files"]
        if not str(page.get("meta", {}).get("api-version", "1.0")).startswith("1."):
            raise NetworkError("The registry uses a version of the simple API that is not 1.x.")
        for file in files:
            yield _json_file(file, url)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NetworkError(
            "A page of the registry does not follow PEP 691.",
            cause=f"{type(error).__name__}: {error}",
            remedy="Check that the registry's URL is that of its list of projects, which usually ends in /simple.",
        ) from error


def _json_file(file: dict[str, Any], url: str) -> RemoteFile:
    yanked = file.get("yanked", False)
    metadata = file.get("core-metadata", file.get("dist-info-metadata", False))
    size = file.get("size")
    return RemoteFile(
        filename=file["filename"],
        url=urljoin(url, file["url"]).partition("#")[0],
        sha256=_sha256(file.get("hashes", {}).get("sha256")),
        size=size if isinstance(size, int) else None,
        requires_python=file.get("requires-python"),
        yanked=None if yanked is False else "" if yanked is True else yanked,
        has_metadata=bool(metadata),
        metadata_sha256=_sha256(metadata.get("sha256")) if isinstance(metadata, dict) else None,
    )


def _from_html(text: str, url: str) -> Iterator[RemoteFile]:
    if "<!--" in text:
        text = _COMMENT.sub("", text)
    for kind, inside in _ANCHOR.findall(text):
        attributes = {
            name.lower(): html.unescape(double or single or bare)
            for name, double, single, bare in _ATTRIBUTE.findall(inside)
        }
        href = attributes.get("href", "").strip()
        if not href:
            continue
        if kind.lower() == "base":
            url = urljoin(url, href)
            continue
        target, _, fragment = href.partition("#")
        if not target.startswith(("https://", "http://")):
            target = urljoin(url, target)
        metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
        filename = unquote(target.partition("?")[0].rpartition("/")[2])
        if filename:
            yield RemoteFile(
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
