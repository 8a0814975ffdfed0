"""`bundle trust make-key`, `propose`, `sign` and `accept`: a root that several people sign on machines of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App, Result, pass_app, root_option
from bundle.cli.ship.trust_options import (
    FILE,
    change_of,
    change_options,
    opened,
    to_option,
    told,
    unencrypted_option,
)
from bundle.cli.signing import key_option
from bundle.cli.tables import print_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from tuf.api.metadata import Root

    from bundle.artifacts.trust.proposals import Proposal

_PROPOSAL = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="make-key")
@click.argument("file", type=FILE)
@unencrypted_option
@pass_app
def make_key(app: App, file: Path, *, unencrypted: bool) -> Result:
    """Make a key in FILE, and its public part in FILE.pub, which others give a role."""
    from bundle.artifacts.trust.keys import Passphrases, write_public_key
    from bundle.artifacts.trust.keys import make_key as make

    if file.exists():
        raise ConfigError(f"{file} is there already.", remedy="Name another file.")
    passphrases = Passphrases(app.environ, app.ask_passphrase())
    key = make(file, None if unencrypted else passphrases.new(str(file))).public_key
    public = file.with_name(f"{file.name}.pub")
    write_public_key(public, key)

    def text(console: Console) -> None:
        console.print(f"Made the key {key.keyid}. Keep {file}; {public} is for those who give it a role.")

    return Result(data={"key": key.keyid, "file": str(file), "public": str(public)}, text=text)


@click.command()
@to_option
@click.option("--save", required=True, type=FILE, help="The file for the proposal.")
@root_option
@change_options
@pass_app
def propose(app: App, /, url: str, save: Path, root: Path | None, **options: Any) -> Result:
    """Write the next root of a remote to a file, for people to sign; the remote stays as it is.

    Each signs a copy with `bundle trust sign`, and `bundle trust accept` publishes it.
    """
    from bundle.artifacts.trust import proposals
    from bundle.artifacts.trust.signed import utc_now
    from bundle.base.staging import write_atomically

    if save.exists():
        raise ConfigError(f"{save} is there already.", remedy="Name another file with --save.")
    remote, pin = opened(app, url, root)
    change, _ = change_of(app, options)
    proposal = proposals.propose(remote, pin, change, utc_now())
    write_atomically(save, proposal.to_bytes())
    return _shown(proposal, f"Wrote {save}. `bundle trust sign {save}` signs it, on any machine.")


@click.command()
@click.argument("file", type=_PROPOSAL)
@root_option
@key_option
@pass_app
def sign(app: App, file: Path, root: Path | None, keys: Sequence[Path]) -> Result:
    """Add signatures to the proposal of a root in FILE, after a look at what it says; needs no remote.

    A key that the new root takes away signs if --root names the former root.
    """
    from bundle.artifacts.trust.keys import find_keys
    from bundle.artifacts.trust.pins import root_in
    from bundle.artifacts.trust.proposals import read_proposal
    from bundle.base.staging import write_atomically

    proposal = read_proposal([file])
    former: Root | None = None
    if root is not None:
        from bundle.artifacts.trust.metadata import read_root

        former = read_root(root_in(root)).signed
    done = proposal.sign(find_keys(keys, app.environ, app.ask_passphrase()), former)
    write_atomically(file, proposal.to_bytes())
    return _shown(proposal, f"Signed {file} with {', '.join(keyid[:16] for keyid in done)}.")


@click.command()
@click.argument("files", nargs=-1, required=True, type=_PROPOSAL, metavar="FILE...")
@to_option
@root_option
@key_option
@pass_app
def accept(app: App, files: tuple[Path, ...], url: str, root: Path | None, keys: Sequence[Path]) -> Result:
    """Publish the root that was proposed, with the signatures in all copies that are named.

    The keys of the online roles are needed where the new root does not vouch for what they signed.
    """
    from bundle.artifacts.trust import proposals
    from bundle.artifacts.trust.keys import find_keys
    from bundle.artifacts.trust.signed import utc_now

    remote, pin = opened(app, url, root)
    proposal = proposals.read_proposal(files)
    at_hand = find_keys(keys, app.environ, app.ask_passphrase())
    state = proposals.accept(remote, pin, proposal, at_hand, utc_now())
    return told(remote, pin, f"{remote.url} has version {state.root.version} of its root.")


def _shown(proposal: Proposal, done: str) -> Result:
    data = proposal.as_json()

    def text(console: Console) -> None:
        signed = ", ".join(keyid[:16] for keyid in data["signedBy"]) or "nobody yet"
        console.print(f"Version {data['version']} of the root, until {data['expires'][:10]}, signed by {signed}.")
        rows = [
            (role, str(one["days"]), f"{one['threshold']} of {', '.join(keyid[:16] for keyid in one['keys'])}")
            for role, one in data["roles"].items()
        ]
        print_columns(console, rows, heading=("ROLE", "DAYS", "KEYS"))
        console.print(done)

    return Result(data=data, text=text)
