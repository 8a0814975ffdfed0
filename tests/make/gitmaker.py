"""Small git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.make.sdistmaker import IN_TREE, WRITER


def git(folder: Path, *command: str) -> str:
    """Run git in a folder, and return its output."""
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(
        ["git", *command],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **identity},
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> Path:
    """Make a repository with a package in a subfolder, a tag and a second branch."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "package" / "in_tree").mkdir(parents=True)
    (folder / "package" / "pyproject.toml").write_text(
        f'{IN_TREE}\n[project]\nname = "demo"\nversion = "1.0"\ndependencies = ["low"]\n'
    )
    (folder / "package" / "in_tree" / "backend.py").write_text(WRITER)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "tag", "-a", "v1", "-m", "one")
    git(folder, "checkout", "--quiet", "-b", "feature/slash")
    (folder / "more.txt").write_text("more")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "second")
    return folder
