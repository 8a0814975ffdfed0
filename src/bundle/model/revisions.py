"""The revisions of all rules that shape results; raise one when the same input gives another result than before.

They are part of the keys of the store and of what a build compares to find a bundle unchanged, so that earlier results
of another revision are made anew. The revision of locks is `FORMAT` in `bundle.model.locks.lock`.
"""

INTERPRETER = 6
"""An interpreter made portable, its compiled modules included."""

SOURCE_WHEEL = 4
"""A wheel built from source, repaired and rewritten."""

LAYER = 3
"""The layer of a wheel, of copied files or of documents."""

DOCUMENTS = 1
"""The documents in a bundle and beside its archives."""

FLOOR = 2
"""The measured oldest system of a layer."""

FRAME = 2
"""The compressed frames of a layer, and the record of them."""

ARCHIVE_INDEX = 2
"""The index of an archive; see `docs/bundles.md`."""

VERIFICATION = 18
"""The checks of a bundle, and their rules."""


def revisions() -> dict[str, int]:
    """Return all of them by name."""
    return {name: value for name, value in globals().items() if name.isupper()}
