"""`bundle trust`: sign what a remote publishes, and keep its keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, pass_app, root_option
from bundle.cli.signing import key_option
from bundle.cli.tables import print_columns

if TYPE_CHECKING:
    from rich.console import Console
    from securesystemslib.signer import CryptoSigner

    from bundle.artifacts.remotes.remote import ReadableRemote, Remote
    from bundle.artifacts.trust.keys import Passphrases
    from bundle.artifacts.trust.pins import Pin

_FILE = click.Path(dir_okay=False, path_type=Path)
_ROLES = click.Choice(["root", "online", "targets", "snapshot", "timestamp"])


def _numbers(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    """Return what `ROLE=NUMBER` says, `online` spelled out."""
    from bundle.artifacts.trust.metadata import LONGEST
    from bundle.artifacts.trust.roots import expand

    found: dict[str, int] = {}
    for value in values:
        role, _, number = value.partition("=")
        if role not in _ROLES.choices or not (number.isascii() and number.isdigit() and 0 < int(number) <= LONGEST):
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


@click.group()
def trust() -> None:
    """Sign what a remote publishes, and keep its keys."""


@trust.command()
@to_option
@click.option(
    "--root-key",
    "root_keys",
    multiple=True,
    required=True,
    type=_FILE,
    help="A key file of the root; made if it is not there. Keep it offline.",
)
@click.option(
    "--online-key",
    "online_keys",
    multiple=True,
    required=True,
    type=_FILE,
    help="A key file that signs each publication; made if it is not there.",
)
@click.option(
    "--save",
    required=True,
    type=_FILE,
    help="The file for the root, which clients pin.",
)
@threshold_option
@days_option
@unencrypted_option
@pass_app
def init(app: App, /, url: str, root_keys: tuple[Path, ...], online_keys: tuple[Path, ...], **options: Any) -> Result:
    """Sign the catalogue of a remote for the first time, as it is.

    Roles are root, targets, snapshot and timestamp; online stands for the last three.
    """
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.artifacts.trust.keys import Passphrases
    from bundle.artifacts.trust.metadata import ONLINE
    from bundle.artifacts.trust.pins import pin_of
    from bundle.artifacts.trust.roots import Change, found_trust
    from bundle.artifacts.trust.signed import require_pin, utc_now
    from bundle.base.staging import write_atomically

    save: Path = options["save"]
    if save.exists():
        raise ConfigError(f"{save} is there already.", remedy="Name another file with --save.")
    remote = open_writable(url, app.access())
    passphrases = Passphrases(app.environ, app.ask_passphrase())
    keys = {path: _key(path, passphrases, unencrypted=options["unencrypted"]) for path in (*root_keys, *online_keys)}
    add = [("root", keys[path].public_key) for path in root_keys]
    add += [(role, keys[path].public_key) for path in online_keys for role in ONLINE]
    change = Change(add=add, thresholds=options["thresholds"], days=options["days"])
    content = found_trust(remote, change, list(keys.values()), utc_now())
    write_atomically(save, content)
    pin = require_pin(pin_of(url, app.access(root=save)), remote.url)
    with pin.opened():
        pass
    return _told(remote, pin, f"Signed {remote.url}. Give {save} to its users, in a way that nobody can change.")


@trust.command()
@click.option("--from", "url", required=True, metavar="URL", help="The remote.")
@root_option
@click.option("--save", type=_FILE, help="Write the newest root to a file.")
@pass_app
def show(app: App, url: str, root: Path | None, save: Path | None) -> Result:
    """Show the roles of a remote, their keys, versions and expiry, and what is about to expire."""
    from bundle.artifacts.remotes.addresses import open_remote
    from bundle.artifacts.trust.pins import pin_of
    from bundle.artifacts.trust.signed import require_pin
    from bundle.artifacts.trust.state import read_state
    from bundle.base.staging import write_atomically

    access = app.access(root=root)
    remote = open_remote(url, access)
    pin = require_pin(pin_of(url, access), remote.url)
    if save is not None:
        write_atomically(save, read_state(remote, pin).root_file)
    return _told(remote, pin, f"Wrote the root to {save}." if save else "")


@trust.command(name="add-key")
@click.argument("role", type=_ROLES)
@click.argument("file", type=_FILE)
@to_option
@root_option
@key_option
@threshold_option
@unencrypted_option
@pass_app
def add_key(app: App, /, role: str, file: Path, url: str, root: Path | None, **options: Any) -> Result:
    """Give a role a further key, whose FILE is made if it is not there; the root's keys sign it."""
    options |= {"remove": (), "add": ((role, file),), "days": {}}
    return _change(app, url, root, options)


