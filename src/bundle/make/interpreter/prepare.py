"""The interpreter of a bundle: chosen once, made beside other work, kept as a layer, unpacked for build steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bundle.artifacts.context import Context
from bundle.artifacts.interpreters.carried import GLIBC as CARRIED_GLIBC
from bundle.artifacts.interpreters.choice import Choice, Known, choose
from bundle.artifacts.interpreters.debian_mirror import VARIABLE, debian_mirror
from bundle.artifacts.interpreters.host import Host
from bundle.artifacts.interpreters.source import Offer, Request, Tools
from bundle.artifacts.interpreters.sources import sources_for
from bundle.artifacts.store.layers import Layer
from bundle.artifacts.store.store import Store
from bundle.base.files import canonical_json
from bundle.base.native.native import dotted
from bundle.make.interpreter.bytecode import compile_tree
from bundle.make.interpreter.compilers import Bytecode, bytecode_of, check_magic
from bundle.model import revisions
from bundle.model.config.config import Config
from bundle.model.platforms import Platform


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The interpreter that a bundle gets."""

    choice: Choice
    platform: Platform
    bytecode: Bytecode
    """The compiler of the bundle's modules."""
    stored: Layer | None
    """Its layer, if the store had it when it was chosen."""
    made: Future[Layer]
    """The same, or the one that is being made."""

    @property
    def layer(self) -> Layer:
        """Its layer; waits until it is made.

        Raises:
            BundleError: it cannot be made.
        """
        return self.made.result()

    @property
    def python(self) -> str:
        """The actual version."""
        return self.choice.offer.python

    @property
    def origins(self) -> tuple[Path, ...]:
        """The folders of this machine that it was taken from."""
        offer = self.choice.offer
        return (Path(offer.location),) if offer.source == Host.name else ()

    @contextmanager
    def unpacked(self, context: Context) -> Iterator[Path]:
        """Yield the executable of a copy that ends with the block, so that running it never writes to the store."""
        with context.store.work() as work:
            context.store.materialise([self.layer], work)
            yield work / self.platform.executable(self.python)


def prepare_interpreter(
    context: Context,
    config: Config,
    platform: Platform,
    override: Sequence[str],
    *,
    pool: Executor | None = None,
) -> Interpreter:
    """Choose the interpreter of a bundle and bring its layer into the store.

    Args:
        override: `--interpreter`: sources, paths, or KEY=PATH; none: as configured.
        pool: makes a layer that the store lacks; None: it is made before this returns.

    Raises:
        BundleError: no source has a fitting one; the error lists the attempts and the remedies.
    """
    request = request_for(context, config, platform)
    with ExitStack() as stack:
        tools = stack.enter_context(_tools(context))
        sources = sources_for(override, config.interpreter.sources, platform)
        choice = choose(request, sources, tools, known=known_in(context, config, platform))
        bytecode = _bytecode(context, config, platform, choice.offer.python)
        if bytecode.why_not is not None:
            context.reporter.warning(f"{config.version} for {platform.key} gets no .pyc files: {bytecode.why_not}")
        key = _key(choice.offer, request, bytecode)
        if choice.offer.source != Host.name and (why := why_not_carried(config, request)):
            context.reporter.warning(
                f"{config.version} for {platform.key} carries no libstdc++, libgcc_s and libz: {why}"
            )
        make = partial(_make, context.store, key, choice, request, bytecode, tools)
        stored = context.store.find("interpreter", key)
        if stored is None and pool is None:
            stored = make()
        made = Future[Layer]()
        if stored is not None:
            made.set_result(stored)
        elif pool is not None:
            made = pool.submit(_closing, stack.pop_all(), make)
    return Interpreter(choice=choice, platform=platform, bytecode=bytecode, stored=stored, made=made)


def _closing(stack: ExitStack, make: Callable[[], Layer]) -> Layer:
    with stack:
        return make()


def _make(
    store: Store, key: Mapping[str, Any], choice: Choice, request: Request, bytecode: Bytecode, tools: Tools
) -> Layer:
    """Make the layer of an interpreter whose files were fetched with the same tools."""
    offer, platform = choice.offer, request.platform
    with tools.reporter.task(f"making Python {offer.python} from {offer.source} portable"):
        tree = tools.work / "tree"
        tree.mkdir()
        about = choice.source.make(offer, request, tree, tools)
        if compiler := bytecode.compiler(lambda: tree / platform.executable(offer.python)):
            compiled = compile_tree(tree, python=compiler.python)
            check_magic(compiler, tree, platform.stdlib(offer.python), compiled.magic)
        return store.add("interpreter", key, tree, name="python", version=about.python, about=about.as_json())


