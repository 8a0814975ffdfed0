"""What the commands of jobs share: the keys, the Python, sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bundle.cli.app import App
    from bundle.run.jobs.engine import Surroundings


class Size(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """A number of bytes, such as `512MiB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        from bundle.run.jobs.config import size_in_bytes

        try:
            return value if isinstance(value, int) else size_in_bytes(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


SIZE = Size()


def key_file(app: App) -> Path:
    """Return the file of the keys for secure values."""
    return app.data / "jobs" / "keys"


def surroundings(app: App, properties: Path | None, path: str | None) -> Surroundings:
    """Return what all jobs of this machine share.

    Args:
        properties: the file that names the Python; the search path has it if None.
        path: an installPath in its place.
    """
    from bundle.artifacts.store.claim import claim
    from bundle.artifacts.store.environment_place import environments_folder
    from bundle.run.environments.interpreter import Interpreters
    from bundle.run.environments.making import FOLDER
    from bundle.run.install.records import Records
    from bundle.run.install.start import native, runtime_of
    from bundle.run.jobs.engine import Surroundings
    from bundle.run.jobs.installation import Installation, Validator
    from bundle.run.jobs.keys import load_keys
    from bundle.run.jobs.properties import read_properties
    from bundle.run.jobs.provisioning import Provisioning

    validator = Validator(lambda version: native(runtime_of(version, Records(app.data)), app.machine))

    def python(environment: str) -> Installation:
        if environment or path is not None:
            return validator.installed(environment or path or "")
        if properties is None:
            return validator.on_path(app.environ)
        read = read_properties(properties)
        for warning in read.warnings:
            app.reporter.warning(warning)
        return validator.validate(read)

    root = Path(environments_folder(app.environ))
    claim(root.parent, trusted=app.trust_store)
    interpreters = Interpreters(data=app.data, machine=app.machine, environ=app.environ, memory=root / FOLDER)
    return Surroundings(
        python=python,
        environ=app.environ,
        keys=load_keys(key_file(app), app.environ),
        provisioning=Provisioning(root=root, interpreters=interpreters),
    )
