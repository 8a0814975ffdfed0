from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from bundle.base.errors import IntegrityError, WorkError
from bundle.base.files import sha256_of
from bundle.base.processes.run import check, run
from bundle.base.report import Reporter
from bundle.make.sources.backend import BuildSpec, backend_requires, build_wheel, prepare_metadata
from bundle.make.sources.environment import Environment, SourceBuildTools, compiler_identity, make_environment
from bundle.make.sources.isolation import Isolation, isolation_of
from bundle.make.sources.sdist import static_requires, unpack_source
from bundle.model.platforms import PLATFORMS
from tests.make import sdistmaker
from tests.reporters import Told

pytestmark = pytest.mark.real

BUILD = """
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return write_wheel(folder, {"demo.py": open("demo.py").read()})
"""


def tools_in(work: Path, *, timeout: float = 120, reporter: Reporter | None = None) -> SourceBuildTools:
    return SourceBuildTools(
        python=Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"),
        machine=PLATFORMS["linux-x64"],
        timeout=timeout,
        log=work / "build.log",
        reporter=reporter or Reporter(),
        work=work / "scratch",
        epoch=315532800,
    )


def fetch(folder: Path, *requirements: str) -> list[Path]:
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
    ]
    check(run([*pip, folder, *requirements]), "downloading")
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def setuptools(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return fetch(tmp_path_factory.mktemp("wheels"), "setuptools==80.9.0")


@pytest.fixture(scope="module")
def old_setuptools(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return fetch(tmp_path_factory.mktemp("wheels"), "setuptools==65.5.1", "wheel==0.45.1")


Prepare = Callable[..., tuple[Path, Environment, SourceBuildTools]]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    def prepared(
        sdist: Path, wheels: list[Path], *, place: str = "place", timeout: float = 120, reporter: Reporter | None = None
    ) -> tuple[Path, Environment, SourceBuildTools]:
        tools = tools_in(tmp_path / place, timeout=timeout, reporter=reporter)
        source = unpack_source(sdist, tmp_path / place / "source")
        return source, make_environment(tools, wheels), tools

    return prepared


DEMO = BuildSpec(name="demo", version="1.0")


def member(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def test_a_setuptools_source_becomes_a_wheel_and_tells_what_it_needs(
    tmp_path: Path, prepare: Prepare, old_setuptools: list[Path]
) -> None:
    sdist = sdistmaker.pure_setuptools(tmp_path)
    source, environment, tools = prepare(sdist, old_setuptools)
    assert static_requires(source) == ("setuptools>=61",)
    assert backend_requires(source, environment, DEMO, tools) == ("wheel", "wheel>=0.40")
    metadata = message_from_bytes(prepare_metadata(source, environment, DEMO, tools))
    assert metadata["Name"] == "demo"
    assert metadata.get_all("Requires-Dist") == ["idna>=3"]
    wheel = build_wheel(source, environment, DEMO, tools)
    assert wheel.name == "demo-1.0-py3-none-any.whl"
    assert member(wheel, "demo-1.0.data/scripts/hello").startswith(b"#!python\n")
    assert b"demo = demo:main" in member(wheel, "demo-1.0.dist-info/entry_points.txt")
    assert "build_wheel" in tools.log.read_text()


def test_building_leaves_the_source_as_it_was(tmp_path: Path, prepare: Prepare, setuptools: list[Path]) -> None:
    source, environment, tools = prepare(sdistmaker.pure_setuptools(tmp_path), setuptools)
    before = sorted(source.rglob("*"))
    prepare_metadata(source, environment, DEMO, tools)
    build_wheel(source, environment, DEMO, tools)
    assert sorted(source.rglob("*")) == before


@pytest.mark.parametrize("backend", ["setuptools", "old_setuptools"])
def test_a_c_extension_has_the_same_bytes_from_any_folder_and_names_none(
    tmp_path: Path, prepare: Prepare, backend: str, request: pytest.FixtureRequest
) -> None:
    wheels: list[Path] = request.getfixturevalue(backend)
    sdist = sdistmaker.c_extension(tmp_path)
    results = []
    isolated = isolation_of("strict", PLATFORMS["linux-x64"], os.environ, ())
    for place, umask, isolation in (
        ("here", 0o022, Isolation()),
        ("a much longer folder/with ä and more", 0o077, Isolation()),
        ("isolated", 0o022, isolated),
    ):
        reporter = Told()
        before = os.umask(umask)
        try:
            source, environment, tools = prepare(sdist, wheels, place=place, reporter=reporter)
            results.append(build_wheel(source, environment, DEMO, replace(tools, isolation=isolation)))
        finally:
            os.umask(before)
        assert not reporter.warnings
    assert len({sha256_of(one) for one in results}) == 1
    suffix = EXTENSION_SUFFIXES[0]
    module = member(results[0], f"demo{suffix}")
    assert b".debug_info" not in module
    assert str(tmp_path).encode() not in module
    assert sys.base_prefix.encode() not in module
    (tmp_path / f"demo{suffix}").write_bytes(module)
    told = check(run([sys.executable, "-c", "import demo; print(demo.where())"], cwd=tmp_path), "importing")
    assert told.output == "/build/bench/demo-1.0/demo.c\n"


def test_a_run_path_into_the_building_machine_is_removed(
    tmp_path: Path, prepare: Prepare, setuptools: list[Path]
) -> None:
    import lief

    sdist = sdistmaker.c_extension(tmp_path)
    source, environment, tools = prepare(sdist, setuptools)
    setup = (source / "setup.py").read_text()
    run_path = "extra_link_args=['-Wl,-rpath,/opt/somewhere:$ORIGIN/beside']"
    (source / "setup.py").write_text(setup.replace('"demo", [', f'"demo", {run_path}, sources=['))
    wheel = build_wheel(source, environment, DEMO, tools)
    module = member(wheel, f"demo{EXTENSION_SUFFIXES[0]}")
    assert b"/opt/somewhere" not in module
    (tmp_path / "demo.so").write_bytes(module)
    binary = lief.ELF.parse(str(tmp_path / "demo.so"))
    assert binary is not None
    entry = binary.get(lief.ELF.DynamicEntry.TAG.RUNPATH)
    assert isinstance(entry, lief.ELF.DynamicEntryRunPath)
    assert list(entry.paths) == ["$ORIGIN/beside"]


def test_a_failing_build_shows_the_end_of_its_log_and_the_likely_cause(tmp_path: Path, prepare: Prepare) -> None:
    hooks = """
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            print("demo.c:1:10: fatal error: zlib.h: No such file or directory")
            sys.exit(1)
    """
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    with pytest.raises(WorkError, match=r"building demo 1\.0 from source failed") as caught:
        build_wheel(source, environment, DEMO, tools)
    assert any("fatal error: zlib.h" in line for line in caught.value.details)
    assert caught.value.details[-1] == f"(the whole log: {tools.log})"
    assert "zlib.h is missing" in (caught.value.cause or "")
    assert "packages.skip.demo" in caught.value.remedy
    assert not (tools.work / "bench").exists()


def test_a_failed_build_is_kept_where_that_is_asked_for(tmp_path: Path, prepare: Prepare) -> None:
    hooks = """
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            open("half.o", "w").close()
            print("that was all")
            sys.exit(1)
    """
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    tools = replace(tools, kept=tmp_path / "failed" / "demo")
    with pytest.raises(WorkError):
        build_wheel(source, environment, DEMO, tools)
    with pytest.raises(WorkError) as caught:
        build_wheel(source, environment, DEMO, tools)

    assert caught.value.details[-1] == f"(what the build left: {tools.kept})"
    assert tools.kept is not None
    assert [path.name for path in tools.kept.rglob("half.o")] == ["half.o"]
    assert "that was all" in (tools.kept / "log").read_text()
    assert not (tools.work / "bench").exists()


def test_a_backend_that_is_not_there_is_named(tmp_path: Path, prepare: Prepare) -> None:
    source, environment, tools = prepare(sdistmaker.pure_setuptools(tmp_path), [])
    with pytest.raises(WorkError) as caught:
        build_wheel(source, environment, DEMO, tools)
    assert "setuptools" in (caught.value.cause or "")
    assert "buildRequires" in (caught.value.cause or "")


def test_a_build_that_hangs_is_ended_with_all_its_children(tmp_path: Path, prepare: Prepare) -> None:
    hooks = """
        import subprocess
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            child = subprocess.Popen(["sleep", "600"])
            print("child", child.pid, flush=True)
            child.wait()
    """
    source, environment, _ = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    hurried = tools_in(tmp_path / "place", timeout=2)
    with pytest.raises(WorkError) as caught:
        build_wheel(source, environment, DEMO, hurried)
    assert "build.timeout" in (caught.value.cause or "")
    (line,) = [line for line in caught.value.details if line.startswith("child ")]
    assert not _runs(int(line.split()[1]))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_build_sees_nothing_of_the_user(tmp_path: Path, prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = """
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            told = {"environ": dict(os.environ), "umask": os.umask(0), "path": sys.path}
            return write_wheel(folder, {"told.json": json.dumps(told)})
    """
    for name in ("PYTHONPATH", "PIP_INDEX_URL", "UV_INDEX_URL", "CFLAGS", "SECRET_TOKEN", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, "/leak")
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    reporter = Told()
    watched = SourceBuildTools(**{**vars(tools), "reporter": reporter})
    told = json.loads(member(build_wheel(source, environment, DEMO, watched), "told.json"))
    seen = told["environ"]
    assert "/leak" not in seen.values()
    assert "SECRET_TOKEN" not in seen
    assert seen["HOME"].startswith(str(tools.work))
    assert seen["PATH"].startswith(str(environment.python.parent))
    assert (seen["TZ"], seen["LANG"], seen["PYTHONHASHSEED"]) == ("UTC", "C.UTF-8", "0")
    assert seen["SOURCE_DATE_EPOCH"] == "315532800"
    assert told["umask"] == 0o022
    assert not [path for path in told["path"] if path.endswith("site-packages") and str(environment.root) not in path]
    assert any("told.json" in warning for warning in reporter.warnings), "it names its build folder"


def test_settings_reach_the_backend_with_the_package_root_filled_in(tmp_path: Path, prepare: Prepare) -> None:
    hooks = """
        def get_requires_for_build_wheel(config_settings=None):
            return ["late >= 2"]
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            assert config_settings["here"] == "-I" + os.getcwd() + "/include", config_settings
            assert config_settings["several"] == ["a", "b"], config_settings
            return write_wheel(folder, {"demo.py": ""})
    """
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    spec = BuildSpec(
        name="Demo", version="1.0.0", config_settings={"here": "-I{packageRoot}/include", "several": ("a", "b")}
    )
    assert backend_requires(source, environment, spec, tools) == ("late>=2",)
    assert build_wheel(source, environment, spec, tools).is_file()


def test_variables_and_the_versions_own_files_reach_the_backend(tmp_path: Path, prepare: Prepare) -> None:
    hooks = """
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            assert os.environ["MODE"] == "ABI"
            assert os.environ["INCLUDE"].endswith("/compat;" + os.getcwd()), os.environ["INCLUDE"]
            header = os.environ["INCLUDE"].partition(";")[0] + "/win/unistd.h"
            assert open(header).read() == "// none"
            assert config_settings["flags"] == "-I" + os.environ["INCLUDE"].partition(";")[0]
            return write_wheel(folder, {"demo.py": ""})
    """
    header = tmp_path / "unistd.h"
    header.write_text("// none")
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    spec = BuildSpec(
        name="Demo",
        version="1.0.0",
        config_settings={"flags": "-I{versionRoot}/compat"},
        environment={"MODE": "ABI", "INCLUDE": "{versionRoot}/compat;{packageRoot}"},
        files={"compat/win/unistd.h": header},
    )
    assert build_wheel(source, environment, spec, tools).is_file()


def test_metadata_comes_from_a_built_wheel_where_the_backend_has_no_other_way(tmp_path: Path, prepare: Prepare) -> None:
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, BUILD), [])
    assert b"Name: demo\n" in prepare_metadata(source, environment, DEMO, tools)


def test_what_a_backend_warns_of_stands_in_the_log(tmp_path: Path, prepare: Prepare) -> None:
    hooks = """
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            import warnings
            warnings.warn("old ways")
            return write_wheel(folder, {"demo.py": ""})
    """
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    build_wheel(source, environment, DEMO, tools)
    assert "warning: old ways\n" in tools.log.read_text()


def test_an_extra_build_requirement_can_be_imported(tmp_path: Path, prepare: Prepare, setuptools: list[Path]) -> None:
    hooks = """
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            import setuptools
            return write_wheel(folder, {"demo.py": setuptools.__version__})
    """
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), setuptools)
    assert member(build_wheel(source, environment, DEMO, tools), "demo.py") == b"80.9.0"


