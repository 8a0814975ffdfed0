"""What a refusal of signed metadata looks like: the attacks that TUF guards against, by their names there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)

from bundle.artifacts.remotes.files import CATALOGUE, TIMESTAMP
from bundle.base.errors import BundleError, IntegrityError
from bundle.base.text import printable

_ASK = "Install nothing from there; ask its publisher."


class TrustError(IntegrityError):
    """A pinned root does not vouch for what a source has."""

    default_remedy = _ASK


@contextmanager
def refusals(source: str, last: Callable[[], str]) -> Iterator[None]:
    """Turn TUF's refusals in the block into errors that name the attack.

    Args:
        source: its address, as it may be shown.
        last: returns the name of the file that was read last.
    """
    try:
        yield
    except (RepositoryError, DownloadError) as error:
        if type(error) is DownloadError and isinstance(error.__cause__, BundleError | OSError):
            raise error.__cause__ from None
        known = error.__cause__ if isinstance(error.__cause__, RepositoryError | DownloadError) else error
        raise _refusal(source, last(), known) from error


def vanished(source: str) -> TrustError:
    """Return the error for a pinned source without any metadata."""
    return TrustError(
        f"{source} has no signed metadata any more, and its root is pinned here, so it is not read without it.",
        cause="The copy of the remote is incomplete; or somebody removed the metadata, to make clients do without "
        "(a downgrade).",
        remedy="Copy the remote again with its folder trust/, or ask its publisher.",
    )


def _refusal(source: str, name: str, error: BaseException) -> TrustError:
    told = printable(str(error) or type(error).__name__)[:300]
    if isinstance(error, DownloadLengthMismatchError):
        return TrustError(f"{source} sends more data for {name} than it may have: an endless data attack.", cause=told)
    if isinstance(error, DownloadHTTPError) and name == TIMESTAMP:
        return vanished(source)
    if isinstance(error, ExpiredMetadataError):
        return TrustError(
            f"The metadata of {source} has expired ({told}): it looks like a freeze attack.",
            cause="Nobody has signed it again in time; or somebody keeps newer metadata back; or the clock of this "
            "machine is wrong.",
            remedy="Its publisher renews it by `bundle trust refresh`; a copy, such as on a stick, has to be copied "
            "again from the publisher afterwards.",
        )
    if name.endswith(CATALOGUE) and not isinstance(error, UnsignedMetadataError):
        return TrustError(
            f"{source} has another catalogue than its metadata names: it was changed (arbitrary software).", cause=told
        )
    if isinstance(error, UnsignedMetadataError):
        return TrustError(
            f"{name} of {source} is not signed by enough of the keys that its root names: it was changed, or signed "
            "with wrong keys (arbitrary software).",
            cause=told,
            remedy=f"{_ASK} If the remote has a new root of its own, pin it with --root FILE.",
        )
    if isinstance(error, BadVersionNumberError) and name == TIMESTAMP:
        return TrustError(
            f"{source} has older metadata than was seen before: it looks like a rollback attack.",
            cause=f"An older state of the remote was put back. {told}",
        )
    if isinstance(error, BadVersionNumberError | LengthOrHashMismatchError | DownloadHTTPError):
        return TrustError(
            f"The metadata of {source} does not fit together at {name}: it looks like a mix-and-match attack.",
            cause=f"Files of several states of the remote were mixed, or a copy is incomplete. {told}",
        )
    return TrustError(f"{name} of {source} is no metadata that can be used: it was changed.", cause=told)
