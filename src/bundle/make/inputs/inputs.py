"""The inputs of a build without a project: files of requirements and locks of other tools, read by what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.pylock import is_valid_pylock_path

from bundle.base.errors import ConfigError, Problems
from bundle.make.inputs.gathered import Gathered, project_name
from bundle.make.inputs.pyproject import Parts, read_pyproject
from bundle.make.inputs.requirements_file import read_requirements
from bundle.make.inputs.taken_lock import read_taken_lock
from bundle.model.config.config import TakenLock
from bundle.model.config.json_source import Leaf, Origin, Table

_OTHERS = {
    "Pipfile": "`pipenv requirements > requirements.txt`",
    "Pipfile.lock": "`pipenv requirements > requirements.txt`",
    "poetry.lock": "the pyproject.toml beside it, or `poetry export -o requirements.txt`",
    "pdm.lock": "`pdm export -f pylock -o pylock.toml`",
    "environment.yml": "the packages of its `pip:` section in a requirements file; conda's packages are not supported",
    "setup.py": "its folder: `--with .`",
    "setup.cfg": "its folder: `--with .`",
}
"""Files of other formats, with what to name in their place."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a build without a project asks for."""

    root: Path
    """The folder of the first file, absolute; the lock is kept there."""
    files: tuple[Path, ...]
    """All files that were read."""
    name: str
    """The name of the project if there is one, else the first file's."""
    table: Table
    """A version's configuration, whose values know the files and lines that they come from."""
    taken: TakenLock | None = None
    """A lock that is taken as it is."""


def read_inputs(files: Sequence[Path], folders: Sequence[Path], parts: Parts) -> Inputs:
    """Read everything that the command line names.

    Args:
        files: of `-r`.
        folders: of `--with`: projects of the user's own.

    Raises:
        ConfigError: lines that cannot be used, all of them; or files that do not go together.
    """
    files = [file.absolute() for file in files]
    folders = [folder.absolute() for folder in folders]
    for file in files:
        if file.name in _OTHERS:
            raise ConfigError(f"{file.name} is not supported.", remedy=f"Name {_OTHERS[file.name]}.")
    root = files[0].parent if files else folders[0]
    gathered = Gathered(root=root, problems=Problems())
    locks = [file for file in files if is_lock(file)]
    taken = None
    if locks:
        if len(files) + len(folders) > 1:
            raise ConfigError(
                f"{locks[0].name} is taken as it is, and nothing else can be added to it.",
                remedy="Name the lock alone, or files of requirements in its place.",
            )
        taken = read_taken_lock(locks[0], parts, gathered)
    others = [file for file in files if file not in locks]
    projects = [file for file in others if file.name == "pyproject.toml"]
    if (parts.extras or parts.groups) and not projects and not locks:
        raise ConfigError(
            "--extra and --group are about a project, and no pyproject.toml or lock is named.",
            remedy="Name it with -r, or write the extras into the requirement: NAME[EXTRA].",
        )
    for file in others:
        if file in projects:
            read_pyproject(file, parts, gathered)
        else:
            read_requirements(file, gathered)
    for folder in folders:
        gathered.add_folder(folder, (), base=folder, origin=Origin(gathered.shown(folder / "pyproject.toml")))
    own = [*folders, *(file.parent for file in (*projects, *locks))]
    named = next(filter(None, map(project_name, own)), None)
    table = gathered.table()
    if taken is None and not gathered.dependencies:
        shown = ", ".join(map(gathered.shown, files)) or "The project"
        raise ConfigError(f"{shown} asks for no package.", remedy="Name a file with requirements.")
    return Inputs(
        root=root, files=tuple(gathered.files), name=plain_name(named or files[0].stem), table=table, taken=taken
    )


def no_inputs(root: Path) -> Inputs:
    """Return inputs that ask for nothing."""
    return Inputs(root=root, files=(), name="", table=Gathered(root=root, problems=Problems()).table())


def wheels_of(requirements: Sequence[Leaf], file: Path, *, name: str) -> Inputs:
    """Return inputs that ask for requirements as wheels alone.

    Args:
        file: the file that they stand in.
    """
    gathered = Gathered(root=file.parent, problems=Problems(), files=[file], sources=False)
    gathered.dependencies = list(requirements)
    return Inputs(root=file.parent, files=(file,), name=plain_name(name), table=gathered.table())


def plain_name(text: str) -> str:
    """Return a text as a name that files and versions may have."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "bundle"


def is_lock(file: Path) -> bool:
    """Return whether a file is a lock, by its name."""
    return file.name == "uv.lock" or is_valid_pylock_path(file)
