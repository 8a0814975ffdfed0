"""A web server as a remote that can be read, by HTTP ranges where it has them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from bundle.artifacts.remotes.remote import MissingBlobError, TooLargeError
from bundle.base.http.client import Downloader, NotFoundError
from bundle.base.http.responses import TooLongError
from bundle.base.http.urls import redact


class WebSite:
    """Files on a web server.

    Args:
        address: of the remote's top folder; user, password and query go with every request to it.
    """

    def __init__(self, address: str, downloader: Downloader) -> None:
        self._address = urlsplit(address)
        self._downloader = downloader
        downloader.credentials.configure([address])

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return redact(self._address._replace(query="").geturl())

    def address_of(self, path: str) -> str:
        """Return the address of a file."""
        return self._address._replace(path=f"{self._address.path.rstrip('/')}/{quote(path)}").geturl()

    def get(self, path: str, most: int) -> tuple[bytes, str] | None:
        """Return a small file and its ETag; see `ReadableFiles`."""
        try:
            answer = self._downloader.get(self.address_of(path), most=most)
        except NotFoundError:
            return None
        except TooLongError as error:
            raise TooLargeError(redact(self.address_of(path)), most) from error
        return answer.content, answer.headers.get("etag", "")

    def parts(self, path: str, first: int, length: int) -> Iterator[bytes]:
        """Yield a part of a file; see `ReadableFiles`."""
        try:
            yield from self._downloader.read(self.address_of(path), first, length)
        except NotFoundError as error:
            raise MissingBlobError(f"{self.url.rstrip('/')}/{path} is missing.") from error
