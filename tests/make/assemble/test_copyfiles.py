from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from bundle.base.errors import ConfigError
from bundle.make.assemble.copyfiles import Copy, copy_into, fingerprint, plan_copies
from bundle.model.config.config import CopyFile
from bundle.model.platforms import PLATFORMS

SITE = "lib/python3.12/site-packages"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "versions" / "3.12.10"
    (folder / "linux" / "bin").mkdir(parents=True)
    tool = folder / "linux" / "bin" / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o700)
    (folder / "linux" / "bin" / "alias").symlink_to("tool")
    (folder / "module.py").write_text("x = 1\n")
    return folder


def plan(base: Path, *rules: tuple[str, str], folders: tuple[str, ...] = ("bin", SITE)) -> tuple[Copy, ...]:
    return plan_copies(
        [CopyFile(source=source, target=target, base=base) for source, target in rules],
        platform=PLATFORMS["linux-x64"],
        python="3.12.10",
        folders=folders,
    )


def targets(copies: tuple[Copy, ...]) -> list[str]:
    return [str(copy.target) for copy in copies]


def test_the_content_of_a_folder_goes_into_the_target(own: Path) -> None:
    assert targets(plan(own, ("linux/bin", "bin"))) == ["bin/alias", "bin/tool"]


@pytest.mark.parametrize("target", ["{site-packages}", "<site-packages>", "{site-packages}/", SITE, SITE + "/"])
def test_a_file_goes_into_a_folder_of_the_bundle(own: Path, target: str) -> None:
    assert targets(plan(own, ("module.py", target))) == [f"{SITE}/module.py"]


def test_a_file_gets_the_name_of_a_target_that_is_no_folder(own: Path) -> None:
    assert targets(plan(own, ("module.py", "<site-packages>/other.py"))) == [f"{SITE}/other.py"]


def test_a_later_rule_wins(own: Path) -> None:
    (own / "second.py").write_text("x = 2\n")
    copies = plan(own, ("module.py", "etc/one.py"), ("second.py", "etc/one.py"))
    assert copies == (Copy(source=own / "second.py", target=PurePosixPath("etc/one.py")),)


def test_modes_and_symlinks_are_kept(own: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    copy_into(plan(own, ("linux/bin", "bin"), ("module.py", "{site-packages}")), tree)
    assert (tree / "bin" / "tool").stat().st_mode & 0o100
    assert (tree / "bin" / "alias").readlink() == Path("tool")
    assert not (tree / SITE / "module.py").stat().st_mode & 0o111


def test_the_fingerprint_tells_content_mode_target_and_links_apart(own: Path) -> None:
    def now(target: str = "bin") -> str:
        return fingerprint(plan(own, ("linux/bin", target)))

    seen = [now(), now("Scripts")]
    (own / "linux" / "bin" / "tool").chmod(0o600)
    seen.append(now())
    (own / "linux" / "bin" / "tool").write_text("#!/bin/dash\n")
    seen.append(now())
    (own / "linux" / "bin" / "alias").unlink()
    (own / "linux" / "bin" / "alias").symlink_to("../bin/tool")
    seen.append(now())
    assert len(set(seen)) == len(seen)


def test_python_caches_are_left_behind(own: Path) -> None:
    (own / "linux" / "bin" / "__pycache__").mkdir()
    (own / "linux" / "bin" / "__pycache__" / "tool.cpython-312.pyc").write_bytes(b"\0")
    assert targets(plan(own, ("linux/bin", "bin"))) == ["bin/alias", "bin/tool"]


@pytest.mark.parametrize("target", ["../outside", "/etc", "bin/../../x", "C:/x", "{site-packages}/../../../../x"])
def test_a_target_that_leaves_the_bundle_is_refused(own: Path, target: str) -> None:
    with pytest.raises(ConfigError, match=r"leads upward|is absolute"):
        plan(own, ("module.py", target))


def test_a_source_that_climbs_out_is_refused(own: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    with pytest.raises(ConfigError, match="the source leaves"):
        plan(own, ("../../secret", "bin"))
    with pytest.raises(ConfigError, match="the source leaves"):
        plan(own, (str(tmp_path / "secret"), "bin"))


def test_a_source_that_is_a_symlink_to_outside_is_refused(own: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (own / "innocent").symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError, match="the source leaves"):
        plan(own, ("innocent", "bin"))


@pytest.mark.parametrize("target", ["../../module.py", "/etc/passwd", "../../../../../outside"])
def test_a_symlink_in_a_folder_that_points_out_of_it_is_refused(own: Path, target: str) -> None:
    (own / "linux" / "bin" / "evil").symlink_to(target)
    with pytest.raises(ConfigError, match="outside of what is copied"):
        plan(own, ("linux/bin", "bin"))


def test_all_problems_are_named_together(own: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(own, ("absent", "bin"), ("module.py", "/etc"), ("gone", "bin"))
    assert len(caught.value.details) == 3
