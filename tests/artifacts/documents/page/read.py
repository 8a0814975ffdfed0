"""Reads pages as browsers do."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag

VOID = ("meta", "link", "input", "rect")


@dataclass
class Page(HTMLParser):
    """The elements, links and text of one page."""

    content: bytes
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.content.decode())
        self.close()
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def addresses(self) -> list[str]:
        return [*self.values("href"), *self.values("src")]


def broken_links(files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the links to files and places that a site does not have."""
    pages = {path: Page(content) for path, content in files.items() if path.endswith(".html")}
    ids = {path: set(page.values("id")) for path, page in pages.items()}
    for path, page in pages.items():
        for address in page.addresses:
            target, place = urldefrag(address)
            file = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target))) if target else path
            if file not in files or (place and "=" not in place and place not in ids[file]):
                yield f"{path}: {address}"
