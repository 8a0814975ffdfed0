"""Removes an install, unless it holds files that are not the bundle's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bundle.base.errors import WorkError
from bundle.run.install.documents import added_to
from bundle.run.install.records import Records
from bundle.run.install.target import Target

if TYPE_CHECKING:
    from bundle.base.report import Reporter

_SHOWN = 10


def remove(target: Target, records: Records, *, reporter: Reporter) -> None:
    """Remove an install and its record.

    Raises:
        WorkError: files were added to it.
    """
    with target.changing(reporter):
        if added := added_to(target.path):
            raise WorkError(
                f"{target.path} stays: it holds {len(added)} files that are not the bundle's.",
                cause="A person or a program put them there, such as pip.",
                remedy="Move them to another folder, or remove them, then run the same command again.",
                details=added[:_SHOWN],
            )
        target.remove()
        records.remove(target)