def test_a_source_that_becomes_another_version_is_refused(tmp_path: Path, prepare: Prepare) -> None:
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, BUILD), [])
    with pytest.raises(WorkError, match=r"produced demo-1\.0-.*another name or version"):
        build_wheel(source, environment, BuildSpec(name="demo", version="2.0"), tools)


def test_a_backend_that_points_outside_its_folder_is_refused(tmp_path: Path, prepare: Prepare) -> None:
    hooks = """
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            return "../../../build.log"
    """
    source, environment, tools = prepare(sdistmaker.in_tree(tmp_path, hooks), [])
    with pytest.raises(IntegrityError, match="not in the output folder"):
        build_wheel(source, environment, DEMO, tools)


def test_a_wheel_that_does_not_fit_the_interpreter_cannot_be_a_build_requirement(tmp_path: Path) -> None:
    wheel = tmp_path / "demo-1.0-cp27-cp27m-win32.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    with pytest.raises(WorkError, match="Installing the build requirements"):
        make_environment(tools_in(tmp_path), [wheel])


def test_the_compiler_of_this_machine_is_told_in_one_line() -> None:
    assert "\n" not in compiler_identity(os.environ)
    assert compiler_identity(os.environ) == compiler_identity(os.environ)
    assert compiler_identity({"PATH": "/nowhere"}) == "none"
