"""`bundle trust`: sign what a remote publishes, and keep its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, pass_app, root_option
from bundle.cli.ship.trust_options import (
    FILE,
    ROLES,
    change_of,
    change_options,
    days_option,
    key_of,
    opened,
    threshold_option,
    to_option,
    told,
    unencrypted_option,
)
from bundle.cli.ship.trust_proposals import accept, make_key, propose, sign
from bundle.cli.signing import key_option


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
    type=FILE,
    help="A key file of the root; made if it is not there. Keep it offline.",
)
@click.option(
    "--online-key",
    "online_keys",
    multiple=True,
    required=True,
    type=FILE,
    help="A key file that signs each publication; made if it is not there.",
)
@click.option(
    "--save",
    required=True,
    type=FILE,
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
    keys = {path: key_of(path, passphrases, unencrypted=options["unencrypted"]) for path in (*root_keys, *online_keys)}
    add = [("root", keys[path].public_key) for path in root_keys]
    add += [(role, keys[path].public_key) for path in online_keys for role in ONLINE]
    change = Change(add=add, thresholds=options["thresholds"], days=options["days"])
    content = found_trust(remote, change, list(keys.values()), utc_now())
    write_atomically(save, content)
    pin = require_pin(pin_of(url, app.access(root=save)), remote)
    with pin.opened():
        pass
    return told(remote, pin, f"Signed {remote.url}. Give {save} to its users, in a way that nobody can change.")


@trust.command()
@click.option("--from", "url", required=True, metavar="URL", help="The remote.")
@root_option
@click.option("--save", type=FILE, help="Write the newest root to a file.")
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
    pin = require_pin(pin_of(url, access), remote)
    if save is not None:
        write_atomically(save, read_state(remote, pin).root_file)
    return told(remote, pin, f"Wrote the root to {save}." if save else "")


@trust.command(name="add-key")
@click.argument("role", type=ROLES)
@click.argument("file", type=FILE)
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
@change_options
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

    remote, pin = opened(app, url, root)
    sign_again(remote, pin, find_keys(keys, app.environ, app.ask_passphrase()), utc_now())
    return told(remote, pin, f"Signed the timestamp of {remote.url} again.")


def _change(app: App, url: str, root: Path | None, options: dict[str, Any]) -> Result:
    from bundle.artifacts.trust.keys import find_keys
    from bundle.artifacts.trust.roots import change_root
    from bundle.artifacts.trust.signed import utc_now

    remote, pin = opened(app, url, root)
    keys = find_keys(options["keys"], app.environ, app.ask_passphrase())
    change, made = change_of(app, options)
    state = change_root(remote, pin, change, [*keys, *made], utc_now())
    return told(remote, pin, f"{remote.url} has version {state.root.version} of its root.")


for command in (make_key, propose, sign, accept):
    trust.add_command(command)
