"""Builds of the command `build` that run on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bundle.base.errors import BundleError, ConfigError
from bundle.cli.clusters import connected, tell

if TYPE_CHECKING:
    from bundle.artifacts.context import Context
    from bundle.artifacts.work import Piece
    from bundle.cli.app import App
    from bundle.make.build_request import BuildRequest


def built_on_workers(
    app: App, requests: Sequence[BuildRequest], context: Context, options: dict[str, Any]
) -> Iterator[tuple[BuildRequest, dict[str, Any] | BundleError]]:
    """Build what is not up to date on workers, and yield what came of each request.

    Raises:
        ConfigError: a build cannot run on any worker; nothing has begun then.
        NetworkError: there is no scheduler, or it is gone; what was built is in place.
    """
    from bundle.make.build import unchanged
    from bundle.make.cluster.plan import Choices, plan_build
    from bundle.make.cluster.results import fetch_results, results_remote
    from bundle.make.cluster.take_in import take_in
    from bundle.run.cluster.resources import require_workers

    if options["keep_failed"]:
        raise ConfigError("--keep-failed is for builds on this machine.", remedy="Leave it, or --scheduler, out.")
    access, through = app.access(offline=options["offline"]), options["results_to"]
    address, remote = results_remote(through, access) if through else (None, None)
    choices = Choices(offline=options["offline"], verify_store=options["verify_store"], results_to=address)
    with connected(app, options) as cluster:
        workers = cluster.workers()
        served = {key for one in workers for key in one.platforms}
        planned: dict[str, tuple[BuildRequest, Piece]] = {}
        done: list[tuple[BuildRequest, dict[str, Any] | BundleError]] = []
        for request in requests:
            try:
                current = unchanged(request, context)
                if current is not None:
                    done.append((request, current))
                else:
                    planned[request.name] = request, plan_build(request, context, served, choices)
            except BundleError as error:
                done.append((request, error))
        pieces = [piece for _, piece in planned.values()]
        require_workers(pieces, workers, cluster.address)
        yield from done
        for finished in cluster.run(pieces, partial(tell, app)) if pieces else ():
            request, piece = planned[finished.piece.name]
            if finished.outcome.error is not None:
                yield request, finished.outcome.error
                continue
            try:
                assert piece.target is not None  # noqa: S101 - as planned
                if remote is not None:
                    fetch_results(finished.outcome.value, remote, piece.target)
                value = take_in(request, context, piece.target)
                yield request, {**value, "worker": finished.worker, "attempts": finished.attempts}
            except BundleError as error:
                yield request, error
