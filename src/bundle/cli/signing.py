"""The options of commands that write to signed remotes, and what these sign with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bundle.cli.app import App

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bundle.artifacts.remotes.addresses import Access
    from bundle.artifacts.remotes.remote import CatalogueHolder, Remote

key_option = click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A key file to sign with; may be given several times. Also BUNDLE_TRUST_KEY_FILES.",
)


def changing(
    app: App, remote: Remote, url: str, access: Access, keys: Sequence[Path], *, dry_run: bool = False
) -> AbstractContextManager[CatalogueHolder]:
    """Give the catalogue of a remote to be changed, signed if the remote has signed metadata.

    Args:
        dry_run: whether nothing will be changed, which needs no keys.
    """
    if dry_run:
        return nullcontext(remote)
    from bundle.artifacts.trust.keys import find_keys
    from bundle.artifacts.trust.signed import catalogue_of

    return catalogue_of(remote, url, access, lambda: find_keys(keys, app.environ, app.ask_passphrase()))
