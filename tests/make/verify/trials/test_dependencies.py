from __future__ import annotations

import pytest

from bundle.make.verify.trials.dependencies import judge_complaint


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pandas 2.2.3 requires numpy, which is not installed.", ("error", "pandas")),
        ("xgboost 3.0 requires nvidia-nccl-cu12, which is not installed.", ("note", "xgboost")),
        ("xgboost 3.0 requires Nvidia_NCCL.cu12, which is not installed.", ("note", "xgboost")),
        ("pandas 2.2.3 has requirement numpy>=2, but you have numpy 1.26.4.", ("error", "pandas")),
        ("Some_Thing 1 has requirement pinned[fast]<2, but you have pinned 2.0.", ("warning", "some-thing")),
        ("bare 1.0 requires anything, which is not installed.", ("warning", "bare")),
        ("freesasa 2 is not supported on this platform", ("error", "pip check")),
    ],
)  # fmt: skip
def test_a_complaint_counts_unless_it_was_decided_so(line: str, expected: tuple[str, str]) -> None:
    finding = judge_complaint(line, skipped={"nvidia-nccl-cu12"}, relaxed={"pinned", "bare"})
    assert (finding.severity, finding.subject) == expected
    assert finding.message == line
