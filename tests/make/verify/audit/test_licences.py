from __future__ import annotations

from pathlib import Path

import pytest

from tests.make.audited import good, rules


@pytest.mark.parametrize(
    ("fields", "files", "expected"),
    [
        ("License-Expression: BSD-3-Clause\nLicense: whatever", {}, "BSD-3-Clause"),
        ("License: BSD", {}, "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", {}, "MIT License"),
        ("Classifier: License :: OSI Approved :: A\nClassifier: License :: OSI Approved :: B", {}, "A AND B"),
        ("License: " + "A whole text. " * 20 + "\nClassifier: License :: OSI Approved :: C", {}, "C"),
        ("License-File: COPYING.md", {}, "see COPYING.md"),
        ("Summary: none", {"more-1.0.dist-info/licenses/LICENCE": "x"}, "see licenses/LICENCE"),
        ("Summary: none", {"more-1.0.dist-info/LICENSE.txt": "x"}, "see LICENSE.txt"),
        ("License: " + "A whole text. " * 20, {}, "see its metadata"),
        ("Classifier: Programming Language :: Python", {"more/LICENSE": "of its data"}, None),
    ],
)
def test_the_best_that_a_package_says_of_its_licence_is_told(
    tmp_path: Path, fields: str, files: dict[str, str], expected: str | None
) -> None:
    made = good(tmp_path, "linux-x64")
    made.install(
        "more", {"more-1.0.dist-info/METADATA": f"Metadata-Version: 2.4\nName: more\n{fields}\n\nText", **files}
    )
    report = made.verify()
    assert report.licences.get("more") == expected
    missing = [("licence-missing", f"{made.site}/more-1.0.dist-info/METADATA")]
    assert rules(report, "note") == (missing if expected is None else [])
    assert report.ok
