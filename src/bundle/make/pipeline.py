"""A build: one visible tuple of steps from a configuration to a catalogue entry."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bundle.artifacts.archives.bundle_archive import PackedArchive, pack
from bundle.artifacts.catalogue import record
from bundle.artifacts.catalogue_entry import bundle_digest, entry_of
from bundle.artifacts.context import Context
from bundle.artifacts.store.compression import Compression
from bundle.artifacts.store.layers import DamagedLayerError, Layer
from bundle.base.errors import Problems
from bundle.base.report import Reporter
from bundle.base.staging import staged_file, staged_folder, sweep_staging
from bundle.make.assemble.copyfiles import plan_copies
from bundle.make.assemble.documents import documents_inside, licences_of
from bundle.make.assemble.layer_pool import LayerPool
from bundle.make.assemble.layers import Layering
from bundle.make.assemble.manifest import describe
from bundle.make.build_request import BuildRequest
from bundle.make.described import tell_uncatalogued, write_documents
from bundle.make.disk_space import require_space, sizes_of
from bundle.make.interpreter.prepare import Interpreter, prepare_interpreter
from bundle.make.package_set import PackageSet, united
from bundle.make.project_folder import keeping
from bundle.make.sources.builder import SourceBuilder
from bundle.make.sources.host import BuildHost
from bundle.make.verify.audit.floor_of_layers import floor_of
from bundle.make.verify.checks.findings import Report, require, rows
from bundle.make.verify.checks.policy import policy_for
from bundle.make.verify.remembered import PassedReports
from bundle.make.verify.verify import VerificationHost, evidence_of, verify_bundle
from bundle.make.verify.wheels import require_sound_wheels
from bundle.model.config.config import Config
from bundle.model.config.version_files import version_files
from bundle.model.locks.status import LockStatus
from bundle.model.manifest import Manifest
from bundle.model.platforms import Platform


@dataclass(kw_only=True)
class Build:
    """The state of one build; each step adds the values that later steps need."""

    request: BuildRequest
    context: Context
    statuses: tuple[LockStatus, ...]
    """The lock of each set before the build."""
    stack: ExitStack
    """Resources that outlive a step; closed when the build ends."""
    interpreter: Interpreter = field(init=False)
    sets: tuple[PackageSet, ...] = field(init=False)
    """`packages.dependencies`, then the sets."""
    layers: tuple[Layer, ...] = field(init=False)
    manifest: Manifest = field(init=False)
    tree: Path = field(init=False)
    report: Report | None = field(init=False, default=None)
    archives: list[PackedArchive] = field(init=False, default_factory=list)
    documents: dict[str, Path] = field(init=False, default_factory=dict)
    """Those beside the archives, by kind."""
    catalogued: bool = field(init=False, default=False)
    seconds: dict[str, float] = field(init=False, default_factory=dict)

    @property
    def config(self) -> Config:
        """The version's configuration."""
        return self.request.config

    @property
    def platform(self) -> Platform:
        """Where the bundle is to run."""
        return self.request.platform

    def any_host(self, config: Config) -> BuildHost:
        """Return the machine that builds the sources of a set, without the bundle's interpreter."""
        return BuildHost(
            context=self.context,
            config=config,
            platform=self.platform,
            logs=self.request.logs,
            interpreters=self.request.interpreters,
            keep_failed=self.request.keep_failed,
        )

    def host(self, config: Config) -> BuildHost:
        """Return the same with it."""
        return self.stack.enter_context(replace(self.any_host(config), bundled=self.interpreter))

    @cached_property
    def layering(self) -> Layering:
        """Makes layers."""
        return Layering(
            store=self.context.store,
            platform=self.platform,
            python=self.interpreter.python,
            reporter=self.context.reporter,
            compiler=self.interpreter.bytecode.compiler(lambda: self.sets[0].host.python),
            user_site=self.config.build.user_site,
        )

    @cached_property
    def layer_pool(self) -> LayerPool:
        """Makes the layers of wheels beside the other steps."""
        finish = self.finish if self.installs else self.measure
        return self.stack.enter_context(LayerPool(self.layering, finish=finish))

    def measure(self, layer: Layer) -> None:
        """Let later steps find the floor of a layer."""
        floor_of([layer], self.context.store, self.platform)

    def finish(self, layer: Layer) -> None:
        """Let later steps find a layer of the bundle measured and compressed."""
        self.measure(layer)
        effort = self.config.build.compression
        asked = {Compression(format=one, effort=effort).framed for one in self.request.archives}
        for compression in filter(None, asked):
            self.context.store.frames([layer], compression)

    @property
    def digest(self) -> str:
        """Stands for all bytes of the bundle."""
        return bundle_digest(self.layers)

    @property
    def installs(self) -> bool:
        """Whether packages go into site-packages."""
        return self.config.build.layout in ("installed", "both")

    @property
    def carries(self) -> bool:
        """Whether the bundle carries wheels as files."""
        return self.config.build.layout in ("wheelhouse", "both")