@contextmanager
def _tools(context: Context) -> Iterator[Tools]:
    """Give the tools of sources, whose scratch folder ends with the block."""
    with context.store.work() as work:
        yield Tools(downloader=context.downloader, files=context.store.files, reporter=context.reporter, work=work)


def release_of(context: Context, config: Config, platform: Platform, series: str, override: Sequence[str]) -> str:
    """Return the newest release of a Python X.Y that a source has, its files fetched.

    Args:
        override: `--interpreter`.

    Raises:
        BundleError: as `prepare_interpreter` does.
    """
    request = replace(request_for(context, config, platform), python=series)
    with _tools(context) as tools:
        sources = sources_for(override, config.interpreter.sources, platform)
        return choose(request, sources, tools, known=known_in(context, config, platform)).offer.python


def identity_of(context: Context, config: Config, platform: Platform, offer: Offer) -> str:
    """Return a SHA-256 over everything that shapes the interpreter which a bundle gets of an offer."""
    bytecode = _bytecode(context, config, platform, offer.python)
    key = _key(offer, request_for(context, config, platform), bytecode)
    return sha256(canonical_json(key)).hexdigest()


def coming_identity(context: Context, config: Config, platform: Platform, override: Sequence[str], *, ask: bool) -> str:
    """Return the identity of the interpreter that a build would take; none is downloaded or made.

    Args:
        override: `--interpreter`.
        ask: whether sources are asked over the network for what the store lacks; otherwise all offers count as there.

    Raises:
        BundleError: no source has a fitting one.
    """
    request = request_for(context, config, platform)
    known = known_in(context, config, platform) if ask else lambda offer: offer.python
    with _tools(context) as tools:
        sources = sources_for(override, config.interpreter.sources, platform)
        choice = choose(request, sources, tools, known=known, fetch=False)
    return identity_of(context, config, platform, choice.offer)


def request_for(context: Context, config: Config, platform: Platform) -> Request:
    """Return the request for the interpreter of a version, to all sources."""
    return Request(
        python=config.python,
        platform=platform,
        config=config.interpreter,
        machine=context.machine,
        environ=context.environ,
        user_site=config.build.user_site,
        carry=_carries(context, config, platform),
    )


def _carries(context: Context, config: Config, platform: Platform) -> bool:
    """Return whether the interpreter takes libraries along that run on the oldest system of the configuration."""
    wanted = bool(debian_mirror(context.environ)) if config.build.carry is None else config.build.carry
    return wanted and platform.system == "linux" and dotted(config.build.floors.glibc) >= CARRIED_GLIBC


def why_not_carried(config: Config, request: Request) -> str | None:
    """Return why an interpreter for Linux carries no libraries although the configuration does not forbid it."""
    if request.carry or config.build.carry is False or request.platform.system != "linux":
        return None
    glibc = config.build.floors.glibc
    if dotted(glibc) < CARRIED_GLIBC:
        needed = ".".join(map(str, CARRIED_GLIBC))
        return f"they need glibc {needed}, and build.glibc is {glibc}. Raise it, or set build.carry to false."
    return f"no mirror of Debian is known to take them from. Name one in {VARIABLE}, or set build.carry."


def known_in(context: Context, config: Config, platform: Platform) -> Known:
    """Return a function that looks an offer's interpreter up in the store."""

    def known(offer: Offer) -> str | None:
        bytecode = _bytecode(context, config, platform, offer.python)
        layer = context.store.find("interpreter", _key(offer, request_for(context, config, platform), bytecode))
        return None if layer is None else layer.version

    return known


def _bytecode(context: Context, config: Config, platform: Platform, python: str) -> Bytecode:
    return bytecode_of(python, platform, wanted=config.build.bytecode, machine=context.machine, environ=context.environ)


def _key(offer: Offer, request: Request, bytecode: Bytecode) -> Mapping[str, Any]:
    return {
        "rules": revisions.INTERPRETER,
        "source": offer.source,
        "offer": dict(offer.key),
        "platform": request.platform.key,
        # The offer says which version it is, so that its own compilation needs no further name.
        "bytecode": bytecode.by if bytecode.host else bytecode.by is not None,
        "userSite": request.user_site,
        "carry": offer.source != Host.name and request.carry,
    }