@trust.command()
@to_option
@root_option
@key_option
@click.option(
    "--add",
    multiple=True,
    type=(_ROLES, click.Path(dir_okay=False, path_type=Path)),
    metavar="ROLE FILE",
    help="Give a role a further key; the file is made if it is not there.",
)
@click.option("--remove", multiple=True, metavar="ID", help="Take a key from all roles; the first digits of its id do.")
@threshold_option
@days_option
@unencrypted_option
@pass_app
def rotate(app: App, /, url: str, root: Path | None, **options: Any) -> Result:
    """Write a new root: with other keys, thresholds or days, or the same for as long again.

    The keys of the former root and of the new one sign it. What was signed by keys that go is signed anew.
    """
    return _change(app, url, root, options)


@trust.command()
@to_option
@root_option
@key_option
@pass_app
def refresh(app: App, url: str, root: Path | None, keys: tuple[Path, ...]) -> Result:
    """Sign the timestamp again, and what is about to expire with it; publishes nothing."""
    from bundle.artifacts.trust.keys import find_keys
    from bundle.artifacts.trust.roots import refresh as sign_again
    from bundle.artifacts.trust.signed import utc_now

    remote, pin = _opened(app, url, root)
    sign_again(remote, pin, find_keys(keys, app.environ, app.ask_passphrase()), utc_now())
    return _told(remote, pin, f"Signed the timestamp of {remote.url} again.")


def _change(app: App, url: str, root: Path | None, options: dict[str, Any]) -> Result:
    from bundle.artifacts.trust.keys import Passphrases, find_keys
    from bundle.artifacts.trust.roots import Change, change_root, expand
    from bundle.artifacts.trust.signed import utc_now

    remote, pin = _opened(app, url, root)
    keys = find_keys(options["keys"], app.environ, app.ask_passphrase())
    passphrases = Passphrases(app.environ, app.ask_passphrase())
    added = [(role, _key(path, passphrases, unencrypted=options["unencrypted"])) for role, path in options["add"]]
    change = Change(
        add=[(role, signer.public_key) for group, signer in added for role in expand([group])],
        remove=options["remove"],
        thresholds=options["thresholds"],
        days=options["days"],
    )
    state = change_root(remote, pin, change, [*keys, *(signer for _, signer in added)], utc_now())
    return _told(remote, pin, f"{remote.url} has version {state.root.version} of its root.")


def _opened(app: App, url: str, root: Path | None) -> tuple[Remote, Pin]:
    """Return a remote to be written, and the root that is pinned for it."""
    from bundle.artifacts.remotes.addresses import open_writable
    from bundle.artifacts.trust.pins import pin_of
    from bundle.artifacts.trust.signed import require_pin

    access = app.access(root=root)
    remote = open_writable(url, access)
    return remote, require_pin(pin_of(url, access), remote.url)


def _key(path: Path, passphrases: Passphrases, *, unencrypted: bool) -> CryptoSigner:
    """Return the key of a file, which is made if it is not there."""
    from bundle.artifacts.trust.keys import make_key, read_key

    if path.exists():
        return read_key(path, passphrases)
    return make_key(path, None if unencrypted else passphrases.new(str(path)))


def _told(remote: ReadableRemote, pin: Pin, done: str) -> Result:
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
