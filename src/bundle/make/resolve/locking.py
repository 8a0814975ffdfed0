"""The locks of a project: how they stand, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bundle.artifacts.context import Context
from bundle.base.errors import ConfigError, WorkError
from bundle.make.interpreter.prepare import prepare_interpreter
from bundle.make.resolve.coverage import cells_of, losses
from bundle.model.config.config import Config
from bundle.model.locks.lock import Lock, is_fresh
from bundle.model.locks.pylock import read_lock, write_lock
from bundle.model.platforms import Platform


def fresh_lock(
    context: Context,
    config: Config,
    platform: Platform,
    *,
    required: bool,
    interpreters: Sequence[str] = (),
    logs: Path | None = None,
) -> Lock:
    """Return a lock that fits the configuration; writes it if there was none, or a stale one.

    Args:
        context: the world.
        config: the version.
        platform: where the bundle is to run.
        required: whether to refuse instead of writing (`--locked`).
        interpreters: `--interpreter`.
        logs: folder for what build backends print, if not the project's.

    Raises:
        ConfigError: the lock cannot be read; or `required`, and it is missing or stale.
        IntegrityError: it was edited by hand.
    """
    path = context.project.lock_path(config.version, platform.key)
    lock = read_lock(path) if path.exists() else None
    if lock is not None and is_fresh(lock, config, platform.key):
        return lock
    if required:
        raise ConfigError(
            f"{path} is {'stale' if lock else 'missing'}, and --locked forbids writing it.",
            cause="The configuration has changed since the lock was written."
            if lock
            else "Nobody has locked this version for this platform yet.",
            remedy=f"Run `bundle lock {config.version} --platform {platform.key}`, look at the change, and commit it.",
        )
    context.reporter.info(f"{path.name} is {'stale' if lock else 'missing'}: resolving")
    fresh = resolve_lock(context, config, platform, previous=lock, interpreters=interpreters, logs=logs)
    for loss in losses(lock, cells_of(fresh)):
        context.reporter.warning(str(loss))
    write_lock(fresh, path)
    return fresh


def resolve_lock(
    context: Context,
    config: Config,
    platform: Platform,
    *,
    previous: Lock | None,
    upgrade: bool | frozenset[str] = False,
    interpreters: Sequence[str] = (),
    logs: Path | None = None,
) -> Lock:
    """Resolve what one version needs on one platform; nothing is written but caches.

    Sources are asked with this machine's interpreter of the version, which is chosen and made only if one has to be.

    Args:
        context: the world.
        config: the version.
        platform: where the bundle is to run.
        previous: the last lock, whose versions are kept where they fit.
        upgrade: True to keep none of them, or the names that are not kept.
        interpreters: `--interpreter`.
        logs: folder for what build backends print, if not the project's.

    Raises:
        BundleError: as `bundle.make.resolve.resolve` does.
    """
    from bundle.make.resolve.resolve import resolve

    with ExitStack() as stack:

        def python() -> Path:
            if context.machine is None:
                raise WorkError(
                    f"A source package of {config.version} has to be run to know what it needs, and this machine is "
                    "none of the known platforms.",
                    remedy="Lock on one of the platforms that `bundle platforms` lists.",
                )
            interpreter = prepare_interpreter(context, config, context.machine, interpreters)
            return stack.enter_context(interpreter.unpacked(context))

        return resolve(
            config,
            platform,
            registries=context.registries(config),
            repositories=context.repositories,
            store=context.store,
            downloader=context.downloader,
            interpreter=python,
            machine=context.machine,
            previous=previous,
            upgrade=upgrade,
            reporter=context.reporter,
            work=stack.enter_context(context.store.work()),
            logs=logs or context.logs(f"{config.version}-{platform.key}"),
        )
