"""Everything that a reporter may be told."""

from __future__ import annotations

from bundle.base.report import Reporter


def tell_everything(reporter: Reporter) -> None:
    reporter.info("an information")
    reporter.detail("a detail")
    reporter.warning("a problem")
    with reporter.step("lock"), reporter.task("numpy.whl", total=3, unit="bytes") as task:
        task.total(4)
        task.advance()
        task.advance(3)
