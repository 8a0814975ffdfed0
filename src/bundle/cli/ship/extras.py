"""What commands publish beside bundles: an installer of the tool, and images that start a bundle's Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from bundle.base.errors import ConfigError
from bundle.cli.app import App

if TYPE_CHECKING:
    from rich.console import Console

    from bundle.artifacts.remotes.base_image import BaseImage
    from bundle.artifacts.remotes.remote import Remote
    from bundle.make.publish.candidates import Candidate
    from bundle.make.publish.installer import Installer
    from bundle.make.publish.runnable import Published
    from bundle.model.config.project import Project


def extra_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--installer`, `--address` and `--base` to a command."""
    tool = "Publish scripts that install the tool itself, which one of the versions holds."
    address = "The web address of the remote, for these scripts."
    image = "Publish also images that start the bundle's Python, on this one."
    for option in (
        click.option("--base", default="", metavar="IMAGE", help=image),
        click.option("--address", default="", metavar="URL", help=address),
        click.option("--installer", is_flag=True, help=tool),
    ):
        command = option(command)
    return command


class Extras:
    """What the options ask for, after it was found that the remote takes it.

    Raises:
        ConfigError: the remote takes no installer or no images, or the address is of no use.
    """

    def __init__(self, app: App, remote: Remote, options: Mapping[str, Any]) -> None:
        from bundle.artifacts.remotes.registry import Registry
        from bundle.make.publish.installer import require_address, require_files
        from bundle.make.publish.runnable import require_registry

        self._app = app
        self._address, self.base = require_address(options["address"]), options["base"]
        if self._address and not options["installer"]:
            raise ConfigError("--address is for the scripts of --installer alone.")
        self.files = require_files(remote) if options["installer"] else None
        if self.base:
            require_registry(remote)
        self._registry = remote if isinstance(remote, Registry) else None
        self.bases: Mapping[str, BaseImage] = {}

    def read_bases(self, platforms: Iterable[str]) -> None:
        """Read the base image for some platforms, by their keys, if one is named.

        Raises:
            ConfigError: there is no such image for one of them.
        """
        from bundle.make.publish.runnable import bases_of

        if self.base:
            self.bases = bases_of(self.base, platforms, self._app.environ, reporter=self._app.reporter)

    def publish(
        self, candidates: Sequence[Candidate], installer: Installer | None, project: Project
    ) -> list[Published]:
        """Publish the installer, and an image for each bundle that has a base; warn of images that are left behind."""
        from bundle.make.publish.installer import publish_installer
        from bundle.make.publish.runnable import publish_runnables, warn_of_outdated

        reporter = self._app.reporter
        if self.files and installer:
            publish_installer(installer, self.files, self._address, reporter=reporter)
        if self._registry and self.base:
            environ = self._app.environ
            return publish_runnables(
                candidates, self.bases, self._registry, project, environ=environ, reporter=reporter
            )
        if self._registry:
            warn_of_outdated(candidates, self._registry, reporter=reporter)
        return []

    def as_json(self, images: Iterable[Published]) -> dict[str, Any]:
        """Return the bases by platform, and the images on them, for a report; empty if no base is named."""
        if not self.base:
            return {}
        bases = {key: f"{one.base.name}@{one.base.digest}" for key, one in self.bases.items()}
        return {"bases": bases, "images": [asdict(image) for image in images]}


def print_images(console: Console, images: Iterable[Published]) -> None:
    """Print images with their bases."""
    for image in images:
        console.print(f"image for {image.platform}: {image.reference}, on {image.base}", soft_wrap=True)
