from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bundle.make.verify.emulators.protocol import Missing
from bundle.make.verify.emulators.root_folder import RootedRunner, bwrap_prefix, find_root_folder, shown
from tests.make.verify.emulators.fakes import ONCE, X64, again, ended, having, sysroot

ROOTED = RootedRunner(root=Path("/old"), prefix=("/usr/bin/bwrap", "--"), shell=False)


def test_a_root_needs_something_that_changes_to_it(tmp_path: Path) -> None:
    root = sysroot(tmp_path / "root", "x86_64")
    missing = find_root_folder(X64, root, having())
    assert isinstance(missing, Missing)
    assert "bubblewrap" in missing.remedy


def test_a_root_is_shown_whole_but_for_the_places_of_the_bundle_and_its_scratch_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("usr/lib", "home/other", "proc", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "file").touch()
    bundle, scratch = Path("/home/me/bundle"), Path("/var/cache/s")
    entries = list(shown(root, (bundle, scratch)))
    assert entries == [
        ("file", root / "file", "/file"),
        ("folder", root / "home/other", "/home/other"),
        ("link", Path("usr/lib"), "/lib"),
        ("folder", root / "usr", "/usr"),
    ]
    prefix = bwrap_prefix("/bin/bwrap", entries, bundle=bundle, scratch=scratch)
    text = " ".join(prefix)
    assert "--symlink usr/lib /lib" in text
    assert f"--ro-bind {root}/usr /usr" in text
    assert "--ro-bind /home/me/bundle /home/me/bundle --bind /var/cache/s /var/cache/s --chdir /var/cache/s" in text


def test_a_root_that_is_too_old_is_what_a_bundle_does_not_run_on() -> None:
    errors = "python: /lib/libc.so.6: version `GLIBC_2.34' not found (required by python)\n"
    assert ROOTED.inconclusive(ended(errors), ONCE) is None


def test_a_root_that_cannot_be_entered_says_nothing_of_the_bundle() -> None:
    failed = ended("bwrap: setting up uid map: Permission denied\n")
    assert ROOTED.inconclusive(failed, again(failed)) == "bwrap: setting up uid map: Permission denied"
    assert ROOTED.unstarted(ended("bwrap: execvp /b/bin/x: No such file or directory\n")) is not None


def test_a_program_that_speaks_like_bubblewrap_is_not_bubblewrap() -> None:
    failed = ended("bwrap: setting up uid map: Permission denied\n")
    status = '{ "child-pid": 12 }\n{ "exit-code": 1 }\n'
    assert ROOTED.inconclusive(failed, again(replace(failed, output=status))) is None
