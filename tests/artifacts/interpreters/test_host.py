"""A CPython of this machine, made portable, then used as somebody on another machine would."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.interpreters.host import Host
from bundle.artifacts.interpreters.portable import embedded_paths
from bundle.artifacts.interpreters.portable.sysconfig_data import Recorded
from bundle.artifacts.interpreters.source import Offer, Refusal, Request
from bundle.base.processes.run import check, run
from bundle.model.config.config import Interpreter
from bundle.model.platforms import PLATFORMS
from tests.artifacts.interpreters.conftest import MakeTools, Portable, request_for
from tests.artifacts.interpreters.extensions import native_project
from tests.artifacts.trees import hashes

pytestmark = pytest.mark.real

CLEAN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _run(*arguments: str | Path, env: Mapping[str, str] = CLEAN, cwd: Path | None = None) -> str:
    completed = run(arguments, env=env, cwd=cwd, timeout=300)
    return check(completed, Path(arguments[0]).name).output


@pytest.fixture(scope="module")
def moved(portable: Portable, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the interpreter at a place with a blank and an umlaut."""
    place = tmp_path_factory.mktemp("a b ü") / "python"
    shutil.copytree(portable.tree, place, symlinks=True)
    yield place
    shutil.rmtree(place)


def _python(root: Path) -> Path:
    return root / "bin" / "python"


def test_it_says_the_version_that_was_offered_and_stands_where_it_was_moved(portable: Portable, moved: Path) -> None:
    program = "import json, sys; print(json.dumps([sys.version.split()[0], sys.prefix, sys.base_prefix, sys.path]))"
    version, prefix, base, path = json.loads(_run(_python(moved), "-I", "-c", program, cwd=Path("/")))
    assert version == portable.offer.python == portable.about.python
    assert prefix == base == str(moved)
    assert all(entry.startswith(f"{moved}/") for entry in path)


def test_it_says_the_same_about_itself_as_the_original(portable: Portable, moved: Path) -> None:
    program = (
        "import sys, platform; print(sys.version, sys.copyright, platform.python_build(), sys.platlibdir, sys.abiflags)"
    )
    original = Path(portable.offer.location, portable.platform.executable(portable.offer.python))
    assert _run(_python(moved), "-c", program) == _run(original, "-c", program)


def test_the_modules_that_need_libraries_of_the_machine_find_them_in_the_bundle(moved: Path) -> None:
    program = (
        "import ssl, sqlite3, ctypes, lzma, bz2, curses, readline, uuid, zlib, hashlib, decimal\n"
        "print(*{line.split(None, 5)[5].strip() for line in open('/proc/self/maps') if '.so' in line}, sep='\\n')"
    )
    loaded = [Path(line) for line in _run(_python(moved), "-c", program).splitlines()]
    outside = {path.name for path in loaded if not path.is_relative_to(moved)}
    assert {path.name for path in loaded if path.is_relative_to(moved)} > {"libssl.so.3", "libz.so.1"} - outside
    assert all(
        name.startswith(("libc.", "libm.", "ld-", "libdl.", "libpthread.", "librt.", "libutil.")) for name in outside
    )


def test_it_starts_through_symlinks_from_anywhere(moved: Path, tmp_path: Path) -> None:
    (tmp_path / "to folder").symlink_to(moved)
    (tmp_path / "to python").symlink_to(_python(moved))
    program = "import sys, os; print(os.path.realpath(sys.prefix))"
    assert _run(tmp_path / "to folder" / "bin" / "python3", "-c", program) == f"{moved.resolve()}\n"
    assert _run(tmp_path / "to python", "-c", program) == f"{moved.resolve()}\n"
    assert _run("/bin/sh", "-c", 'cd "$0" && ./python -c "$1"', moved / "bin", program) == f"{moved.resolve()}\n"


def test_started_under_a_name_that_hides_its_place_it_takes_no_other_library(moved: Path, portable: Portable) -> None:
    """CPython falls back to the compiled-in prefix then: no machine may have a Python there."""
    completed = run(
        ["/bin/bash", "-c", 'exec -a nobody "$0" -c "import sys; print(sys.prefix)"', _python(moved)], env=CLEAN
    )
    assert portable.offer.location not in completed.output + completed.errors


def test_sysconfig_tells_the_truth(moved: Path, portable: Portable) -> None:
    program = "import json, sysconfig; print(json.dumps([sysconfig.get_paths(), sysconfig.get_config_vars()]))"
    paths, variables = json.loads(_run(_python(moved), "-c", program))
    assert all(path.startswith(f"{moved}/") or path == str(moved) for path in paths.values())
    assert variables["prefix"] == str(moved)
    assert (Path(variables["INCLUDEPY"]) / "Python.h").is_file()
    assert Path(variables["LIBDIR"], variables["LDLIBRARY"]).exists()
    text = json.dumps(variables)
    assert portable.offer.location not in text
    assert "bundle_prefix" not in text


