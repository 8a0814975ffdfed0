"""The catalogue of a remote for a reader: what a pinned root vouches for, else what is there."""

from __future__ import annotations

from bundle.artifacts.remotes.addresses import Access
from bundle.artifacts.remotes.published import PublishedCatalogue
from bundle.artifacts.remotes.remote import ReadableRemote
from bundle.artifacts.trust.pins import pin_of


def read_catalogue(remote: ReadableRemote, address: str, access: Access) -> tuple[PublishedCatalogue, bool]:
    """Return the catalogue of a remote, and whether a pinned root vouches for it.

    Raises:
        IntegrityError: the root does not, or it is no catalogue.
        NetworkError: the remote does not answer.
    """
    pin = pin_of(address, access)
    if pin is None:
        return remote.catalogue()[0], False
    from bundle.artifacts.trust.client import trusted_catalogue

    return trusted_catalogue(remote, pin), True
