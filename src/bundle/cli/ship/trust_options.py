"""The options of `bundle trust`, the remotes and keys that they name, and what is told at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.cli.app import App, Result
from bundle.cli.tables import print_columns

if TYPE_CHECKING:
    from rich.console import Console
    from securesystemslib.signer import CryptoSigner, Key

    from bundle.artifacts.remotes.remote import ReadableRemote, Remote
    from bundle.artifacts.trust.keys import Passphrases
    from bundle.artifacts.trust.pins import Pin
    from bundle.artifacts.trust.roots import Change

FILE = click.Path(dir_okay=False, path_type=Path)
ROLES = click.Choice(["root", "online", "targets", "snapshot", "timestamp"])


def _numbers(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    """Return what `ROLE=NUMBER` says, `online` spelled out."""
    from bundle.artifacts.trust.metadata import LONGEST
    from bundle.artifacts.trust.roots import expand

    found: dict[str, int] = {}
    for value in values:
        role, _, number = value.partition("=")
        if role not in ROLES.choices or not (number.isascii() and number.isdigit() and 0 < int(number) <= LONGEST):
            raise click.BadParameter(f"{value!r} is not like root=2 or online=30.", ctx, param)
        found |= dict.fromkeys(expand([role]), int(number))
    return found


to_option = click.option("--to", "url", required=True, metavar="URL", help="The remote.")
threshold_option = click.option(
    "--threshold", "thresholds", multiple=True, callback=_numbers, metavar="ROLE=N", help="Keys that must sign."
)
days_option = click.option(
    "--days", multiple=True, callback=_numbers, metavar="ROLE=N", help="How long a role's metadata is valid."
)
unencrypted_option = click.option(
    "--unencrypted", is_flag=True, help="Leave new key files without a passphrase: anyone who reads one can sign."
)


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a new root may change to a command; `change_of` reads it."""
    add = "Give a role a further key, by the file of the key or of its public part; made if it is not there."
    remove = "Take a key from all roles; the first digits of its id do."
    for option in (
        unencrypted_option,
        days_option,
        threshold_option,
        click.option("--remove", multiple=True, metavar="ID", help=remove),
        click.option("--add", multiple=True, type=(ROLES, FILE), metavar="ROLE FILE", help=add),
    ):
        command = option(command)
    return command


def opened(app: App, url: str, root: Path | None) -> tuple[Remote, Pin]:
    """Return a remote to be written, and the root that is pinned for it."""
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.artifacts.trust.pins import pin_of
    from bundle.artifacts.trust.signed import require_pin

    access = app.access(root=root)
    remote = open_writable(url, access)
    return remote, require_pin(pin_of(url, access), remote)


def key_of(path: Path, passphrases: Passphrases, *, unencrypted: bool) -> CryptoSigner:
    """Return the key of a file, which is made if it is not there."""
    from bundle.artifacts.trust.keys import make_key, read_key

    if path.exists():
        return read_key(path, passphrases)
    return make_key(path, None if unencrypted else passphrases.new(str(path)))


def _added(path: Path, passphrases: Passphrases, *, unencrypted: bool) -> tuple[Key, list[CryptoSigner]]:
    """Return the public key of a file that gives it a role, and the key itself if the file has it or is made."""
    from bundle.artifacts.trust.keys import read_public_key

    if (public := read_public_key(path)) is not None:
        return public, []
    signer = key_of(path, passphrases, unencrypted=unencrypted)
    return signer.public_key, [signer]


def change_of(app: App, options: Mapping[str, Any]) -> tuple[Change, list[CryptoSigner]]:
    """Return what a new root changes, and the keys at hand among those that it adds; new ones are made.

    Args:
        options: those of `change_options`.
    """
    from bundle.artifacts.trust.keys import Passphrases
    from bundle.artifacts.trust.roots import Change, expand

    passphrases = Passphrases(app.environ, app.ask_passphrase())
    found = [(role, *_added(path, passphrases, unencrypted=options["unencrypted"])) for role, path in options["add"]]
    change = Change(
        add=[(role, key) for group, key, _ in found for role in expand([group])],
        remove=options["remove"],
        thresholds=options["thresholds"],
        days=options["days"],
    )
    return change, [signer for _, _, signers in found for signer in signers]


def told(remote: ReadableRemote, pin: Pin, done: str) -> Result:
    """Return the roles of a remote, and what was done, as a result."""
    from bundle.artifacts.trust.roots import as_json
    from bundle.artifacts.trust.signed import utc_now
    from bundle.artifacts.trust.state import read_state

    data = as_json(read_state(remote, pin), utc_now())

    def text(console: Console) -> None:
        if done:
            console.print(done)
        rows = [
            (
                role,
                str(one["version"]),
                f"{one['expires'][:10]}{' EXPIRED' if one['expired'] else ' soon' if one['due'] else ''}",
                f"{one['threshold']} of {', '.join(keyid[:16] for keyid in one['keys'])}",
            )
            for role, one in data["roles"].items()
        ]
        print_columns(console, rows, heading=("ROLE", "VERSION", "EXPIRES", "KEYS"))
        if any(one["due"] for one in data["roles"].values()):
            console.print("`bundle trust refresh` renews all but the root, and `bundle trust rotate` the root.")

    return Result(data={"url": remote.url, **data}, text=text)