def test_python_config_answers_for_where_it_stands(moved: Path) -> None:
    config = moved / "bin" / "python3-config"
    assert _run(config, "--prefix") == f"{moved}\n"
    assert f"-I'{moved}/include/" in _run(config, "--includes")
    assert "-lpython3" in _run(config, "--embed", "--ldflags")


def test_pip_is_fresh_and_says_all_is_well(moved: Path) -> None:
    installed = json.loads(_run(_python(moved), "-m", "pip", "list", "--format", "json"))
    assert [package["name"] for package in installed] == ["pip"]
    assert "No broken requirements" in _run(moved / "bin" / "pip3", "check")


def test_a_package_in_the_user_s_home_does_not_shadow_the_one_that_a_script_is_of(
    portable: Portable, moved: Path, tmp_path: Path
) -> None:
    short = ".".join(portable.offer.python.split(".")[:2])
    shadow = tmp_path / f".local/lib/python{short}/site-packages/pip"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise SystemExit('the one of the home')\n")
    env = {**CLEAN, "HOME": str(tmp_path)}
    assert "the one of the home" in run([_python(moved), "-m", "pip", "--version"], env=env).errors
    assert str(moved) in _run(moved / "bin" / "pip3", "--version", env=env)


def test_a_virtual_environment_works(moved: Path, tmp_path: Path) -> None:
    environment = tmp_path / "own one"
    _run(_python(moved), "-m", "venv", environment)
    told = _run(environment / "bin" / "python", "-c", "import sys, ssl; print(sys.prefix, sys.base_prefix, sep='\\n')")
    assert told.splitlines() == [str(environment), str(moved)]
    assert "pip" in _run(environment / "bin" / "python", "-m", "pip", "list")


@pytest.mark.skipif(shutil.which("cc") is None, reason="this machine has no C compiler")
def test_a_c_extension_can_be_built_with_it_and_for_it(moved: Path, tmp_path: Path) -> None:
    project = native_project(tmp_path)
    environment = tmp_path / "env"
    _run(_python(moved), "-m", "venv", environment)
    env = {**os.environ, **CLEAN, "PATH": os.environ["PATH"]}
    _run(environment / "bin" / "python", "-m", "pip", "install", "--quiet", project, env=env)
    program = "import eggs, spam; print(eggs.__file__, spam.__file__, sep='\\n')"
    for native in _run(environment / "bin" / "python", "-c", program).splitlines():
        assert str(moved).encode() not in Path(native).read_bytes()


def test_no_file_of_it_names_the_machine_that_made_it(portable: Portable) -> None:
    home = portable.request.environ.get("HOME", "")
    prefix = Path(portable.offer.location)
    places = Recorded(prefixes=(str(prefix), str(prefix.resolve()), str(portable.tree.parent)), builds=())
    assert embedded_paths.leftovers(portable.tree, places, home) == []
    assert portable.about.remarks == ()


def test_links_stay_inside_and_nothing_is_left_of_what_was_installed(portable: Portable) -> None:
    root = portable.tree.resolve()
    for path in portable.tree.rglob("*"):
        assert "__pycache__" not in path.parts
        assert path.name != "EXTERNALLY-MANAGED"
        if path.is_symlink():
            assert not path.readlink().is_absolute()
            assert path.resolve(strict=True).is_relative_to(root)
    packages = portable.tree / portable.platform.site_packages(portable.offer.python)
    assert {path.name.partition("-")[0] for path in packages.iterdir()} == {"pip"}


def test_made_again_elsewhere_under_another_umask_it_has_the_same_bytes(
    portable: Portable, tmp_path: Path, make_tools: MakeTools
) -> None:
    tree = tmp_path / "other place" / "tree"
    before = os.umask(0o077)
    try:
        tree.mkdir(parents=True)
        Host().make(portable.offer, portable.request, tree, make_tools())
    finally:
        os.umask(before)
    assert hashes(tree) == hashes(portable.tree)


def test_what_came_along_is_named_with_its_licence(portable: Portable) -> None:
    licences = portable.about.licences
    names = {library.name for library in portable.about.libraries}
    assert {"libstdc++.so.6", "libgcc_s.so.1"} <= names
    assert names <= set(licences)
    if "libreadline.so.8" in names:
        assert licences["libreadline.so.8"] == "GPL-3.0-or-later"
    assert portable.about.glibc.whole is not None
    assert portable.about.glibc.start is not None
    json.dumps(portable.about.as_json())


