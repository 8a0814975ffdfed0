"""The folder of environments, beside the parts of the store. Imports little: the start of a program waits for it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "envs"

MARK, MARKED = "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n# The store of `bundle`.\n"
"""The file that says that a folder is a store, and its content; other tools write others into files of that name."""


def environments_folder(environ: Mapping[str, str]) -> str:
    """Return the folder with all environments: `BUNDLE_CACHE_DIR`, else `bundle` in `XDG_CACHE_HOME` or `~/.cache`."""
    if named := environ.get("BUNDLE_CACHE_DIR"):
        root = os.path.abspath(os.path.expanduser(named))  # noqa: PTH100, PTH111 - pathlib costs time
    else:
        cache = environ.get("XDG_CACHE_HOME") or ""
        # By its specification, a relative path is invalid.
        cache = cache if os.path.isabs(cache) else os.path.expanduser("~/.cache")  # noqa: PTH111, PTH117
        root = os.path.join(cache, "bundle")  # noqa: PTH118
    return os.path.join(root, FOLDER)  # noqa: PTH118