def check_own_files(build: Build) -> None:
    """Refuse at once what would fail later: files of the version's own that cannot be copied, or are not there."""
    rules = build.config.packages_for(build.platform.key).copy_files
    plan_copies(rules, platform=build.platform, python=build.config.python)
    for rule in build.config.packages_for(build.platform.key).build_wheel.values():
        version_files(build.config.folder, rule)


def choose_interpreter(build: Build) -> None:
    """Choose the interpreter, and begin its layer; if there is none, report the refused source builds as well."""
    problems = Problems()
    # Beside the downloads; what needs the layer waits for it.
    pool = ThreadPoolExecutor(1)
    build.stack.callback(pool.shutdown, cancel_futures=True)
    with problems.collecting():
        asked = (build.config, build.platform, build.request.interpreters)
        build.interpreter = prepare_interpreter(build.context, *asked, pool=pool)
        if build.interpreter.stored is None:
            pool.submit(lambda: build.finish(build.interpreter.layer))
    locked = build.statuses if problems.errors and build.context.machine not in (None, build.platform) else ()
    for status in locked:
        with build.any_host(status.config) as host:
            for planned in SourceBuilder(host).plan(status.lock) if status.lock is not None else ():
                if planned.refusal is not None:
                    problems.add(planned.refusal)
    problems.raise_if_any(f"{len(problems.errors)} problems prevent the build of {build.request.name} here.")
    if warning := build.interpreter.choice.warning:
        build.context.reporter.warning(warning)


def lock_packages(build: Build) -> None:
    """Decide which file of which package the bundle holds."""
    sweep_staging(build.config.folder)
    build.sets = tuple(PackageSet(host=build.host(one.config), status=one) for one in build.statuses)
    for one in build.sets:
        one.find_lock(locked=build.request.locked)


def fetch_files(build: Build) -> None:
    """Download the files of packages that have no layer in the store yet."""
    for one in build.sets:
        one.find_layers(build.layering, carries=build.carries)
    if any(one.wanted for one in build.sets):
        sizes = sizes_of(build.sets, build.context.store, build.interpreter.stored, unpacks=build.installs)
        require_space(build.request, build.context.store, sizes, build.context.reporter)
    for one in build.sets:
        one.fetch(build.layer_pool if build.installs else None)


def build_sources(build: Build) -> None:
    """Build the wheels of source packages; all failures are reported at once."""
    problems = Problems()
    for one in build.sets:
        one.build_sources(problems)
    problems.raise_if_any(f"{len(problems.errors)} packages of {build.request.name} cannot be built here.")


def make_layers(build: Build) -> None:
    """Turn every input into a layer, and write the manifest."""
    layers = [build.interpreter.layer]
    # Those of carried wheels are in no bundle: they tell its floor, its flaws, and which acceptances apply.
    packages = list({layer.digest: layer for one in build.sets for layer in one.layers(build.layer_pool)}.values())
    layers += packages if build.installs else ()
    if build.carries:
        layers += united(layer for one in build.sets for layer in one.carried(build.layering))
    rules = build.config.packages_for(build.platform.key).copy_files
    if rules:
        folders = {entry.path for layer in layers for entry in layer.entries if entry.kind == "folder"}
        own = {entry.path for entry in build.interpreter.layer.entries if entry.kind != "folder"}
        copies = plan_copies(
            rules, platform=build.platform, python=build.interpreter.python, folders=folders, interpreter=own
        )
        layers.append(build.layering.copies(copies))
    unpacked = [*layers, *(() if build.installs else packages)]
    floor = floor_of(unpacked, build.context.store, build.platform)
    carried = dict(one.carried_lock() for one in build.sets) if build.carries else {}
    described = describe(
        build.config,
        build.interpreter,
        {one.lock.set_name: one.record for one in build.sets},
        layers,
        unpacked=unpacked,
        floor=floor,
    )
    store = build.context.store
    licences = licences_of(unpacked, store)
    build.manifest, documents = documents_inside(described, layers, carried, licences, epoch=store.epoch)
    require_sound_wheels(build.manifest, build.config.verify.accept)
    for conflict in () if build.request.verify else build.manifest.conflicts:
        build.context.reporter.warning(
            f"{conflict.path} differs between {conflict.lost} and {conflict.kept}; the latter is kept"
        )
    build.layers = (*layers, build.layering.documents(documents))