def test_the_same_machine_gives_the_same_offer_and_asking_reads_no_binaries() -> None:
    program = (
        "import json, os, platform, sys\n"
        "from bundle.artifacts.interpreters.sources import sources_for\n"
        "from bundle.artifacts.interpreters.source import Request\n"
        "from bundle.model.config.config import Interpreter\n"
        "from bundle.model.platforms import platform_of\n"
        "machine = platform_of(platform.system(), platform.machine())\n"
        "own = {'platform': machine, 'machine': machine}\n"
        "request = Request(python=sys.argv[1], config=Interpreter(), environ=os.environ, **own)\n"
        "for source in sources_for((), ('host',), machine):\n"
        "    print(repr(source.offers(request)))\n"
        "print(sorted({'lief', 'requests', 'installer'} & set(sys.modules)))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    first, second = (_run(sys.executable, "-c", program, "3.12.10", env=env) for _ in range(2))
    assert first == second
    assert first.splitlines()[-1] == "[]"


def _reasons(source: Host, request: Request) -> list[str]:
    answers = source.offers(request)
    assert not [answer for answer in answers if isinstance(answer, Offer)]
    return [answer.reason for answer in answers if isinstance(answer, Refusal)]


def test_another_platform_is_refused() -> None:
    for key in ("windows-x64", "macosx-aarch64"):
        assert "only its own platform" in _reasons(Host(), request_for("3.12.10", platform=PLATFORMS[key]))[0]


def test_a_machine_that_cannot_be_copied_yet_says_what_to_do() -> None:
    mac = PLATFORMS["macosx-aarch64"]
    request = replace(request_for("3.12.10", platform=mac), machine=mac)
    assert "python-build-standalone" in _reasons(Host(), request)[0]


def test_a_virtual_environment_is_refused_by_name(portable: Portable, moved: Path, tmp_path: Path) -> None:
    _run(_python(moved), "-m", "venv", "--without-pip", tmp_path / "env")
    request = request_for(portable.offer.python)
    assert "virtual environment" in _reasons(Host(tmp_path / "env" / "bin" / "python"), request)[0]
    assert "virtual environment" in _reasons(Host(tmp_path / "env"), request)[0]


def test_a_python_without_pips_wheel_or_headers_is_refused_with_both_reasons(
    portable: Portable, tmp_path: Path
) -> None:
    tree = tmp_path / "python"
    shutil.copytree(portable.tree, tree, symlinks=True)
    stdlib = tree / portable.platform.stdlib(portable.offer.python)
    shutil.rmtree(stdlib / "ensurepip" / "_bundled")
    shutil.rmtree(tree / "include")
    (reason,) = _reasons(Host(tree), request_for(portable.offer.python))
    assert "ensurepip" in reason
    assert "headers" in reason


def test_a_program_that_is_no_python_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "python3.12"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    assert "does not answer" in _reasons(Host(program), request_for("3.12.10"))[0]


def test_a_python_of_another_minor_version_is_refused_for_that_before_all_else(portable: Portable) -> None:
    (reason,) = _reasons(Host(portable.tree), request_for("3.99.1"))
    assert reason.endswith(f"is Python {portable.offer.python}, and 3.99 is required")


def test_a_machine_without_any_says_where_it_was_looked_for(tmp_path: Path) -> None:
    request = replace(
        request_for("3.99.1", config=Interpreter()), environ={"PATH": str(tmp_path), "HOME": str(tmp_path)}
    )
    assert "python3.99" in _reasons(Host(), request)[0]


def test_a_shim_is_not_taken_for_the_python_that_it_stands_for(portable: Portable, tmp_path: Path) -> None:
    """pyenv's shims start another Python in every folder; the Pythons behind them are found where pyenv keeps them."""
    short = ".".join(portable.offer.python.split(".")[:2])
    shims, versions = tmp_path / "shims", tmp_path / "pyenv" / "versions"
    shims.mkdir()
    (shims / f"python{short}").write_text("#!/bin/sh\nexit 7\n")
    (shims / f"python{short}").chmod(0o755)
    shutil.copytree(portable.tree, versions / portable.offer.python, symlinks=True)
    environ = {"PATH": str(shims), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path / "pyenv")}
    answers = Host().offers(replace(portable.request, environ=environ))
    assert f"{versions / portable.offer.python}, found by pyenv" in [
        answer.detail for answer in answers if isinstance(answer, Offer)
    ]
    assert not [answer for answer in answers if isinstance(answer, Refusal)]
