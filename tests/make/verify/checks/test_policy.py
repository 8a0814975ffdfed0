from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from bundle.make.verify.checks.policy import Policy, policy_for
from bundle.model.acceptance import Acceptance
from bundle.model.config.config import BuildOptions, Config, Verification
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.platforms import Floors

ENTRY = Acceptance(rule="build-path", files="a", reason="known")

MANIFEST = Manifest(
    version="3.12.10",
    platform="linux-x64",
    python=PythonRecord(requested="3.9.1", actual="3.9.1", source="host"),
    floor_asked={"glibc": "2.31"},
    accepted=(ENTRY,),
)


def interpreter(prefix: Path, name: str) -> Path:
    """Make a folder that passes for the prefix of an interpreter."""
    for path in (prefix / "bin" / name, prefix / "lib" / name / "os.py"):
        path.parent.mkdir(parents=True)
        path.touch()
    (prefix / "bin" / name).chmod(0o755)
    return prefix


def policy(folder: Path, manifest: Manifest = MANIFEST, config: Config | None = None) -> Policy:
    environ = {"PATH": f"{folder / 'path'}", "HOME": str(folder / "home"), "PYENV_ROOT": str(folder / "pyenv")}
    return policy_for(manifest, config, cache=folder / "cache", project=folder / "project", environ=environ)


def test_cache_project_and_the_running_python_are_forbidden(tmp_path: Path) -> None:
    found = policy(tmp_path, replace(MANIFEST, python=PythonRecord(actual="3.9.1", source="archive")))
    own = (Path(sys.prefix), Path(sys.base_prefix))
    assert found.forbidden == tuple(dict.fromkeys((tmp_path / "cache", tmp_path / "project", *own)))
    assert found.suspicious == (Path.home(),)


def test_interpreters_that_a_host_bundle_may_be_a_copy_of_are_forbidden(tmp_path: Path) -> None:
    named = interpreter(tmp_path / "pyenv" / "versions" / "3.9.1", "python3.9")
    linked = interpreter(tmp_path / "elsewhere", "python3.9")
    other = interpreter(tmp_path / "pyenv" / "versions" / "3.8.1", "python3.8")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "python3.9").symlink_to(linked / "bin" / "python3.9")
    found = policy(tmp_path).forbidden
    assert {named, linked} <= set(found)
    assert not {other, tmp_path} & set(found)


def test_the_configuration_wins_over_the_manifest(tmp_path: Path) -> None:
    assert (policy(tmp_path).floors, policy(tmp_path).acceptances) == (Floors(glibc="2.31"), (ENTRY,))
    entry = replace(ENTRY, files="b")
    config = Config(
        version="3.12.10",
        python="3.12.10",
        folder=tmp_path,
        build=BuildOptions(floors=Floors(glibc="2.17")),
        verify=Verification(accept=(entry,)),
    )
    found = policy(tmp_path, config=config)
    assert (found.floors, found.acceptances) == (Floors(glibc="2.17"), (entry,))


def test_the_json_value_does_not_depend_on_the_order_of_folders() -> None:
    one = Policy(forbidden=(Path("/a"), Path("/b")), acceptances=(ENTRY,))
    assert one.as_json() == replace(one, forbidden=(Path("/b"), Path("/a"))).as_json()
    assert one.also_forbidding(Path("/c")).as_json() != one.as_json()
