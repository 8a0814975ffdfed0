"""A build without a project: one version, made of requirements, in the place of a project's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bundle.base.errors import ConfigError, Problems
from bundle.make.inputs.inputs import Inputs
from bundle.model.config.json_source import Origin, Table
from bundle.model.config.project import SHARED, Loaded, Project, validate


class LooseProject(Project):
    """One version whose configuration is what requirements say.

    Args:
        inputs: the requirements.
        version: `X.Y.Z-NAME`.
        output: the folder for results, absolute.
    """

    def __init__(self, inputs: Inputs, *, version: str, output: Path) -> None:
        super().__init__(inputs.root)
        self.output = output
        self.wheelhouse = output / "wheelhouse"
        self.catalogue = output / "catalogue.json"
        self._inputs = inputs
        self._version = version

    def versions(self) -> list[str]:
        """Return the one version."""
        return [self._version]

    def lock_path(self, version: str, platform_key: str, set_name: str = "") -> Path:  # noqa: ARG002 - there are none
        """Return the place of the lock: beside the requirements, one for each name and platform."""
        return self.root / f"pylock.{version.partition('-')[2].replace('.', '-')}-{platform_key}.toml"

    def sources(self, version: str) -> tuple[Path, ...]:  # noqa: ARG002 - there is one
        """Return the files of requirements."""
        return self._inputs.files

    def examine(self, version: str, environ: Mapping[str, str], problems: Problems) -> Loaded | None:
        """Do what `load` does; wheels count only where the requirements name them."""
        loaded = super().examine(version, environ, problems)
        if loaded is None:
            return None
        wheels = tuple(place for place in loaded.config.wheels if place.named)
        return replace(loaded, config=replace(loaded.config, wheels=wheels, taken=self._inputs.taken))

    def document(self, file: str, problems: Problems) -> Table | None:
        """Return the requirements as the version's configuration; what is shared is empty."""
        if file == SHARED:
            return Table(Origin(SHARED))
        before = len(problems.errors)
        validate(self._inputs.table, problems)
        return self._inputs.table if len(problems.errors) == before else None


def version_name(python: str, name: str) -> str:
    """Return the version that a build without a project makes.

    Args:
        python: `X.Y.Z`.
        name: may be empty.

    Raises:
        ConfigError: the name has other signs than a variant may have.
    """
    from bundle.model.config.project import parse_version

    version = f"{python}-{name}" if name else python
    try:
        parse_version(version)
    except ConfigError as error:
        raise ConfigError(
            f"{name!r} is no name of a bundle.",
            remedy="Use letters and digits, with dots, dashes or underscores between them (--name).",
        ) from error
    return version
