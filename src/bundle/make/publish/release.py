"""A release: build the bundles whose inputs differ from those that a remote has, and publish them together.

What a bundle of the remote was made from stands in the remote's catalogue, so nothing of an earlier run is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from packaging.utils import canonicalize_name

from bundle.artifacts.context import Context
from bundle.artifacts.remotes.files import INSTALLERS, FileRemote
from bundle.artifacts.remotes.published import PublishedEntry
from bundle.artifacts.remotes.remote import CatalogueHolder, Remote
from bundle.base.errors import BundleError, ConfigError
from bundle.make.build import build_bundle
from bundle.make.build_request import BuildRequest
from bundle.make.interpreter.prepare import coming_identity
from bundle.make.portable_inputs import lock_digest, portable_inputs
from bundle.make.publish.candidates import Candidate, candidate_of, entries_of
from bundle.make.publish.installer import TOOL, Installer, installer_of
from bundle.make.publish.publish import Publication, publish


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is to be done for one bundle."""

    request: BuildRequest
    status: Literal["unchanged", "new", "changed"]
    changed: tuple[str, ...] = ()
    """The inputs that differ from those of the published bundle."""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, str]:
        """Version and platform."""
        return self.request.config.version, self.request.platform.key

    @property
    def why(self) -> str:
        """The status in words."""
        if self.status == "unchanged":
            return "unchanged"
        if self.status == "new":
            return "new"
        return f"changed: {', '.join(self.changed)}" if self.changed else "changed: it was published without its inputs"


@dataclass(frozen=True, kw_only=True)
class Released:
    """What came of one bundle."""

    planned: Planned
    publication: Publication | None = None
    """None if it was unchanged, or if this was a dry run."""
    candidate: Candidate | None = None
    """What was published, if anything."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value of a report."""
        version, platform = self.planned.name
        value = {
            "version": version,
            "platform": platform,
            "status": self.planned.status,
            "changed": list(self.planned.changed),
        }
        return value | {"published": None if self.publication is None else self.publication.as_json()}


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A bundle that could not be built or may not be published."""

    request: BuildRequest
    error: BundleError


def release(
    requests: Sequence[BuildRequest],
    context: Context,
    remote: Remote,
    *,
    substitutes: bool,
    catalogue: CatalogueHolder | None = None,
    dry_run: bool = False,
) -> tuple[list[Released], list[Failed]]:
    """Bring a remote up to date with the project; what fails keeps nothing else from being published.

    Args:
        substitutes: whether interpreters may be other patch releases than were asked for.
        catalogue: what holds the catalogue, if that is not the remote alone.
        dry_run: only find out what has changed.

    Raises:
        NetworkError: the remote does not answer.
        CatalogueChangedError: other publishers were faster each time.
    """
    holder = catalogue or remote
    published, _ = holder.catalogue()
    done: list[Released] = []
    failed: list[Failed] = []
    ready: list[tuple[Planned, Candidate]] = []
    for request in requests:
        try:
            planned = plan(request, context, published.find(request.config.version, request.platform.key))
            context.reporter.info(f"{request.name}: {planned.why}")
            if planned.status == "unchanged" or dry_run:
                done.append(Released(planned=planned))
            else:
                ready.append((planned, _built(planned, context, substitutes=substitutes)))
        except BundleError as error:
            context.reporter.warning(f"{request.name} failed: {error.what}")
            failed.append(Failed(request=request, error=error))
    candidates = [candidate for _, candidate in ready]
    sent = publish(candidates, remote, reporter=context.reporter, catalogue=holder) if ready else ()
    done += [
        Released(planned=one, publication=of, candidate=candidate)
        for (one, candidate), of in zip(ready, sent, strict=True)
    ]
    order = {request.name: place for place, request in enumerate(requests)}
    return sorted(done, key=lambda one: order[one.planned.request.name]), failed


def require_tool(requests: Sequence[BuildRequest]) -> list[BuildRequest]:
    """Return the requests for bundles of the tool itself, by what they ask for.

    Raises:
        ConfigError: there are none.
    """
    found = [one for one in requests if any(map(_is_tool, one.config.packages_for(one.platform.key).dependencies))]
    if not found:
        raise ConfigError(
            f"None of these versions asks for the package {TOOL}, so there is no installer.",
            remedy="Release a version that has it, such as 3.12.10-bundle of this tool's repository.",
        )
    return found


def installer_of_release(
    requests: Sequence[BuildRequest], done: Sequence[Released], context: Context, remote: FileRemote
) -> Installer | None:
    """Return the installer of the tool's version, whose bundles are built here where they were not; None to leave it.

    It is left if the remote has its scripts and no bundle of the tool was published, and if one of these failed.

    Raises:
        ConfigError: several versions hold the tool, or an archive is missing.
        BundleError: a build failed.
    """
    tools = require_tool(requests)
    own = [one for one in done if one.planned.request in tools]
    if len(own) < len(tools):
        context.reporter.warning("The installer stays as it is, because a bundle of the tool failed.")
        return None
    if len(remote.installer()) == len(INSTALLERS) and not any(one.publication for one in own):
        return None
    for one in own:
        if one.publication is None:
            build_bundle(one.planned.request, context, expected=one.planned.inputs)
    names = [one.planned.name for one in own]
    entries = [entry for version, key in names for entry in entries_of(context.project, [version], [key])]
    return installer_of(entries, context.project)


def _is_tool(requirement: str) -> bool:
    # The requirement of a folder is no PEP 508 text.
    return canonicalize_name(re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]) == TOOL


def plan(request: BuildRequest, context: Context, published: PublishedEntry | None) -> Planned:
    """Return whether a bundle has to be built, by its inputs; neither the output folder nor the store counts.

    Args:
        published: the bundle of the same version and platform in the remote's catalogue.

    Raises:
        BundleError: no interpreter fits, or a file of the configuration is missing.
    """
    config, platform = request.config, request.platform
    locks = [context.lock_status(one, platform) for one in config.members]
    inputs = portable_inputs(request, context)
    # A lock that is not fresh has no digest that could be that of a published one; the build then says what is wrong.
    inputs["lock"] = lock_digest([one.digest if one.state == "fresh" else None for one in locks])
    there = published.inputs if published is not None else {}
    inputs["interpreter"] = coming_identity(context, config, platform, request.interpreters, ask=False)
    if inputs["interpreter"] != there.get("interpreter"):
        # A source that does not answer may have made another one take its place then, and may today.
        inputs["interpreter"] = coming_identity(context, config, platform, request.interpreters, ask=True)
    if published is None:
        return Planned(request=request, status="new", inputs=inputs)
    changed = tuple(name for name in sorted({*inputs, *there}) if inputs.get(name) != there.get(name))
    if not changed:
        return Planned(request=request, status="unchanged", inputs=inputs)
    return Planned(request=request, status="changed", changed=changed if there else (), inputs=inputs)


def _built(planned: Planned, context: Context, *, substitutes: bool) -> Candidate:
    """Build a bundle, unless the output folder has it of the same inputs, and return it as it is published."""
    project, (version, platform) = context.project, planned.name
    build_bundle(planned.request, context, expected=planned.inputs)
    (entry,) = entries_of(project, [version], [platform])
    return candidate_of(entry, project, context.store, substitutes=substitutes)
