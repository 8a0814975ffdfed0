"""The first start of a command: uv begins to install while the modules are imported that read and check everything.

What is read here in haste decides nothing. `Environments` reads all of it again, and only if it then wants the very
environment that is being made, from the same place and with the same variables, that one is finished. In all other
cases it is removed, and everything goes its usual way. Imports little until uv has begun.
"""

from __future__ import annotations

import os
import sys

from bundle.artifacts.store.environment_place import MARK, MARKED, environments_folder
from bundle.run.environments.making import (
    FOLDER,
    FORMAT,
    Making,
    Place,
    answer_place,
    c_library,
    has_distributions,
    installer_variables,
    place_name,
)
from bundle.run.environments.start import DEFAULT_PYTHON, enter, host, is_private, program_of, read_bytes, variables_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bundle.run.environments.environments import Environments, Wanted

_KEYS = frozenset({"type", "pylock", "command", "python_version", "refresh"})
"""Commands with other keys go the usual way."""

_ANYTHING = (OSError, TimeoutError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a wrong guess may raise."""


class _Begun:
    """An environment that uv fills, and what it is made from."""

    def __init__(self, making: Making, identity: str, place: Place, variables: dict[str, str]) -> None:
        self.making = making
        self.identity = identity
        self.place = place
        self.variables = variables
        """Those of uv."""


def start_unseen(application: str, command: str, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Make the environment of a command out of uv's cache, and become its program; return if that takes more.

    Nothing is told: what is wrong is told the usual way.

    Args:
        application: the absolute path of the file.
    """
    if os.name != "posix":
        return
    try:
        begun = _begin(application, command, environ)
    except _ANYTHING:
        return
    if begun is None:
        return
    try:
        found = _finished(begun, application, command, environ)
    finally:
        begun.making.close()
    if found is None or enter(begun.making.folder) is None:
        return
    environments, wanted = found
    environments.remember(wanted)
    from pathlib import Path

    from bundle.base.processes.become import become

    folder = begun.making.folder
    words = program_of(folder, [*wanted.command.words, *arguments], os.path.dirname(application))  # noqa: PTH120
    become(words, env=environments.variables(Path(folder), wanted))


def _begin(application: str, command: str, environ: Mapping[str, str]) -> _Begun | None:
    """Let uv begin to make the environment that a hasty reading asks for."""
    root, base = environments_folder(environ), os.path.dirname(application)  # noqa: PTH120
    values = hasty(read_bytes(application), command)
    refresh = values.get("refresh", "false")
    if not values.keys() <= _KEYS or refresh not in (False, "false"):
        return None
    if not _is_ours(root) or not has_distributions(environ):
        return None
    version = values.get("python_version", DEFAULT_PYTHON)
    executable = _executable(version, environ)
    facts = _facts(executable, f"{root}/{FOLDER}") if executable else {}
    if not facts:
        return None
    import json
    from hashlib import sha256

    from uv import find_uv_bin

    pylock = os.path.normpath(os.path.join(base, os.path.expanduser(values["pylock"])))  # noqa: PTH111, PTH118
    content, real = read_bytes(pylock), os.path.realpath(executable)
    status = os.stat(real)  # noqa: PTH116
    stamps = {"executable": real, "size": str(status.st_size), "mtime": str(status.st_mtime_ns)}
    identity = {
        "format": FORMAT,
        "host": host(),
        "python": version,
        "interpreter": {**facts, **stamps},
        "pylock": pylock,
        "mtime": os.stat(pylock).st_mtime_ns,  # noqa: PTH116
        "content": sha256(content).hexdigest(),
        "extras": [],
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    making, uv = Making(root, text, pylock, content), find_uv_bin()
    place = Place(f"{root}/{FOLDER}/{place_name(executable, uv, installer_variables(environ))}")
    variables = installer_variables(variables_of(place.new, environ, prepended=(), below={}, above={}))
    begun = False
    try:
        begun = making.begin(place, uv, variables, base, python=executable)
    finally:
        if not begun:
            making.close()
    return _Begun(making, text, place, variables) if begun else None


def _finished(
    begun: _Begun, application: str, command: str, environ: Mapping[str, str]
) -> tuple[Environments, Wanted] | None:
    """Read everything with care, and finish the environment if it is the one that is wanted."""
    from pathlib import Path

    from bundle.base.errors import BundleError
    from bundle.base.report import Reporter
    from bundle.run.environments.application import choose, read_commands
    from bundle.run.environments.environments import Environments
    from bundle.run.environments.installer import find_installer
    from bundle.run.environments.interpreter import Interpreters

    root, file = Path(environments_folder(environ)), Path(application)
    # Bundles as interpreters go the usual way, so neither their records nor this machine's platform matter.
    interpreters = Interpreters(data=root, machine=None, environ=environ, memory=root / FOLDER)
    environments = Environments(root=root, interpreters=interpreters, environ=environ, reporter=Reporter())
    try:
        if not _is_marked(str(root.parent)):  # The import takes long.
            from bundle.artifacts.store.claim import claim

            claim(root.parent, trusted=False)
        wanted = environments.wanted(choose(read_commands(file), command, file))
        environments.sweep()
        if (
            wanted.identity.text == os.fsencode(begun.identity)
            and not wanted.command.refresh
            and str(environments.making_place(wanted, find_installer())) == begun.place.folder
            and installer_variables(environments.variables(Path(begun.place.new), wanted)) == begun.variables
            and begun.making.finish()
        ):
            return environments, wanted
    except (BundleError, *_ANYTHING):
        pass  # The usual way tells it.
    return None


def hasty(content: bytes, command: str) -> dict[str, Any]:
    """Return the values of a command in an application file of plain form: JSON, or a line for each value.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, RecursionError: it has another form, or mistakes.
    """
    text = content.decode()
    if text.lstrip().startswith("{"):
        import json

        found: dict[str, Any] = json.loads(text)["commands"][command]
        return found
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    below = lines[lines.index("commands:") + 1 :]
    depths = [len(line) - len(line.lstrip()) for line in below]
    at = below.index(f"{' ' * depths[0]}{command}:")
    found = {}
    for line, depth in zip(below[at + 1 :], depths[at + 1 :], strict=True):
        if depth <= depths[at]:
            break
        key, _, value = line.strip().partition(": ")
        value = value.partition(" #")[0].strip()
        if depth != depths[at + 1] or not value:
            raise ValueError(line)
        found[key] = value[1:-1] if value[0] in ("'", '"') and value[-1] == value[0] else value
    return found


def _executable(version: str, environ: Mapping[str, str]) -> str:
    """Return where an interpreter of a version is looked for first."""
    major, minor, *_ = version.split(".")
    name = f"python{int(major)}.{int(minor)}"
    if [major, minor] == [str(part) for part in sys.version_info[:2]]:
        return f"{sys.base_prefix}/bin/{name}"
    places = (f"{folder}/{name}" for folder in environ.get("PATH", "").split(os.pathsep) if folder)
    return next((path for path in places if os.access(path, os.X_OK)), "")


def _facts(executable: str, memory: str) -> dict[str, str]:
    """Return what an interpreter has answered, or would answer if it is this one, as far as it counts; else nothing."""
    import json

    path, key = answer_place(memory, executable)
    facts: dict[str, object]
    try:
        known = json.loads(read_bytes(path))
        facts = known["facts"] if known["key"] == key else {}
    except FileNotFoundError:
        facts = {}
    if not facts:
        if os.path.realpath(executable) != os.path.realpath(sys.executable):
            return {}
        system, bits = os.uname(), 64 if sys.maxsize > 2**32 else 32
        facts = {"system": system.sysname, "machine": system.machine, "bits": bits, "glibc": c_library()}
        facts["version"] = ".".join(map(str, sys.version_info[:3]))
    named = {"python": "version", "system": "system", "machine": "machine", "bits": "bits", "glibc": "glibc"}
    return {name: str(facts[key]) for name, key in named.items()}


def _is_ours(root: str) -> bool:
    """Return whether the folder of the environments may be made or used without another look."""
    store = os.path.dirname(root)  # noqa: PTH120
    if not os.path.lexists(store):
        return True
    usable = _is_marked(store) or not os.listdir(store)  # noqa: PTH208
    return usable and is_private(root if os.path.lexists(root) else store)


def _is_marked(store: str) -> bool:
    try:
        return read_bytes(f"{store}/{MARK}") == MARKED
    except OSError:
        return False