def assemble_tree(build: Build) -> None:
    """Merge the layers into one tree, beside the bundle's final place."""
    sweep_staging(build.request.folder.parent)
    build.tree = build.stack.enter_context(staged_folder(build.request.folder, large=True))
    if build.request.keep_failed:
        build.stack.enter_context(keeping(build.tree, build.request.failed))
    build.context.store.materialise(build.layers, build.tree)


def verify_tree(build: Build) -> None:
    """Verify the bundle, unless the same bytes passed on this machine before."""
    if not build.request.verify:
        return
    context, reporter = build.context, build.context.reporter
    policy = policy_for(
        build.manifest,
        build.config,
        cache=context.store.root,
        project=context.project.root,
        environ=context.environ,
        origins=build.interpreter.origins,
    )
    # Those about other bundles make no difference, so that a new one leaves this verification as it is.
    policy = replace(policy, acceptances=build.manifest.accepted)
    passed = PassedReports(context.store.folder("verified"), policy)
    build.report = passed.find(build.digest, build.tree, build.platform)
    if build.report is not None:
        reporter.info("already verified on this machine (same digest); skipping")
        _warn(build.report, reporter)
        return
    with context.store.work() as work:
        host = VerificationHost(machine=context.machine, work=work, reporter=reporter)
        build.report = verify_bundle(build.tree, build.manifest, policy, host)
    _warn(build.report, reporter)
    version = build.config.version
    accepting = (
        f"Or accept what does no harm, each entry with its reason, in verify.accept of versions/{version}/config.json "
        f"(`bundle build {version} --no-verify`, then `bundle verify {version} --run --write-acceptances` adds them)"
    )
    require(build.report, build.request.name, accepting=accepting)
    passed.add(build.digest, build.report)


def _warn(report: Report, reporter: Reporter) -> None:
    for row in rows(report.of("warning")):
        reporter.warning("\n".join(row.lines))


def pack_archives(build: Build) -> None:
    """Write the archives from the layers' stored frames, and the documents about them, beside their final places."""
    sweep_staging(build.request.output)
    for archive_format in build.request.archives:
        target = build.request.archive_path(archive_format)
        staging = build.stack.enter_context(staged_file(target))
        compression = Compression(format=archive_format, effort=build.config.build.compression)
        packed = pack(build.context.store, build.layers, staging, compression, name=build.request.name)
        build.archives.append(replace(packed, path=target))
    if build.archives:
        locks = [one.lock for one in build.sets]
        parts = (build.request, build.context.project, build.manifest, locks, build.archives)
        build.documents = write_documents(*parts, tree=build.tree, stack=build.stack)


def place_results(build: Build) -> None:
    """Move bundle and archives to their final places, replacing earlier ones."""
    build.stack.close()


def catalogue_bundle(build: Build) -> None:
    """Add the bundle to the catalogue if it is complete and verified."""
    if build.report is None or not build.archives:
        tell_uncatalogued(build.request, build.digest, build.context.reporter)
        return
    request = build.request
    parts, root = (build.manifest, build.layers, build.archives), request.catalogue_root
    told = evidence_of(build.report)
    entry = entry_of(*parts, documents=build.documents, evidence=told, folder=request.folder, root=root)
    record(request.catalogue, entry, reporter=build.context.reporter)
    build.catalogued = True


STEPS: tuple[tuple[str, Callable[[Build], None]], ...] = (
    ("check", check_own_files),
    ("interpreter", choose_interpreter),
    ("lock", lock_packages),
    ("fetch", fetch_files),
    ("sources", build_sources),
    ("layers", make_layers),
    ("assemble", assemble_tree),
    ("verify", verify_tree),
    ("pack", pack_archives),
    ("place", place_results),
    ("catalogue", catalogue_bundle),
)
"""A build, from its first step to its last."""


def run(request: BuildRequest, context: Context, statuses: tuple[LockStatus, ...]) -> Build:
    """Take one bundle through all steps, once more if a layer of the store turns out to be damaged.

    Raises:
        BundleError: a step failed; an earlier bundle stays in place.
    """
    try:
        return _take(request, context, statuses)
    except DamagedLayerError as error:
        context.reporter.warning(f"{error.what} The build begins again.")
        return _take(request, context, statuses)


def _take(request: BuildRequest, context: Context, statuses: tuple[LockStatus, ...]) -> Build:
    with ExitStack() as stack:
        build = Build(request=request, context=context, statuses=statuses, stack=stack)
        for name, step in STEPS:
            started = time.monotonic()
            with context.reporter.step(name):
                step(build)
            build.seconds[name] = round(time.monotonic() - started, 3)
    return build
